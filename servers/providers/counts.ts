import { Counts, type Behaviour } from './behaviour.ts'

/** Families of usage: what a wire has a word for. */
export type UsageShape = 'openai' | 'responses' | 'messages' | 'gemini' | 'converse' | 'embeddings'

const BYTES_PER_TOKEN = 4

/** All counts zero. */
export const NO_COUNTS: Counts = Counts.parse({})

/** What an answer costs: as the behaviour says, else a quarter of the bytes. */
export function countsOf(behaviour: Behaviour, askedBytes: number, said: readonly string[], thought: readonly string[]): Counts {
  if (behaviour.usage === 'zero') return NO_COUNTS
  if (typeof behaviour.usage === 'object') return behaviour.usage
  return { ...NO_COUNTS, input: tokens(askedBytes), output: tokens(bytes(said)), reasoning: tokens(bytes(thought)) }
}

const tokens = (size: number) => Math.ceil(size / BYTES_PER_TOKEN)
const bytes = (pieces: readonly string[]) => pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0)

/** What a reader of this wire can know: kinds it has no word for are counted where the wire counts them. */
export function foldCounts(shape: UsageShape, counts: Counts): Counts {
  const images = counts.input + counts.inputImage
  const writes = counts.cacheWrite5m + counts.cacheWrite1h
  if (shape === 'openai')
    return { ...counts, input: images, inputImage: 0, cacheWrite5m: writes, cacheWrite1h: 0, webSearches: 0 }
  if (shape === 'gemini') return { ...counts, input: counts.input + writes, cacheWrite5m: 0, cacheWrite1h: 0, webSearches: 0 }
  const silent = { inputAudio: 0, inputImage: 0, outputAudio: 0, input: images + counts.inputAudio }
  if (shape === 'responses') {
    const output = counts.output + counts.outputAudio
    return { ...counts, ...silent, output, cacheWrite5m: writes, cacheWrite1h: 0, webSearches: 0 }
  }
  if (shape === 'messages') return { ...counts, ...silent, output: counts.output + counts.outputAudio }
  if (shape === 'converse')
    return { ...counts, ...silent, output: counts.output + counts.reasoning + counts.outputAudio, reasoning: 0, webSearches: 0 }
  return { ...NO_COUNTS, input: allInput(counts) }
}

/** Every token that went in. */
export function allInput({ input, cacheRead, cacheWrite5m, cacheWrite1h, inputAudio, inputImage }: Counts): number {
  return input + cacheRead + cacheWrite5m + cacheWrite1h + inputAudio + inputImage
}

/** Every token that came out. */
export function allOutput({ output, reasoning, outputAudio }: Counts): number {
  return output + reasoning + outputAudio
}

import { isRecord, type JsonRecord } from './behaviour.ts'
import { createRandom, type Reply } from './reply.ts'

const USUAL_DIMENSIONS = 8

/** The answer to an embeddings request, in the shape its path calls for. */
export function embeddingsAnswer(path: string, reply: Reply): object {
  const { asked, model, counts, behaviour, usage } = reply
  const inputs = inputsOf(asked)
  const wanted = asked['dimensions']
  const dimensions = behaviour.dimensions ?? (typeof wanted === 'number' ? wanted : USUAL_DIMENSIONS)
  const vectors = inputs.map((input) => vectorOf(input, dimensions))
  const tokens = counts.input
  if (path.endsWith(':batchEmbedContents')) return { embeddings: vectors.map((values) => ({ values })), ...geminiUsage(reply) }
  if (path.endsWith(':embedContent')) return { embedding: { values: vectors[0] }, ...geminiUsage(reply) }
  if (path.endsWith(':predict')) {
    const statistics = { truncated: false, token_count: Math.ceil(tokens / Math.max(1, vectors.length)) }
    return { predictions: vectors.map((values) => ({ embeddings: { values, statistics } })) }
  }
  if (path.startsWith('/model/'))
    return Array.isArray(asked['texts'])
      ? { id: reply.id, response_type: 'embeddings_floats', embeddings: vectors, texts: asked['texts'] }
      : { embedding: vectors[0], inputTextTokenCount: tokens }
  const isBase64 = asked['encoding_format'] === 'base64'
  const data = vectors.map((vector, index) => ({ object: 'embedding', index, embedding: isBase64 ? base64(vector) : vector }))
  return { object: 'list', data, model, ...(usage === 'none' ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }) }
}

const geminiUsage = ({ usage, counts }: Reply) => (usage === 'none' ? {} : { usageMetadata: { promptTokenCount: counts.input } })

function inputsOf(asked: JsonRecord): readonly string[] {
  for (const name of ['input', 'texts', 'instances', 'requests']) {
    const given: unknown = asked[name]
    if (isList(given))
      return isTokens(given) ? [given.join()] : given.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
    if (typeof given === 'string') return [given]
  }
  const text = asked['inputText'] ?? asked['content']
  return [isRecord(text) ? JSON.stringify(text) : typeof text === 'string' ? text : '']
}

const isList = (given: unknown): given is readonly unknown[] => Array.isArray(given)
const isTokens = (given: readonly unknown[]): boolean => given.every((one) => typeof one === 'number')

/** Numbers a float32 holds exactly, so that both encodings say the same. */
function vectorOf(input: string, dimensions: number): number[] {
  const random = createRandom(
    Array.from(input).reduce((sum, letter) => (Math.imul(sum, 31) + (letter.codePointAt(0) ?? 0)) >>> 0, 7),
  )
  return Array.from({ length: dimensions }, () => Math.fround(Math.round(random() * 2048) / 1024 - 1))
}

function base64(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64')
}

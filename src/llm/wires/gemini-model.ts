/** What the name of a Gemini model tells of what it takes. Names are all there is: the API has no question for this. */
export interface GeminiModel {
  /** 2.5 for `gemini-2.5-pro`, 3 for `gemini-3-flash-preview`; 0 when the name tells nothing. */
  readonly generation: number
  readonly size: 'pro' | 'flash' | 'flash-lite' | 'other'
}

/** The generation a `-latest` alias stands for at least. */
const LATEST = 3

/** Reads a model name; one that says nothing (a tuned model, Gemma) is taken for the oldest. */
export function geminiModel(name: string): GeminiModel {
  const rest = /(?:^|\/)gemini-(.*)$/i.exec(name)?.[1]
  if (rest === undefined) return { generation: 0, size: 'other' }
  const version = /^\d+(?:\.\d+)?/.exec(rest)?.[0]
  const generation = version === undefined ? (rest.includes('latest') ? LATEST : 0) : Number(version)
  return { generation, size: sizeOf(rest) }
}

function sizeOf(rest: string): GeminiModel['size'] {
  if (rest.includes('flash-lite')) return 'flash-lite'
  if (rest.includes('flash')) return 'flash'
  return rest.includes('pro') ? 'pro' : 'other'
}

/** Whether full JSON Schema may be sent, instead of the subset called Schema. */
export const takesJsonSchema = (model: GeminiModel): boolean => model.generation >= 2.5

/** The generation that thinks by level, mixes tools with a response format, and takes images inside tool results. */
export const isThird = (model: GeminiModel): boolean => model.generation >= 3

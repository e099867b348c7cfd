// Embeddings have no middle form: callers speak the OpenAI shape, and each provider's file has the way to its own shape and back.
import { GatewayError } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { fault } from './body-reader.ts'
import { listOf } from './loose-json.ts'

/** What a caller asked for, as far as providers of other shapes can say it. */
export interface EmbeddingQuestion {
  readonly texts: readonly string[]
  readonly dimensions?: number
  readonly asBase64: boolean
  /** Members nobody has a word for. */
  readonly dropped: readonly string[]
}

const SAID: readonly string[] = ['model', 'input', 'dimensions', 'encoding_format']

/** What a model takes. */
export interface EmbeddingLimits {
  readonly mostTexts: number
  /** Members of its own, beside those of the OpenAI shape. */
  readonly own?: readonly string[]
}

/** Reads an embeddings request in the OpenAI shape. Throws `invalid_params`. */
export function readEmbeddingQuestion(json: JsonObject, { mostTexts, own = [] }: EmbeddingLimits): EmbeddingQuestion {
  const size = sizeOf(json['dimensions'])
  const format = json['encoding_format'] ?? 'float'
  if (format !== 'float' && format !== 'base64') throw fault('$.encoding_format', 'must be "float" or "base64"')
  return {
    texts: textsOf(json['input'], mostTexts),
    ...(size === undefined ? {} : { dimensions: size }),
    asBase64: format === 'base64',
    dropped: Object.keys(json).filter((name) => !SAID.includes(name) && !own.includes(name) && (json[name] ?? null) !== null),
  }
}

function textsOf(input: Json | undefined, most: number): readonly string[] {
  const texts = typeof input === 'string' ? [input] : listOf(input)
  const words = texts.filter((text): text is string => typeof text === 'string' && text !== '')
  if (words.length === texts.length && words.length > 0 && words.length <= most) return words
  const allowed = most === 1 ? 'one text' : `a text or a list of 1 to ${most} texts`
  throw fault('$.input', `must be ${allowed}; this model takes no token ids`)
}

function sizeOf(dimensions: Json | undefined): number | undefined {
  const size = dimensions ?? undefined
  if (size === undefined || (typeof size === 'number' && Number.isSafeInteger(size) && size > 0)) return size
  throw fault('$.dimensions', 'must be a whole number above 0')
}

/** The vectors of an answer. */
export interface Embeddings {
  readonly vectors: readonly (Json | undefined)[]
  readonly model: string
  readonly asBase64: boolean
  /** Absent where the provider counted nothing. */
  readonly tokens?: number | undefined
}

/** Writes an answer in the OpenAI shape. Throws `upstream_invalid` where a vector is missing or none. */
export function toEmbeddingList({ vectors, model, asBase64, tokens }: Embeddings): JsonObject {
  if (vectors.length === 0) throw noVectors()
  const data = vectors.map((given, index) => {
    const vector = listOf(given).filter((number) => typeof number === 'number')
    if (vector.length === 0 || vector.length !== listOf(given).length) throw noVectors()
    return { object: 'embedding', index, embedding: asBase64 ? toBase64(vector) : vector }
  })
  const usage = tokens === undefined ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }
  return { object: 'list', data, model, ...usage }
}

const noVectors = () => new GatewayError('upstream_invalid', 'the provider sent something that is no list of embeddings')

/** Four bytes a number, least first, as OpenAI writes them. */
function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [index, number] of vector.entries()) bytes.writeFloatLE(number, index * 4)
  return bytes.toString('base64')
}

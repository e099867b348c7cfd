// Embeddings have no middle form: callers speak the OpenAI shape, and these are the ways to the shapes of Titan and Cohere and back.
import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { NO_TOKENS, type Usage } from '../../core/usage.ts'
import type { WrittenBody } from '../body.ts'

const MAX_COHERE_TEXTS = 96
const SAID = new Set(['model', 'input', 'dimensions', 'encoding_format'])

/** Tells whether a model makes embeddings whose shape is known here. */
export function isEmbedding(model: string): boolean {
  return isTitan(model) || model.includes('cohere.embed')
}

const isTitan = (model: string) => model.includes('amazon.titan-embed')

/** Writes an embeddings request of the OpenAI shape for the model. Throws `invalid_params`. */
export function toEmbeddingRequest(question: JsonObject, model: string): WrittenBody {
  const texts = textsOf(question['input'], isTitan(model) ? 1 : MAX_COHERE_TEXTS)
  const { dimensions, encoding_format: format } = question
  if (format !== undefined && format !== null && format !== 'float' && format !== 'base64')
    throw new GatewayError('invalid_params', '$.encoding_format: must be "float" or "base64"')
  const dropped = Object.keys(question).filter(
    (name) => !SAID.has(name) && name !== 'input_type' && (question[name] ?? null) !== null,
  )
  const isSized = typeof dimensions === 'number' && (model.includes('embed-text-v2') || model.includes('embed-v4'))
  if (typeof dimensions === 'number' && !isSized) dropped.push('dimensions')
  const size = isSized ? dimensions : undefined
  const json = isTitan(model) ? toTitan(texts, size) : toCohere(texts, size, question['input_type'])
  if (isTitan(model) && (question['input_type'] ?? null) !== null) dropped.push('input_type')
  return { body: Buffer.from(JSON.stringify(json)), dropped }
}

function textsOf(input: Json | undefined, most: number): readonly string[] {
  const texts = typeof input === 'string' ? [input] : Array.isArray(input) ? input : []
  const words = texts.filter((text: Json): text is string => typeof text === 'string' && text !== '')
  if (words.length === texts.length && words.length > 0 && words.length <= most) return words
  const allowed = most === 1 ? 'one text' : `1 to ${most} texts`
  throw new GatewayError('invalid_params', `$.input: this model takes ${allowed} in one request, and no token ids`)
}

function toTitan(texts: readonly string[], dimensions: number | undefined): JsonObject {
  return { inputText: texts[0], ...(dimensions === undefined ? {} : { dimensions }) }
}

/** Cohere wants to know what the vectors are for; the OpenAI shape does not say, so its own member is looked for. */
function toCohere(texts: readonly string[], dimensions: number | undefined, kind: Json | undefined): JsonObject {
  return {
    texts,
    input_type: typeof kind === 'string' ? kind : 'search_document',
    ...(dimensions === undefined ? {} : { output_dimension: dimensions }),
  }
}

/** Turns an answer into the OpenAI shape. Throws `upstream_invalid` for one without vectors. */
export function toEmbeddingAnswer(question: JsonObject, model: string, body: JsonObject): JsonObject {
  const vectors = isTitan(model) ? [body['embedding']] : cohereVectors(body['embeddings'])
  if (vectors.length === 0 || !vectors.every(isVector))
    throw new GatewayError('upstream_invalid', 'the provider sent something that is no list of embeddings')
  const tokens = embeddingUsage(body)?.input ?? 0
  const asBase64 = question['encoding_format'] === 'base64'
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: asBase64 ? toBase64(vector) : vector })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }
}

/** Vectors stand in a list, or in lists by their type. */
function cohereVectors(embeddings: Json | undefined): readonly Json[] {
  const list = isJsonObject(embeddings) ? embeddings['float'] : embeddings
  return Array.isArray(list) ? list.map((vector: Json) => vector) : []
}

function isVector(vector: Json | undefined): vector is readonly number[] {
  return Array.isArray(vector) && vector.length > 0 && vector.every((number: Json) => typeof number === 'number')
}

function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [index, number] of vector.entries()) bytes.writeFloatLE(number, index * 4)
  return bytes.toString('base64')
}

/** Usage of an answer; Cohere's has none in its body. */
export function embeddingUsage(body: JsonObject): Usage | undefined {
  const input = body['inputTextTokenCount']
  if (typeof input !== 'number' || !Number.isSafeInteger(input) || input < 0) return undefined
  return { ...NO_TOKENS, input, source: 'provider' }
}

// Embeddings have no middle form: callers speak the OpenAI shape, and these are the ways to Google's two shapes and back.
import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { NO_TOKENS, type Usage } from '../../core/usage.ts'
import { listOf } from '../loose-json.ts'

/** What a caller asked for, as far as Google can say it. */
export interface EmbeddingQuestion {
  readonly texts: readonly string[]
  readonly dimensions?: number
  readonly asBase64: boolean
  readonly dropped: readonly string[]
}

const SAID = new Set(['model', 'input', 'dimensions', 'encoding_format'])
const MAX_TEXTS = 2_048

/** Reads an embeddings request in the OpenAI shape. Throws `invalid_params`. */
export function readQuestion(json: JsonObject): EmbeddingQuestion {
  const { input, dimensions, encoding_format: format } = json
  const texts = typeof input === 'string' ? [input] : listOf(input)
  if (texts.length === 0 || texts.length > MAX_TEXTS || !texts.every((text) => typeof text === 'string' && text !== ''))
    throw new GatewayError(
      'invalid_params',
      `$.input: must be a text or a list of 1 to ${MAX_TEXTS} texts; this provider takes no token ids`,
    )
  const size = dimensions ?? undefined
  if (size !== undefined && !(typeof size === 'number' && Number.isSafeInteger(size) && size > 0))
    throw new GatewayError('invalid_params', '$.dimensions: must be a whole number above 0')
  const said = format ?? 'float'
  if (said !== 'float' && said !== 'base64')
    throw new GatewayError('invalid_params', '$.encoding_format: must be "float" or "base64"')
  return {
    texts: texts.filter((text) => typeof text === 'string'),
    ...(size === undefined ? {} : { dimensions: size }),
    asBase64: said === 'base64',
    dropped: Object.keys(json).filter((name) => !SAID.has(name) && (json[name] ?? null) !== null),
  }
}

/** A body for `batchEmbedContents`; `model` is the resource name `models/...`. */
export function toBatch(question: EmbeddingQuestion, model: string): JsonObject {
  const size = question.dimensions === undefined ? {} : { outputDimensionality: question.dimensions }
  return { requests: question.texts.map((text) => ({ model, content: { parts: [{ text }] }, ...size })) }
}

/** A body for `predict`. */
export function toPrediction(question: EmbeddingQuestion): JsonObject {
  const size = question.dimensions === undefined ? {} : { parameters: { outputDimensionality: question.dimensions } }
  return { instances: question.texts.map((content) => ({ content })), ...size }
}

/** The vectors of a `batchEmbedContents` or `predict` answer. */
function vectorsOf(body: JsonObject): readonly (readonly number[])[] {
  const predictions = listOf(body['predictions']).map((one) => (isJsonObject(one) ? one['embeddings'] : undefined))
  const embeddings = body['predictions'] === undefined ? listOf(body['embeddings']) : predictions
  if (embeddings.length === 0) throw invalid()
  return embeddings.map((one) => {
    const values = listOf(isJsonObject(one) ? one['values'] : undefined).filter((value) => typeof value === 'number')
    if (values.length === 0) throw invalid()
    return values
  })
}

const invalid = () => new GatewayError('upstream_invalid', 'the provider sent something that is no list of embeddings')

/** Usage of an embedding answer; undefined when it names none. */
export function embeddingUsage(body: JsonObject): Usage | undefined {
  const meta = body['usageMetadata']
  const direct = isJsonObject(meta) ? [meta['promptTokenCount'] ?? meta['totalTokenCount']] : undefined
  const counts = direct ?? listOf(body['predictions']).map(tokenCount)
  let input = 0
  for (const count of counts) {
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) return undefined
    input += count
  }
  return counts.length === 0 ? undefined : { ...NO_TOKENS, input, source: 'provider' }
}

function tokenCount(prediction: Json): Json | undefined {
  const embeddings = isJsonObject(prediction) ? prediction['embeddings'] : undefined
  const statistics = isJsonObject(embeddings) ? embeddings['statistics'] : undefined
  return isJsonObject(statistics) ? statistics['token_count'] : undefined
}

/** The answer in the OpenAI shape; without `usage` where the provider counted nothing. */
export function toEmbeddingAnswer(question: EmbeddingQuestion, model: string, body: JsonObject): JsonObject {
  const usage = embeddingUsage(body)
  const data = vectorsOf(body).map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: question.asBase64 ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector,
  }))
  return {
    object: 'list',
    data,
    model,
    ...(usage === undefined ? {} : { usage: { prompt_tokens: usage.input, total_tokens: usage.input } }),
  }
}

/** The answer of `countTokens` in the shape of Messages. */
export function toCountAnswer(body: JsonObject): JsonObject {
  const { totalTokens } = body
  if (typeof totalTokens !== 'number')
    throw new GatewayError('upstream_invalid', 'the provider sent something that is no count of tokens')
  return { input_tokens: totalTokens }
}

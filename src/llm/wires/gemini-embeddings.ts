// The ways to Google's two shapes of embeddings and back.
import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { NO_TOKENS, type Usage } from '../../core/usage.ts'
import { toEmbeddingList, type EmbeddingQuestion } from '../embeddings.ts'
import { countOf, listOf, objectOf } from '../loose-json.ts'

/** What the provider takes in one request. */
export const EMBEDDING_LIMITS = { mostTexts: 2_048 }

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
function vectorsOf(body: JsonObject): readonly (Json | undefined)[] {
  const predictions = listOf(body['predictions']).map((one) => objectOf(one)['embeddings'])
  const embeddings = body['predictions'] === undefined ? listOf(body['embeddings']) : predictions
  return embeddings.map((one) => objectOf(one)['values'])
}

/** Usage of an embedding answer; undefined when it names none. */
export function embeddingUsage(body: JsonObject): Usage | undefined {
  const meta = body['usageMetadata']
  const direct = isJsonObject(meta) ? [meta['promptTokenCount'] ?? meta['totalTokenCount']] : undefined
  const counts = direct ?? listOf(body['predictions']).map(tokenCount)
  let input = 0
  for (const told of counts) {
    const count = countOf(told)
    if (count === undefined) return undefined
    input += count
  }
  return counts.length === 0 ? undefined : { ...NO_TOKENS, input, source: 'provider' }
}

function tokenCount(prediction: Json): Json | undefined {
  return objectOf(objectOf(objectOf(prediction)['embeddings'])['statistics'])['token_count']
}

/** The answer in the OpenAI shape; without `usage` where the provider counted nothing. */
export function toEmbeddingAnswer({ asBase64 }: EmbeddingQuestion, model: string, body: JsonObject): JsonObject {
  return toEmbeddingList({ vectors: vectorsOf(body), model, asBase64, tokens: embeddingUsage(body)?.input })
}

/** The answer of `countTokens` in the shape of Messages. */
export function toCountAnswer(body: JsonObject): JsonObject {
  const { totalTokens } = body
  if (typeof totalTokens !== 'number')
    throw new GatewayError('upstream_invalid', 'the provider sent something that is no count of tokens')
  return { input_tokens: totalTokens }
}

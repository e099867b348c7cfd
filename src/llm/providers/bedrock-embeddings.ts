// The ways to the shapes of embeddings of Titan and Cohere and back.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { NO_TOKENS, type Usage } from '../../core/usage.ts'
import type { WrittenBody } from '../body.ts'
import { readEmbeddingQuestion, toEmbeddingList, type EmbeddingQuestion } from '../embeddings.ts'
import { countOf, listOf } from '../loose-json.ts'

const MAX_COHERE_TEXTS = 96

/** Tells whether a model makes embeddings whose shape is known here. */
export function isEmbedding(model: string): boolean {
  return isTitan(model) || model.includes('cohere.embed')
}

const isTitan = (model: string) => model.includes('amazon.titan-embed')

/** Writes an embeddings request of the OpenAI shape for the model. Throws `invalid_params`. */
export function toEmbeddingRequest(question: JsonObject, model: string): WrittenBody {
  const { texts, dimensions, dropped } = readQuestion(question, model)
  const isSized = model.includes('embed-text-v2') || model.includes('embed-v4')
  const size = isSized ? dimensions : undefined
  const json = isTitan(model) ? toTitan(texts, size) : toCohere(texts, size, question['input_type'])
  const lost = dimensions === undefined || isSized ? dropped : [...dropped, 'dimensions']
  return { body: Buffer.from(JSON.stringify(json)), dropped: lost }
}

function readQuestion(question: JsonObject, model: string): EmbeddingQuestion {
  return readEmbeddingQuestion(question, isTitan(model) ? { mostTexts: 1 } : { mostTexts: MAX_COHERE_TEXTS, own: ['input_type'] })
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
  const { asBase64 } = readQuestion(question, model)
  return toEmbeddingList({ vectors, model, asBase64, tokens: embeddingUsage(body)?.input ?? 0 })
}

/** Vectors stand in a list, or in lists by their type. */
function cohereVectors(embeddings: Json | undefined): readonly Json[] {
  const list = isJsonObject(embeddings) ? embeddings['float'] : embeddings
  return listOf(list)
}

/** Usage of an answer; Cohere's has none in its body. */
export function embeddingUsage(body: JsonObject): Usage | undefined {
  const input = countOf(body['inputTextTokenCount'])
  return input === undefined ? undefined : { ...NO_TOKENS, input, source: 'provider' }
}

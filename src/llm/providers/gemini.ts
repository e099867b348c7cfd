import type { Provider as ProviderConfig } from '../../config/provider.ts'
import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { segment, writeBody, type WrittenBody } from '../body.ts'
import { readEmbeddingQuestion, type EmbeddingQuestion } from '../embeddings.ts'
import type { Provider, ProviderCall } from '../provider.ts'
import { embeddingUsage, EMBEDDING_LIMITS, toBatch, toCountAnswer, toEmbeddingAnswer } from '../wires/gemini-embeddings.ts'
import { geminiRefusal } from '../wires/gemini-error.ts'
import { geminiUsage } from '../wires/gemini-usage.ts'
import { geminiWire } from '../wires/gemini.ts'

type Config = Extract<ProviderConfig, { type: 'gemini' }>

/** The Gemini API (`generativelanguage.googleapis.com`). */
export function gemini(config: Config): Provider {
  return {
    wires: () => ['gemini'],
    operations: ['chat', 'embeddings', 'count_tokens'],
    family: () => 'gemini',
    toProvider: (call) => ({ url: urlOf(config, call), headers: headersOf(call), ...bodyOf(call) }),
    fromProvider: () => ({ wire: geminiWire, framing: 'sse' }),
    usageOf(call, body) {
      if (call.operation === 'count_tokens') return undefined
      return call.operation === 'embeddings' ? embeddingUsage(body) : geminiUsage(body)
    },
    errorOf: geminiRefusal,
    toAnswer: (call, body) =>
      call.operation === 'embeddings' ? toEmbeddingAnswer(questionOf(call), call.target.model, body) : toCountAnswer(body),
  }
}

/** Names may be written as the resource the API lists: `models/gemini-...`. */
const modelOf = (call: ProviderCall) => call.target.model.replace(/^models\//, '')

function urlOf(config: Config, call: ProviderCall): string {
  return `${config.baseUrl.replace(/\/+$/, '')}/models/${segment(modelOf(call))}:${methodOf(call)}`
}

function methodOf(call: ProviderCall): string {
  if (call.operation === 'embeddings') return 'batchEmbedContents'
  if (call.operation === 'count_tokens') return 'countTokens'
  return call.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
}

function headersOf(call: ProviderCall): Record<string, string> {
  return { 'content-type': 'application/json', accept: call.stream ? 'text/event-stream' : 'application/json' }
}

function bodyOf(call: ProviderCall): WrittenBody {
  if (call.operation === 'embeddings') {
    const question = questionOf(call)
    return { body: bytesOf(toBatch(question, `models/${modelOf(call)}`)), dropped: question.dropped }
  }
  if (call.operation === 'chat') return writeBody(call, geminiWire, {})
  // Counting takes the whole request, wrapped, so that tools and instructions count too.
  if (call.body.kind !== 'middle') throw new GatewayError('internal', 'a count needs the middle form')
  const { body, dropped } = geminiWire.encodeRequest(call.body.request, call.target)
  return { body: bytesOf({ generateContentRequest: { model: `models/${modelOf(call)}`, ...body } }), dropped }
}

function questionOf(call: ProviderCall): EmbeddingQuestion {
  if (call.body.kind !== 'json') throw new GatewayError('internal', 'embeddings need the JSON of the caller')
  return readEmbeddingQuestion(call.body.json, EMBEDDING_LIMITS)
}

const bytesOf = (json: JsonObject) => Buffer.from(JSON.stringify(json))

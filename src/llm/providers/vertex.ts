import type { Provider as ProviderConfig } from '../../config/provider.ts'
import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import { editBody, scanMembers, segment, writeBody, type WrittenBody } from '../body.ts'
import type { WireName } from '../middle.ts'
import { readEmbeddingQuestion, type EmbeddingQuestion } from '../embeddings.ts'
import type { Provider, ProviderCall, RefusedAnswer } from '../provider.ts'
import { embeddingUsage, EMBEDDING_LIMITS, toCountAnswer, toEmbeddingAnswer, toPrediction } from '../wires/gemini-embeddings.ts'
import { errorObject, geminiRefusal } from '../wires/gemini-error.ts'
import { geminiUsage } from '../wires/gemini-usage.ts'
import { vertexGeminiWire } from '../wires/gemini.ts'
import { claudeEnvelope } from '../wires/messages-envelope.ts'
import { messagesRefusal } from '../wires/messages-failure.ts'
import { messagesWire } from '../wires/messages.ts'

type Config = Extract<ProviderConfig, { type: 'vertex' }>

const CLAUDE_VERSION = 'vertex-2023-10-16'

/** Vertex AI: Google's models and Anthropic's, in a project and a location. */
export function vertex(config: Config): Provider {
  return {
    wires: wiresOf,
    operations: ['chat', 'embeddings', 'count_tokens'],
    family: (model) => (isClaude(model) ? 'anthropic' : 'gemini'),
    toProvider: (call) => ({ url: urlOf(config, call), headers: headersOf(call), ...bodyOf(call) }),
    fromProvider: (call) => ({ wire: call.wire === 'messages' ? messagesWire : vertexGeminiWire, framing: 'sse' }),
    usageOf,
    errorOf: refusalOf,
    toAnswer(call, body) {
      if (call.operation === 'embeddings') return toEmbeddingAnswer(questionOf(call), call.target.model, body)
      return call.wire === 'messages' ? body : toCountAnswer(body)
    },
  }
}

const isClaude = (model: string) => model.startsWith('claude-')

/** Other publishers' models have wires of their own here. */
function wiresOf(model: string): readonly WireName[] {
  if (isClaude(model)) return ['messages']
  return /^(?:gemini-|text-embedding|text-multilingual-embedding)/.test(model) ? ['gemini'] : []
}

function urlOf(config: Config, call: ProviderCall): string {
  const location = call.region ?? config.location
  const base = config.baseUrl?.replace(/\/+$/, '') ?? endpointOf(location)
  const { publisher, model, method } = methodOf(call)
  const project = `projects/${segment(config.project)}/locations/${segment(location)}`
  return `${base}/v1/${project}/publishers/${publisher}/models/${segment(model)}:${method}`
}

/** The host of a location: one for all the world, one per group of regions, or one per region. */
function endpointOf(location: string): string {
  if (location === 'global') return 'https://aiplatform.googleapis.com'
  if (location === 'us' || location === 'eu') return `https://aiplatform.${location}.rep.googleapis.com`
  return `https://${segment(location)}-aiplatform.googleapis.com`
}

interface Method {
  readonly publisher: 'google' | 'anthropic'
  readonly model: string
  readonly method: string
}

function methodOf({ operation, wire, stream, target }: ProviderCall): Method {
  if (wire === 'messages') {
    const model = operation === 'count_tokens' ? 'count-tokens' : target.model
    return { publisher: 'anthropic', model, method: stream ? 'streamRawPredict' : 'rawPredict' }
  }
  const google = { publisher: 'google', model: target.model } as const
  if (operation === 'embeddings') return { ...google, method: 'predict' }
  if (operation === 'count_tokens') return { ...google, method: 'countTokens' }
  return { ...google, method: stream ? 'streamGenerateContent?alt=sse' : 'generateContent' }
}

function headersOf(call: ProviderCall): Record<string, string> {
  const betas = call.wire === 'messages' ? call.passed['anthropic-beta'] : undefined
  return {
    'content-type': 'application/json',
    accept: call.stream ? 'text/event-stream' : 'application/json',
    ...(betas === undefined ? {} : { 'anthropic-beta': betas }),
  }
}

function bodyOf(call: ProviderCall): WrittenBody {
  if (call.operation === 'embeddings') {
    if (call.wire === 'messages') throw new GatewayError('invalid_params', 'this model has no embeddings')
    const question = questionOf(call)
    return { body: bytesOf(toPrediction(question)), dropped: question.dropped }
  }
  if (call.wire === 'messages') return claudeBody(call)
  if (call.operation === 'chat') return writeBody(call, vertexGeminiWire, {})
  if (call.body.kind !== 'middle') throw new GatewayError('internal', 'a count needs the middle form')
  const { body, dropped } = vertexGeminiWire.encodeRequest(call.body.request, call.target)
  // Counting refuses the choice of tools, which costs no tokens.
  return { body: bytesOf({ ...body, toolConfig: undefined }), dropped }
}

/** Members a count takes; it refuses those that only matter for an answer. */
const COUNTED = new Set(['messages', 'system', 'tools', 'tool_choice', 'thinking', 'output_config', 'cache_control'])

/** Messages with the version in the body. The model stands in the URL, but a count names it in the body; streaming must stand in both. */
function claudeBody(call: ProviderCall): WrittenBody {
  const written = claudeEnvelope(call, CLAUDE_VERSION, { betas: 'header' })
  const members = scanMembers(written.body)
  if (call.operation === 'chat')
    return call.stream ? { ...written, body: editBody(written.body, members, { stream: 'true' }) } : written
  const others = [...members.keys()].filter((name) => !COUNTED.has(name)).map((name) => [name, undefined] as const)
  const edits = { ...Object.fromEntries(others), model: JSON.stringify(call.target.model) }
  return { ...written, body: editBody(written.body, members, edits) }
}

function questionOf(call: ProviderCall): EmbeddingQuestion {
  if (call.body.kind !== 'json') throw new GatewayError('internal', 'embeddings need the JSON of the caller')
  return readEmbeddingQuestion(call.body.json, EMBEDDING_LIMITS)
}

function usageOf(call: ProviderCall, body: JsonObject): Usage | undefined {
  if (call.operation === 'count_tokens') return undefined
  if (call.operation === 'embeddings') return embeddingUsage(body)
  return call.wire === 'messages' ? messagesWire.usageOf(body) : geminiUsage(body)
}

/** Claude's refusals are Anthropic's own where its model answered, and Google's where the platform did. */
function refusalOf(answer: RefusedAnswer) {
  return typeof errorObject(answer.body)?.['type'] === 'string' ? messagesRefusal(answer) : geminiRefusal(answer)
}

const bytesOf = (json: JsonObject) => Buffer.from(JSON.stringify(json))

import type { Provider as ProviderConfig } from '../../config/provider.ts'
import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import { editBody, scanMembers, segment, writeBody, type WrittenBody } from '../body.ts'
import type { Provider, ProviderCall } from '../provider.ts'
import { converseWire } from '../wires/converse.ts'
import { isClaude } from '../wires/converse-model.ts'
import { claudeEnvelope } from '../wires/messages-envelope.ts'
import { messagesWire } from '../wires/messages.ts'
import { embeddingUsage, isEmbedding, toEmbeddingAnswer, toEmbeddingRequest } from './bedrock-embeddings.ts'
import { refusalOf, unwrapChunk } from './bedrock-frames.ts'

type Config = Extract<ProviderConfig, { type: 'bedrock' }>

const CLAUDE_VERSION = 'bedrock-2023-05-31'

/** Amazon Bedrock: Converse for every model, and Anthropic's own bodies for Claude. */
export function bedrock(config: Config): Provider {
  return {
    wires: (model) => (isClaude(model) ? ['messages', 'converse'] : ['converse']),
    operations: ['chat', 'embeddings', 'count_tokens'],
    family: (model) => (isClaude(model) ? 'anthropic' : 'bedrock'),
    toProvider: (call) => ({ url: urlOf(config, call), headers: headersOf(call), ...bodyOf(call) }),
    fromProvider: (call) =>
      call.wire === 'messages'
        ? { wire: messagesWire, framing: 'eventstream', unwrap: unwrapChunk }
        : { wire: converseWire, framing: 'eventstream' },
    usageOf,
    errorOf: refusalOf,
    toAnswer(call, body) {
      if (call.operation === 'embeddings') return toEmbeddingAnswer(questionOf(call), call.target.model, body)
      return call.operation === 'count_tokens' ? { input_tokens: body['inputTokens'] ?? 0 } : body
    },
  }
}

function urlOf(config: Config, call: ProviderCall): string {
  const base = config.baseUrl?.replace(/\/+$/, '') ?? endpointOf(call.region ?? config.region)
  return `${base}/model/${modelSegment(modelOf(call))}/${actionOf(call)}`
}

function endpointOf(region: string): string {
  return `https://bedrock-runtime.${segment(region)}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

/** The name of a model is one segment, also an ARN with a slash in it. */
function modelSegment(model: string): string {
  const pieces = model.startsWith('arn:') ? model.split('/') : [model]
  return pieces.map(segment).join('%2F')
}

/** Tokens are counted by base models only, not by the profiles that route to them. */
function modelOf({ operation, target }: ProviderCall): string {
  return operation === 'count_tokens' ? target.model.replace(SYSTEM_PROFILE, '').replace(GEOGRAPHY, '') : target.model
}

const SYSTEM_PROFILE = /^arn:[^/]*:(?:inference-profile|foundation-model)\//
const GEOGRAPHY = /^(?:us|us-gov|eu|apac|jp|au|ca|sa|me|af|il|global)\./

function actionOf({ operation, wire, stream }: ProviderCall): string {
  if (operation === 'count_tokens') return 'count-tokens'
  if (operation === 'embeddings') return 'invoke'
  if (wire === 'messages') return stream ? 'invoke-with-response-stream' : 'invoke'
  return stream ? 'converse-stream' : 'converse'
}

function headersOf({ operation, stream }: ProviderCall): Record<string, string> {
  const isStream = stream && operation === 'chat'
  return {
    'content-type': 'application/json',
    accept: isStream ? 'application/vnd.amazon.eventstream' : 'application/json',
  }
}

function bodyOf(call: ProviderCall): WrittenBody {
  if (call.operation === 'embeddings') return toEmbeddingRequest(questionOf(call), call.target.model)
  const written =
    call.wire === 'messages' ? claudeEnvelope(call, CLAUDE_VERSION, { betas: 'body' }) : writeBody(call, converseWire, {})
  if (call.operation !== 'count_tokens') return written
  return { ...written, body: call.wire === 'messages' ? countOfInvoke(written.body) : countOfConverse(call) }
}

/** A count takes a whole Invoke body, in which the bound of the answer may not be missing. */
function countOfInvoke(body: Buffer): Buffer {
  const members = scanMembers(body)
  const whole = members.has('max_tokens') ? body : editBody(body, members, { max_tokens: '1' })
  return bytesOf({ input: { invokeModel: { body: whole.toString('base64') } } })
}

function countOfConverse({ body, target }: ProviderCall): Buffer {
  if (body.kind !== 'middle') throw new GatewayError('internal', 'a count needs the middle form')
  const written = converseWire.encodeRequest(body.request, target).body
  const { messages, system, toolConfig, additionalModelRequestFields } = written
  return bytesOf({ input: { converse: { messages, system, toolConfig, additionalModelRequestFields } } })
}

function questionOf({ body, target }: ProviderCall): JsonObject {
  if (body.kind === 'json' && isEmbedding(target.model)) return body.json
  throw new GatewayError('invalid_params', 'this model makes no embeddings; amazon.titan-embed* and cohere.embed* do')
}

function usageOf(call: ProviderCall, body: JsonObject): Usage | undefined {
  if (call.operation === 'count_tokens') return undefined
  if (call.operation === 'embeddings') return embeddingUsage(body)
  return call.wire === 'messages' ? messagesWire.usageOf(body) : converseWire.usageOf(body)
}

const bytesOf = (json: JsonObject) => Buffer.from(JSON.stringify(json))

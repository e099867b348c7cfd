import type { Provider as ProviderConfig } from '../../config/provider.ts'
import { segment, writeBody } from '../body.ts'
import type { Provider, ProviderCall } from '../provider.ts'
import { chatEnvelope } from '../wires/chat-envelope.ts'
import { refusalOf } from '../wires/chat-failure.ts'
import { chatWire } from '../wires/chat.ts'
import { responsesWire } from '../wires/responses.ts'

type Config = Extract<ProviderConfig, { type: 'azure' }>

/** Azure OpenAI: the v1 path with both wires, or the classic path of an API version, whose deployments speak Chat Completions. */
export function azure(config: Config): Provider {
  return {
    wires: () => (config.apiVersion === undefined ? ['chat', 'responses'] : ['chat']),
    operations: ['chat', 'embeddings'],
    family: () => 'openai',
    toProvider: (call) => ({ url: urlOf(call, config), headers: headersOf(call), ...bodyOf(call) }),
    fromProvider: (call) => ({ wire: wireOf(call), framing: 'sse' }),
    usageOf: (call, body) => wireOf(call).usageOf(body),
    errorOf: refusalOf,
  }
}

const isResponses = (call: ProviderCall) => call.operation === 'chat' && call.wire === 'responses'
const wireOf = (call: ProviderCall) => (isResponses(call) ? responsesWire : chatWire)

/** The model is the name of a deployment: in the path of the classic door, in the body of the other. */
function urlOf(call: ProviderCall, { baseUrl, apiVersion }: Config): string {
  const base = baseUrl.replace(/\/+$/, '').replace(/\/openai(\/v1)?$/, '')
  if (apiVersion === undefined) return `${base}/openai/v1/${methodOf(call)}`
  return `${base}/openai/deployments/${segment(call.target.model)}/${methodOf(call)}?api-version=${encodeURIComponent(apiVersion)}`
}

function methodOf(call: ProviderCall): string {
  if (call.operation === 'embeddings') return 'embeddings'
  return isResponses(call) ? 'responses' : 'chat/completions'
}

function bodyOf(call: ProviderCall) {
  return isResponses(call) ? writeBody(call, responsesWire, { model: JSON.stringify(call.target.model) }) : chatEnvelope(call)
}

function headersOf(call: ProviderCall): Record<string, string> {
  return { 'content-type': 'application/json', accept: call.stream ? 'text/event-stream' : 'application/json' }
}

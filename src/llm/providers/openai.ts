import type { Provider as ProviderConfig } from '../../config/provider.ts'
import { writeBody } from '../body.ts'
import type { WireName } from '../middle.ts'
import type { Provider, ProviderCall } from '../provider.ts'
import { chatEnvelope } from '../wires/chat-envelope.ts'
import { refusalOf } from '../wires/chat-failure.ts'
import { chatWire } from '../wires/chat.ts'
import { responsesWire } from '../wires/responses.ts'

type Config = Extract<ProviderConfig, { type: 'openai' }>

/** OpenAI, on both of its wires. */
export function openai(config: Config): Provider {
  const base = config.baseUrl.replace(/\/+$/, '')
  return {
    wires: wiresOf,
    operations: ['chat', 'embeddings'],
    family: () => 'openai',
    toProvider: (call) => ({ url: `${base}/${pathOf(call)}`, headers: headersOf(call, config), ...bodyOf(call) }),
    fromProvider: (call) => ({ wire: wireOf(call), framing: 'sse' }),
    usageOf: (call, body) => wireOf(call).usageOf(body),
    errorOf: refusalOf,
  }
}

/** Some models are served on the Responses wire alone. */
function wiresOf(model: string): readonly WireName[] {
  return /-pro\b|codex|deep-research|computer-use/.test(model) ? ['responses'] : ['chat', 'responses']
}

const isResponses = (call: ProviderCall) => call.operation === 'chat' && call.wire === 'responses'
const wireOf = (call: ProviderCall) => (isResponses(call) ? responsesWire : chatWire)

function pathOf(call: ProviderCall): string {
  if (call.operation === 'embeddings') return 'embeddings'
  return isResponses(call) ? 'responses' : 'chat/completions'
}

function bodyOf(call: ProviderCall) {
  return isResponses(call) ? writeBody(call, responsesWire, { model: JSON.stringify(call.target.model) }) : chatEnvelope(call)
}

function headersOf(call: ProviderCall, { organization, project }: Config): Record<string, string> {
  const beta = call.passed['openai-beta']
  return {
    'content-type': 'application/json',
    accept: call.stream ? 'text/event-stream' : 'application/json',
    ...(organization === undefined ? {} : { 'openai-organization': organization }),
    ...(project === undefined ? {} : { 'openai-project': project }),
    ...(beta === undefined ? {} : { 'openai-beta': beta }),
  }
}

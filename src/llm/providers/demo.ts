import type { Provider as ProviderConfig } from '../../config/provider.ts'
import type { Provider, ProviderCall } from '../provider.ts'
import { chatEnvelope } from '../wires/chat-envelope.ts'
import { refusalOf } from '../wires/chat-failure.ts'
import { chatWire } from '../wires/chat.ts'

/** Never resolved: requests of this provider go to the dispatcher of `demo-dispatcher.ts`, inside the process. */
const BASE = 'http://demo.invalid/v1'

/** Answers by itself, without a model and without a network: for trying the gateway out. */
export function demo(_config: Extract<ProviderConfig, { type: 'demo' }>): Provider {
  return {
    wires: () => ['chat'],
    operations: ['chat', 'embeddings'],
    family: () => 'demo',
    toProvider: (call) => ({ url: `${BASE}/${pathOf(call)}`, headers: headersOf(call), ...chatEnvelope(call) }),
    fromProvider: () => ({ wire: chatWire, framing: 'sse' }),
    usageOf: (_call, body) => chatWire.usageOf(body),
    errorOf: refusalOf,
  }
}

const pathOf = ({ operation }: ProviderCall) => (operation === 'embeddings' ? 'embeddings' : 'chat/completions')

function headersOf({ stream }: ProviderCall): Record<string, string> {
  return { 'content-type': 'application/json', accept: stream ? 'text/event-stream' : 'application/json' }
}

import type { Provider as ProviderConfig } from '../../config/provider.ts'
import { GatewayError } from '../../core/errors.ts'
import { writeBody } from '../body.ts'
import type { Provider, ProviderCall, ProviderRequest } from '../provider.ts'
import { messagesRefusal } from '../wires/messages-failure.ts'
import { messagesWire } from '../wires/messages.ts'

const VERSION = '2023-06-01'

/** Members `count_tokens` takes; it refuses those that only matter for an answer. */
const COUNTED = new Set(['model', 'messages', 'system', 'tools', 'tool_choice', 'thinking', 'output_config', 'cache_control'])

/** The Anthropic API. */
export function anthropic(config: Extract<ProviderConfig, { type: 'anthropic' }>): Provider {
  const base = config.baseUrl.replace(/\/+$/, '')
  return {
    wires: () => ['messages'],
    operations: ['chat', 'count_tokens'],
    family: () => 'anthropic',
    toProvider: (call) => toProvider(base, call),
    fromProvider: () => ({ wire: messagesWire, framing: 'sse' }),
    usageOf: (call, body) => (call.operation === 'chat' ? messagesWire.usageOf(body) : undefined),
    errorOf: messagesRefusal,
  }
}

function toProvider(base: string, call: ProviderCall): ProviderRequest {
  const { operation, passed, target } = call
  if (operation === 'embeddings') throw new GatewayError('invalid_params', 'this provider has no embeddings')
  const betas = passed['anthropic-beta']
  return {
    url: operation === 'count_tokens' ? `${base}/messages/count_tokens` : `${base}/messages`,
    headers: {
      'content-type': 'application/json',
      'anthropic-version': passed['anthropic-version'] ?? VERSION,
      ...(betas === undefined ? {} : { 'anthropic-beta': betas }),
    },
    ...writeBody(call, operation === 'count_tokens' ? countingWire : messagesWire, { model: JSON.stringify(target.model) }),
  }
}

const countingWire: typeof messagesWire = {
  ...messagesWire,
  encodeRequest(request, target) {
    const encoded = messagesWire.encodeRequest(request, target)
    const body = Object.fromEntries(Object.entries(encoded.body).filter(([name]) => COUNTED.has(name)))
    return { ...encoded, body }
  },
}

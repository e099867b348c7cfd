import type { Provider as ProviderConfig } from '../../config/provider.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Provider, ProviderCall } from '../provider.ts'
import { chatEnvelope } from '../wires/chat-envelope.ts'
import { refusalOf } from '../wires/chat-failure.ts'
import { chatWire } from '../wires/chat.ts'
import { PROFILE_TABLE } from './openai-compatible-profiles.ts'

type Config = Extract<ProviderConfig, { type: 'openai_compatible' }>

/** Any provider with OpenAI's Chat Completions door, with the deviations of its profile. */
export function openaiCompatible(config: Config): Provider {
  const { quirks } = PROFILE_TABLE[config.profile]
  const base = baseUrlOf(config).replace(/\/+$/, '')
  return {
    wires: () => ['chat'],
    operations: ['chat', 'embeddings'],
    family: () => (config.profile === 'generic' ? config.type : config.profile),
    quirks,
    toProvider: (call) => ({
      url: `${base}/${call.operation === 'embeddings' ? 'embeddings' : 'chat/completions'}`,
      headers: headersOf(call),
      ...chatEnvelope(call, quirks),
    }),
    fromProvider: () => ({ wire: chatWire, quirks, framing: 'sse' }),
    usageOf: (_call, body) => chatWire.usageOf(body),
    errorOf: refusalOf,
  }
}

/** Where the provider is: as configured, or where its profile says. */
export function baseUrlOf({ profile, baseUrl }: Config): string {
  const url = baseUrl ?? PROFILE_TABLE[profile].baseUrl
  if (url === undefined)
    throw new GatewayError('invalid_params', `the profile "${profile}" has no address of its own; set baseUrl`)
  return url
}

function headersOf(call: ProviderCall): Record<string, string> {
  return { 'content-type': 'application/json', accept: call.stream ? 'text/event-stream' : 'application/json' }
}

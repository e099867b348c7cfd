import type { FramingName } from './framing.ts'
import type { FakeWire } from './wire.ts'
import { chat } from './wires/chat.ts'
import { converse } from './wires/converse.ts'
import { gemini } from './wires/gemini.ts'
import { messages } from './wires/messages.ts'
import { responses } from './wires/responses.ts'

/** Whose path it is: decides which credential is looked for. */
export type Vendor = 'openai' | 'azure' | 'anthropic' | 'gemini' | 'vertex' | 'bedrock'

/** The protocols by name. */
export const WIRES = { chat, responses, messages, gemini, converse } as const satisfies Record<string, FakeWire>
export type WireName = keyof typeof WIRES

/** What a path asks for. */
export interface Route {
  readonly vendor: Vendor
  readonly wire: WireName
  readonly operation: 'chat' | 'embeddings' | 'count' | 'models'
  /** The model, where the path names it. */
  readonly model?: string
  /** Whether the path decides about streaming; absent: the body does. */
  readonly stream?: boolean
  readonly framing: FramingName
}

/** Finds what a URL asks for; undefined for a path no provider has. */
export function routeOf(method: string, url: URL): Route | undefined {
  const path = url.pathname
  if (method === 'GET') return modelList(path)
  if (method !== 'POST') return undefined
  return bedrock(path) ?? google(path, url.searchParams.get('alt') === 'sse') ?? openai(path) ?? anthropic(path)
}

function modelList(path: string): Route | undefined {
  const list = { operation: 'models', framing: 'sse' } as const
  if (path.startsWith('/v1beta/models')) return { ...list, vendor: 'gemini', wire: 'gemini' }
  return /\/models(?:\/[^/]+)?$/.test(path) ? { ...list, vendor: 'openai', wire: 'chat' } : undefined
}

const OPENAI = {
  'chat/completions': { wire: 'chat', operation: 'chat' },
  responses: { wire: 'responses', operation: 'chat' },
  embeddings: { wire: 'chat', operation: 'embeddings' },
} as const

function openai(path: string): Route | undefined {
  const found = /^(.*)\/(chat\/completions|responses|embeddings)$/.exec(path)
  if (found === null) return undefined
  const [, before = '', name = ''] = found
  const asked = { ...OPENAI[name as keyof typeof OPENAI], framing: 'sse' } as const // `as`: the pattern above lists the keys
  const deployment = /^\/openai\/deployments\/([^/]+)$/.exec(before)?.[1]
  if (deployment !== undefined) return { ...asked, vendor: 'azure', model: decodeURIComponent(deployment) }
  return { ...asked, vendor: before === '/openai/v1' ? 'azure' : 'openai' }
}

function anthropic(path: string): Route | undefined {
  const asked = { vendor: 'anthropic', wire: 'messages', framing: 'sse' } as const
  if (path.endsWith('/messages')) return { ...asked, operation: 'chat' }
  return path.endsWith('/messages/count_tokens') ? { ...asked, operation: 'count' } : undefined
}

const GOOGLE =
  /^\/v1(?:beta1?)?(\/projects\/[^/]+\/locations\/[^/]+\/publishers\/(google|anthropic))?\/models\/([^/]+?)(?::|%3A)(\w+)$/

function google(path: string, isSse: boolean): Route | undefined {
  const found = GOOGLE.exec(path)
  if (found === null) return undefined
  const [, project, publisher, name = '', verb = ''] = found
  const model = decodeURIComponent(name)
  const vendor = project === undefined ? 'gemini' : 'vertex'
  const asked = { vendor, wire: publisher === 'anthropic' ? 'messages' : 'gemini', framing: 'sse' } as const
  if (publisher === 'anthropic') {
    if (model.startsWith('count-tokens')) return { ...asked, operation: 'count' }
    if (verb === 'rawPredict') return { ...asked, operation: 'chat', model, stream: false }
    return verb === 'streamRawPredict' ? { ...asked, operation: 'chat', model, stream: true } : undefined
  }
  if (verb === 'generateContent') return { ...asked, operation: 'chat', model, stream: false }
  if (verb === 'streamGenerateContent')
    return { ...asked, operation: 'chat', model, stream: true, framing: isSse ? 'sse' : 'array' }
  if (verb === 'countTokens') return { ...asked, operation: 'count', model }
  return ['batchEmbedContents', 'embedContent', 'predict'].includes(verb)
    ? { ...asked, operation: 'embeddings', model }
    : undefined
}

function bedrock(path: string): Route | undefined {
  const found = /^\/model\/([^/]+)\/([a-z-]+)$/.exec(path)
  if (found === null) return undefined
  const [, name = '', verb = ''] = found
  const asked = { vendor: 'bedrock', model: decodeURIComponent(name), operation: 'chat' } as const
  if (verb === 'converse') return { ...asked, wire: 'converse', stream: false, framing: 'eventstream' }
  if (verb === 'converse-stream') return { ...asked, wire: 'converse', stream: true, framing: 'eventstream' }
  if (verb === 'count-tokens') return { ...asked, wire: 'converse', operation: 'count', framing: 'eventstream' }
  if (verb === 'invoke-with-response-stream') return { ...asked, wire: 'messages', stream: true, framing: 'invoke' }
  if (verb !== 'invoke') return undefined
  const isEmbedding = /embed/.test(asked.model)
  return { ...asked, wire: 'messages', operation: isEmbedding ? 'embeddings' : 'chat', stream: false, framing: 'invoke' }
}

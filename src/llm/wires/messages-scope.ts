import { createHash } from 'node:crypto'
import type { Json } from '../../core/json.ts'
import type { CacheHint, ChatRequest } from '../middle.ts'
import type { TargetProfile } from '../wire.ts'
import { messagesModel, type MessagesModel } from './messages-model.ts'

/** A block under construction. */
export type Block = Record<string, Json | undefined>

/** What the pieces of one request share while it is written. */
export interface Scope {
  readonly request: ChatRequest
  readonly target: TargetProfile
  readonly model: MessagesModel
  readonly dropped: Set<string>
  readonly names: ToolNames
  /** Blocks with a cache breakpoint, in the order of the prompt. */
  readonly cached: Block[]
}

/** Begins writing a request. */
export function createScope(request: ChatRequest, target: TargetProfile): Scope {
  const names = createToolNames(request.tools.map(({ name }) => name))
  return { request, target, model: messagesModel(target.model), dropped: new Set(), names, cached: [] }
}

const MAX_BREAKPOINTS = 4

/** Puts the caller's cache breakpoint on a block. */
export function withCache(block: Block, cache: CacheHint | undefined, { cached }: Scope): Block {
  if (cache === undefined) return block
  block['cache_control'] = { type: 'ephemeral', ...(cache.ttl === undefined ? {} : { ttl: cache.ttl }) }
  cached.push(block)
  return block
}

/** The wire takes four breakpoints: the last ones are kept, as each stands for everything before it. */
export function limitBreakpoints({ cached, dropped }: Scope): void {
  if (cached.length <= MAX_BREAKPOINTS) return
  dropped.add('cache_control')
  for (const block of cached.slice(0, -MAX_BREAKPOINTS)) delete block['cache_control']
}

/** Tool names in the alphabet of the wire, and the way back. */
export interface ToolNames {
  sent(name: string): string
  /** Sent names to the caller's names, where they differ. */
  renamed(): ReadonlyMap<string, string> | undefined
}

const MAX_NAME = 64
const PLAIN = /^[a-zA-Z0-9_-]{1,64}$/

/** Names that fit are sent as they are, also when another one would be shortened to the same. */
function createToolNames(offered: readonly string[]): ToolNames {
  const taken = new Set(offered.filter((name) => PLAIN.test(name)))
  const sent = new Map<string, string>()
  return {
    sent(name) {
      if (PLAIN.test(name)) return name
      const known = sent.get(name)
      if (known !== undefined) return known
      const short = shortened(name, taken)
      taken.add(short)
      sent.set(name, short)
      return short
    },
    renamed: () => (sent.size === 0 ? undefined : new Map([...sent].map(([name, short]) => [short, name]))),
  }
}

function shortened(name: string, taken: ReadonlySet<string>): string {
  for (let attempt = 0; ; attempt += 1) {
    const digest = createHash('sha256')
      .update(`${attempt === 0 ? '' : attempt}${name}`)
      .digest('hex')
      .slice(0, 8)
    const short = `${name.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, MAX_NAME - digest.length - 1)}_${digest}`
    if (!taken.has(short)) return short
  }
}

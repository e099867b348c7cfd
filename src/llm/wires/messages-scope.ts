import type { Json } from '../../core/json.ts'
import type { CacheHint, ChatRequest } from '../middle.ts'
import type { TargetProfile } from '../wire.ts'
import { messagesModel, type MessagesModel } from './messages-model.ts'
import { createToolNames, type ToolNames } from './tool-names.ts'

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
  const names = createToolNames(request)
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

import { randomBytes } from 'node:crypto'
import type { Server } from '../../config/server.ts'
import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json } from '../../core/json.ts'
import type { Definition, DroppedDefinition, Inventory, OfferedKind } from '../../core/snapshot.ts'
import type { Caller, Connection } from './contract.ts'
import { siftDefinitions, type Sifted } from './definitions.ts'

/** What it takes to ask a server for everything it offers. */
export interface FetchOptions {
  readonly server: string
  readonly connection: Connection
  readonly bounds: Server['bounds']
  /** For everything together. */
  readonly listMs: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** The last good inventory: kinds that are not asked for are taken from it. */
  readonly previous?: Inventory | undefined
  /** Absent: every kind. */
  readonly kinds?: ReadonlySet<OfferedKind> | undefined
  readonly signal: AbortSignal
}

/** Every kind, in the order lists are fetched. */
const ITEM_KINDS: readonly OfferedKind[] = ['tool', 'prompt', 'resource', 'template']

const LISTS: Readonly<Record<OfferedKind, { readonly capability: string; readonly method: string; readonly member: string }>> = {
  tool: { capability: 'tools', method: 'tools/list', member: 'tools' },
  prompt: { capability: 'prompts', method: 'prompts/list', member: 'prompts' },
  resource: { capability: 'resources', method: 'resources/list', member: 'resources' },
  template: { capability: 'resources', method: 'resources/templates/list', member: 'resourceTemplates' },
}

const METHOD_NOT_FOUND = -32_601

/** Fetches what a server offers. Rejects with a GatewayError when a list it claims to have cannot be had whole. */
export async function fetchInventory(options: FetchOptions): Promise<Inventory> {
  const { server, connection, previous, kinds } = options
  const caller = toListCaller(AbortSignal.any([options.signal, AbortSignal.timeout(options.listMs)]), options.listMs)
  const fetched = await Promise.all(
    ITEM_KINDS.map(async (kind): Promise<Sifted> => {
      if (kinds?.has(kind) === false && previous)
        return { kept: previous.definitions[kind], dropped: previous.dropped.filter((item) => item.kind === kind) }
      return siftDefinitions(kind, server, await fetchList(kind, options, caller), options.bounds)
    }),
  )
  const [tool, prompt, resource, template] = fetched.map(({ kept }) => kept)
  const { era, protocolVersion, capabilities, serverInfo, instructions } = connection.facts
  return {
    server,
    era,
    protocolVersion,
    capabilities,
    ...(serverInfo ? { serverInfo } : {}),
    ...(instructions === undefined ? {} : { instructions }),
    definitions: { tool: tool ?? [], prompt: prompt ?? [], resource: resource ?? [], template: template ?? [] },
    dropped: fetched.flatMap(({ dropped }) => dropped),
    fetchedAt: options.now(),
  }
}

async function fetchList(kind: OfferedKind, options: FetchOptions, caller: Caller): Promise<Json[]> {
  const { capability, method, member } = LISTS[kind]
  const { server, connection, bounds } = options
  const items: Json[] = []
  const seen = new Set<string>()
  if (!isJsonObject(connection.facts.capabilities[capability])) return items
  let cursor: string | undefined
  for (let page = 0; page < bounds.pages; page += 1) {
    const step = await send(options, method, cursor === undefined ? {} : { cursor }, caller)
    if (step.kind === 'error' && step.error.code === METHOD_NOT_FOUND && page === 0) return items
    const listed = step.kind === 'result' ? step.result[member] : undefined
    if (step.kind !== 'result' || !Array.isArray(listed))
      throw new GatewayError('upstream_invalid', `server "${server}" did not answer ${method} with a list`)
    for (const item of listed) items.push(item as Json) // `as`: the items of a JSON array are JSON
    const next = step.result['nextCursor']
    // Past the bound everything would be dropped anyway; one more page is read so that the bound is seen to be passed.
    if (typeof next !== 'string' || seen.has(next) || items.length > bounds.definitions * 2) return items
    seen.add(next)
    cursor = next
  }
  return items
}

async function send(
  options: FetchOptions,
  method: string,
  params: { cursor?: string },
  caller: Caller,
): ReturnType<Connection['send']> {
  try {
    return await options.connection.send({ method, params, caller })
  } catch (cause) {
    const late = cause instanceof GatewayError && cause.code === 'abandoned' && caller.signal.reason instanceof DOMException
    if (!late) throw cause
    const words = `server "${options.server}" did not answer ${method} within ${options.listMs} ms`
    throw new GatewayError('upstream_timeout', words, { cause })
  }
}

/** Lists are asked for by the gateway itself: nobody to relay to, nothing declared. */
function toListCaller(signal: AbortSignal, timeoutMs: number): Caller {
  const timings = { queueMs: 0, guardMs: 0, upstreamMs: 0 }
  const trace = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'), sampled: false }
  return { key: '', capabilities: {}, progress: false, trace, signal, timeoutMs, timings, notify: () => undefined }
}

/** A definition whose bytes differ between two inventories, or that is in one only (`before` or `after` is then empty). */
export interface DefinitionChange {
  readonly kind: OfferedKind
  readonly name: string
  readonly before: string
  readonly after: string
}

/** What changed between two inventories, in a stable order. */
export function definitionChanges(before: Inventory, after: Inventory): DefinitionChange[] {
  return ITEM_KINDS.flatMap((kind) => {
    const [old, fresh] = [digests(before.definitions[kind]), digests(after.definitions[kind])]
    const names = [...new Set([...old.keys(), ...fresh.keys()])].sort()
    return names
      .map((name) => ({ kind, name, before: old.get(name) ?? '', after: fresh.get(name) ?? '' }))
      .filter((change) => change.before !== change.after)
  })
}

/** Refusals that were not there before. */
export function freshlyDropped(before: Inventory | undefined, after: Inventory): DroppedDefinition[] {
  const keyOf = ({ kind, name, reason }: DroppedDefinition): string => JSON.stringify([kind, name, reason])
  const known = new Set(before?.dropped.map(keyOf))
  return after.dropped.filter((item) => !known.has(keyOf(item)))
}

function digests(definitions: readonly Definition[]): Map<string, string> {
  return new Map(definitions.map(({ name, digest }) => [name, digest]))
}

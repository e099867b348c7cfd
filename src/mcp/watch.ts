import { GatewayError } from '../core/errors.ts'
import type { Identity } from '../core/principal.ts'
import type { CatalogItem, CatalogView } from '../core/snapshot.ts'
import type { JsonObject } from '../core/json.ts'
import type { McpDeps } from './contract.ts'
import { findResource } from './uris.ts'

/** Somebody who wants to hear when a resource changes. */
export interface Watcher {
  identity(): Identity
  readonly catalog: string | undefined
  readonly capabilities: JsonObject
  /** Called with the URI as shown, and whatever else the upstream said. */
  updated(params: JsonObject): void
}

/** Starts watching a resource that this caller sees. Undefined when there is nothing to watch; unknown and hidden look the same. */
export async function watchResource(
  deps: McpDeps,
  watcher: Watcher,
  view: CatalogView,
  uri: string,
): Promise<(() => void) | undefined> {
  const found = findResource(view, uri)
  if (found === undefined || !isSeen(deps, watcher, found.item)) return undefined
  const upstream = deps.upstream(found.item.server)
  if (upstream === undefined) return undefined
  const caller = { key: watcher.identity().key, capabilities: watcher.capabilities }
  const watching = upstream.watch(found.uri, caller, (params) => {
    // Asked again each time: what was seen when the stream was opened may be hidden by now.
    if (isSeen(deps, watcher, found.item)) watcher.updated({ ...params, uri })
  })
  return withTimeout(watching)
}

const WATCH_TIMEOUT_MS = 3_000

/** A slow upstream must not hold up a caller's whole subscription; a watch that comes late is stopped again. */
async function withTimeout(watching: Promise<() => void>): Promise<(() => void) | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), WATCH_TIMEOUT_MS)
  try {
    const stop = await Promise.race([watching, promise])
    if (stop === undefined) void watching.then((late) => late()).catch(() => undefined)
    return stop
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function isSeen({ policy, snapshot, now }: McpDeps, watcher: Watcher, item: CatalogItem): boolean {
  const decision = policy.decide({
    principal: watcher.identity().principal,
    snapshot: snapshot(),
    ...(watcher.catalog === undefined ? {} : { catalog: watcher.catalog }),
    action: 'list',
    target: { kind: item.kind, name: item.name },
    now: now(),
  })
  return decision.outcome === 'allow' && decision.item?.server === item.server
}

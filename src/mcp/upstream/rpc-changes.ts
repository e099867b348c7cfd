import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { ServerFacts } from './contract.ts'
import { toListenFilter } from './listen-filter.ts'
import { SUBSCRIPTION_ID, toEnvelope } from './rpc-envelope.ts'
import type { Outcome, RpcPeer } from './rpc-peer.ts'

/** Change notices of one conversation: asked for in the way of its era. */
export interface ChangeNotices {
  /** Makes these URIs the watched ones, and asks for list changes. */
  listen(uris: readonly string[]): Promise<void>
  /** The notice to pass on, or undefined when nobody asked for it. */
  accept(method: string, params: JsonObject): JsonObject | undefined
  stop(): void
}

const RELISTEN_MS = 1_000

/** Legacy servers tell list changes by themselves and resources one `resources/subscribe` at a time. */
export function createLegacyNotices(peer: RpcPeer, facts: ServerFacts): ChangeNotices {
  const resources = facts.capabilities['resources']
  const canSubscribe = isJsonObject(resources) && resources['subscribe'] === true
  let watched: ReadonlySet<string> = new Set()
  return {
    async listen(uris) {
      if (!canSubscribe) return
      const wanted = new Set(uris)
      const gone = [...watched].filter((uri) => !wanted.has(uri))
      const fresh = [...wanted].filter((uri) => !watched.has(uri))
      watched = wanted
      const refused = new Set<string>()
      await Promise.all([
        ...gone.map((uri) => ask(peer, 'resources/unsubscribe', { uri })),
        ...fresh.map(async (uri) => {
          if ((await ask(peer, 'resources/subscribe', { uri })).kind !== 'result') refused.add(uri)
        }),
      ])
      // A refused URI counts as not watched, so that the next listen asks for it again.
      watched = new Set([...watched].filter((uri) => !refused.has(uri)))
    },
    accept: (_method, params) => params,
    stop: () => undefined,
  }
}

/** Modern servers get one `subscriptions/listen` for everything; a new set of URIs is a new request, and the old one is cancelled. */
export function createModernNotices(peer: RpcPeer, facts: ServerFacts, clientInfo: JsonObject): ChangeNotices {
  const open = new Set<number>()
  let timer: NodeJS.Timeout | undefined
  let current: number | undefined

  const begin = (uris: readonly string[]): void => {
    clearTimeout(timer)
    const before = current
    const params = { _meta: toEnvelope(clientInfo, {}), notifications: toListenFilter(facts.capabilities, uris) }
    const id = peer.ask(
      'subscriptions/listen',
      () => params,
      (outcome) => {
        open.delete(id)
        // The server ended it in good order: it can be asked again. An error is its last word.
        if (outcome.kind !== 'result' || current !== id) return
        timer = setTimeout(begin, RELISTEN_MS, uris).unref()
      },
    )
    current = id
    open.add(id)
    if (before !== undefined && open.delete(before)) cancel(before)
  }

  const cancel = (id: number): void => {
    peer.forget(id)
    // A link that is gone needs no cancelling.
    peer.tell('notifications/cancelled', { requestId: id, reason: 'replaced' }).catch(() => undefined)
  }

  return {
    listen: async (uris) => begin(uris),
    accept(method, params) {
      const meta = isJsonObject(params['_meta']) ? params['_meta'] : {}
      const { [SUBSCRIPTION_ID]: subscription, ...rest } = meta
      if (typeof subscription !== 'number' || !open.has(subscription)) return undefined
      return method === 'notifications/subscriptions/acknowledged' ? undefined : { ...params, _meta: rest }
    },
    stop: () => clearTimeout(timer),
  }
}

function ask(peer: RpcPeer, method: string, params: JsonObject): Promise<Outcome> {
  return new Promise((resolve) => peer.ask(method, () => params, resolve))
}

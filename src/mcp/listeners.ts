// Who hears of changes. How it works: (1) every open listen and every GET stream is a listener with the kinds it asked for; (2) a new
// snapshot wakes a listener when what it is shown of a kind differs, an upstream's own announcement when the upstream's offer is unchanged
// and the listener is shown something of it (a real change arrives as a snapshot); (3) wake-ups are gathered for a moment, one message per kind.
import type { Identity } from '../core/principal.ts'
import type { CatalogItem, CatalogView, Inventory, OfferedKind, Snapshot } from '../core/snapshot.ts'
import type { McpPolicy } from './contract.ts'
import type { Upstream, UpstreamChange } from './upstream/contract.ts'

/** The notification of each kind; resources and templates share one. */
const CHANGE_METHODS: Readonly<Record<OfferedKind, string>> = {
  tool: 'notifications/tools/list_changed',
  prompt: 'notifications/prompts/list_changed',
  resource: 'notifications/resources/list_changed',
  template: 'notifications/resources/list_changed',
}

/** Somebody who wants to hear of changed lists. */
export interface Listener {
  identity(): Identity
  readonly catalog: string | undefined
  readonly kinds: ReadonlySet<OfferedKind>
  notify(method: string): void
}

/** Everybody who wants to hear of changed lists. */
export interface Listeners {
  /** Returns the way to stop. */
  add(listener: Listener): () => void
  snapshotChanged(next: Snapshot, previous: Snapshot): void
  upstreamChanged(change: UpstreamChange): void
  close(): void
}

interface ListenerDeps {
  readonly policy: McpPolicy
  snapshot(): Snapshot
  upstream(id: string): Upstream | undefined
  now(): Date
}

/** How long changes are gathered before they are told. */
const GATHER_MS = 50

/** Listeners over policy: nobody hears of what they cannot see. */
export function createListeners(deps: ListenerDeps): Listeners {
  const all = new Set<Listener>()
  const due = new Map<Listener, Set<string>>()
  const offers = createOffers(deps)
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    timer = undefined
    const now = [...due]
    due.clear()
    for (const [listener, methods] of now) for (const method of methods) if (all.has(listener)) listener.notify(method)
  }
  const wake = (listener: Listener, kind: OfferedKind) => {
    const methods = due.get(listener) ?? new Set()
    due.set(listener, methods.add(CHANGE_METHODS[kind]))
    timer ??= setTimeout(flush, GATHER_MS)
  }
  return {
    add(listener) {
      all.add(listener)
      return () => {
        all.delete(listener)
        due.delete(listener)
      }
    },
    snapshotChanged(next, previous) {
      const now = deps.now()
      offers.learn(previous)
      for (const listener of all) {
        for (const kind of listener.kinds) {
          const shown = (snapshot: Snapshot) => shownTo(deps, listener, snapshot, { kind, now })
          if (shown(next) !== shown(previous)) wake(listener, kind)
        }
      }
    },
    upstreamChanged({ server, announced }) {
      const changed = offers.changedSinceLastTime(server)
      const now = deps.now()
      for (const kind of announced) {
        if (changed.has(kind)) continue
        for (const listener of all)
          if (listener.kinds.has(kind) && sees(deps, listener, { server, kind, now })) wake(listener, kind)
      }
    },
    close() {
      clearTimeout(timer)
      all.clear()
      due.clear()
    },
  }
}

function viewOf(deps: ListenerDeps, listener: Listener, snapshot: Snapshot, now: Date): CatalogView {
  const ids = deps.policy.eligible(listener.identity().principal, snapshot, now)
  return snapshot.view(listener.catalog === undefined ? ids : ids.filter((id) => id === listener.catalog))
}

function visibleTo(deps: ListenerDeps, listener: Listener, snapshot: Snapshot, about: { kind: OfferedKind; now: Date }) {
  const view = viewOf(deps, listener, snapshot, about.now)
  return deps.policy.visible(listener.identity().principal, view, about.kind, about.now)
}

/** What a listener is shown of a kind, as one comparable text. Most listeners share the list of their view, so it is written once. */
function shownTo(deps: ListenerDeps, listener: Listener, snapshot: Snapshot, about: { kind: OfferedKind; now: Date }): string {
  const items = visibleTo(deps, listener, snapshot, about)
  const known = written.get(items)
  if (known !== undefined) return known
  const text = items.map((item) => item.shownDigest).join()
  written.set(items, text)
  return text
}

const written = new WeakMap<readonly CatalogItem[], string>()

function sees(deps: ListenerDeps, listener: Listener, about: { server: string; kind: OfferedKind; now: Date }): boolean {
  return visibleTo(deps, listener, deps.snapshot(), about).some((item) => item.server === about.server)
}

/** Remembers what upstreams offered, to tell a bare announcement from a change. */
function createOffers({ upstream, snapshot }: ListenerDeps) {
  const known = new Map<string, Readonly<Record<OfferedKind, string>>>()
  const learn = (from: Snapshot) => {
    for (const { id, inventory } of from.servers.values()) if (!known.has(id)) known.set(id, offerOf(inventory))
  }
  learn(snapshot())
  return {
    learn,
    changedSinceLastTime(server: string): ReadonlySet<OfferedKind> {
      const offer = offerOf(upstream(server)?.inventory())
      const before = known.get(server)
      known.set(server, offer)
      return new Set(before === undefined ? [] : KINDS.filter((kind) => before[kind] !== offer[kind]))
    },
  }
}

const KINDS: readonly OfferedKind[] = ['tool', 'prompt', 'resource', 'template']

function offerOf(inventory: Inventory | undefined): Readonly<Record<OfferedKind, string>> {
  const text = (kind: OfferedKind) => inventory?.definitions[kind].map(({ digest }) => digest).join() ?? ''
  return { tool: text('tool'), prompt: text('prompt'), resource: text('resource'), template: text('template') }
}

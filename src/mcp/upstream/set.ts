import type { Server } from '../../config/server.ts'
import type { Inventory, ServerStatus } from '../../core/snapshot.ts'
import type { Upstream, UpstreamChange } from './contract.ts'

/** One registration as the files give it; an equal digest means nothing changed. */
export interface Registration {
  readonly value: Server
  readonly digest: string
}

/** Every registered upstream, kept in step with the files. */
export interface UpstreamSet {
  get(id: string): Upstream | undefined
  /** Starts what is new, replaces what changed, ends what is gone. Calls under way on a replaced upstream get to finish. */
  apply(registrations: ReadonlyMap<string, Registration>): void
  states(): ReadonlyMap<string, { readonly status: ServerStatus; readonly inventory?: Inventory }>
  /** Resolves when every upstream was asked once for its lists, or after this many milliseconds. */
  settle(maxMs: number): Promise<void>
  close(graceMs: number): Promise<void>
}

/** What the set borrows. */
export interface UpstreamSetDeps {
  create(id: string, config: Server): Upstream
  onChange(change: UpstreamChange): void
  now(): number
  /** Milliseconds a replaced or removed upstream gets for the calls it still carries. */
  readonly graceMs: number
}

interface Member {
  readonly upstream: Upstream | undefined
  readonly digest: string
  readonly since: number
  readonly stop: () => void
  readonly asked: Promise<void>
}

/** Builds an empty set. */
export function createUpstreamSet(deps: UpstreamSetDeps): UpstreamSet {
  const members = new Map<string, Member>()
  const ending = new Set<Promise<void>>()

  const end = (member: Member, graceMs: number): void => {
    member.stop()
    const ended = (member.upstream?.close(graceMs) ?? Promise.resolve()).finally(() => ending.delete(ended))
    ending.add(ended)
  }

  return {
    get: (id) => members.get(id)?.upstream,
    apply(registrations) {
      for (const [id, member] of members) {
        if (registrations.get(id)?.digest === member.digest) continue
        members.delete(id)
        end(member, deps.graceMs)
      }
      for (const [id, registration] of registrations) {
        if (!members.has(id)) members.set(id, begin(deps, id, registration))
      }
    },
    states() {
      const states = new Map<string, { status: ServerStatus; inventory?: Inventory }>()
      for (const [id, { upstream, since }] of members) {
        const inventory = upstream?.inventory()
        const status = upstream?.status() ?? { state: 'disabled', since, circuit: 'closed' }
        states.set(id, inventory === undefined ? { status } : { status, inventory })
      }
      return states
    },
    async settle(maxMs) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, maxMs)
      })
      await Promise.race([Promise.all([...members.values()].map((member) => member.asked)), late])
      clearTimeout(timer)
    },
    async close(graceMs) {
      for (const member of members.values()) end(member, graceMs)
      members.clear()
      await Promise.all(ending)
    },
  }
}

function begin(deps: UpstreamSetDeps, id: string, { value, digest }: Registration): Member {
  const since = deps.now()
  if (!value.enabled) return { upstream: undefined, digest, since, stop: () => undefined, asked: Promise.resolve() }
  const upstream = deps.create(id, value)
  const stop = upstream.onChange(deps.onChange)
  return { upstream, digest, since, stop, asked: upstream.refresh() }
}

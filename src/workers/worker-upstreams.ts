import type { Server } from '../config/server.ts'
import type { Inventory, ServerStatus } from '../core/snapshot.ts'
import type { Upstream } from '../mcp/upstream/contract.ts'
import type { Registration, UpstreamSet } from '../mcp/upstream/set.ts'
import type { RemoteUpstreams } from './remote-upstreams.ts'

/** What is known of a server, as its owner sees it. */
export interface KnownServer {
  readonly status: ServerStatus
  readonly inventory?: Inventory
}

/** What the upstreams of a worker borrow. */
export interface WorkerUpstreamsDeps {
  readonly remote: RemoteUpstreams
  /** Makes a connector of this worker's own. */
  create(id: string, config: Server): Upstream
  readonly graceMs: number
}

/** The upstreams of a worker that owns none of those that keep state. */
export interface WorkerUpstreams extends UpstreamSet {
  /** Takes in what their owner knows now. */
  learn(servers: ReadonlyMap<string, KnownServer>): void
}

interface Member {
  readonly registration: Registration
  readonly upstream: Upstream
  /** Made when the first call goes out from here. */
  own: Upstream | undefined
}

/** Calls of servers that keep nothing between requests go out from this worker; all others go to the worker that has their children and sessions. */
export function createWorkerUpstreams(deps: WorkerUpstreamsDeps): WorkerUpstreams {
  const members = new Map<string, Member>()
  const ending = new Set<Promise<void>>()
  let known: ReadonlyMap<string, KnownServer> = new Map()
  const end = (member: Member, graceMs: number): void => {
    const ended = (member.own?.close(graceMs) ?? Promise.resolve()).finally(() => ending.delete(ended))
    ending.add(ended)
  }
  const begin = (id: string, registration: Registration): Member => {
    const member: Member = {
      registration,
      own: undefined,
      upstream: upstreamOf(id, deps, { known: () => known.get(id), own: () => ownOf(id) }),
    }
    return member
  }
  const ownOf = (id: string): Upstream | undefined => {
    const member = members.get(id)
    if (member?.registration.value.type !== 'http' || known.get(id)?.status.era !== 'modern') return undefined
    member.own ??= deps.create(id, member.registration.value)
    return member.own
  }
  return {
    get: (id) => (members.get(id)?.registration.value.enabled === true ? members.get(id)?.upstream : undefined),
    apply(registrations) {
      for (const [id, member] of members) {
        if (registrations.get(id)?.digest === member.registration.digest) continue
        members.delete(id)
        end(member, deps.graceMs)
      }
      for (const [id, registration] of registrations) if (!members.has(id)) members.set(id, begin(id, registration))
    },
    states: () => new Map(known),
    learn: (servers) => void (known = servers),
    settle: () => Promise.resolve(),
    async close(graceMs) {
      for (const member of members.values()) end(member, graceMs)
      members.clear()
      await Promise.all(ending)
      deps.remote.close()
    },
  }
}

function upstreamOf(
  id: string,
  { remote }: WorkerUpstreamsDeps,
  { known, own }: { known(): KnownServer | undefined; own(): Upstream | undefined },
): Upstream {
  return {
    id,
    status: () => known()?.status ?? { state: 'starting', since: 0, circuit: 'closed' },
    inventory: () => known()?.inventory,
    call: (request, caller) => own()?.call(request, caller) ?? remote.call(id, request, caller),
    watch: (uri, caller, updated) => remote.watch(id, { uri, caller }, updated),
    inform(method, params, key) {
      own()?.inform(method, params, key)
      remote.inform(id, method, { params, key })
    },
    refresh: () => Promise.resolve(),
    onChange: () => () => undefined,
    close: () => Promise.resolve(),
  }
}

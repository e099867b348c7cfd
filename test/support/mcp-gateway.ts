import type { GatewayEvent } from '../../src/core/events.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { Identity } from '../../src/core/principal.ts'
import type { Inventory, Snapshot } from '../../src/core/snapshot.ts'
import { Bounds } from '../../src/config/gateway.ts'
import { toGatewayError } from '../../src/core/errors.ts'
import { createSessionPlaces } from '../../src/gateway/session-places.ts'
import { NO_GOSSIP } from '../../src/lib/gossip.ts'
import { createSealer, createSealKey } from '../../src/lib/seal.ts'
import type { McpDeps, McpFacet } from '../../src/mcp/contract.ts'
import { createMcpFacet } from '../../src/mcp/facet.ts'
import { allocateLimiter, createLimiter } from '../../src/metering/limits.ts'
import type { Caller, HeldCall, Upstream, UpstreamRequest, UpstreamStep } from '../../src/mcp/upstream/contract.ts'
import { decide, eligible, visible } from '../../src/policy/decide.ts'
import { identityOf, snapshotOf, type CatalogPlan, type Offer } from './mcp-catalog.ts'
import { serveFacet, type McpServer } from './mcp-server.ts'

/** What a fake upstream was asked, with the caller it was asked for. */
export interface Asked {
  readonly request: UpstreamRequest
  readonly caller: Caller
}

/** How a fake upstream answers. */
export type Behaviour = (request: UpstreamRequest, caller: Caller) => UpstreamStep | Promise<UpstreamStep>

/** An upstream without a wire: it answers as told and remembers what it was asked. */
export interface FakeUpstream extends Upstream {
  readonly asked: Asked[]
  readonly watched: { readonly uri: string; readonly key: string; readonly updated: (params: JsonObject) => void }[]
  readonly unwatched: string[]
  behaviour: Behaviour
  offered: Inventory | undefined
}

/** One fake upstream. */
function createFakeUpstream(id: string, offered: Inventory | undefined, behaviour: Behaviour): FakeUpstream {
  const upstream: FakeUpstream = {
    id,
    asked: [],
    watched: [],
    unwatched: [],
    behaviour,
    offered,
    status: () => ({ state: 'ready', since: 0, circuit: 'closed' }),
    inventory: () => upstream.offered,
    async call(request, caller) {
      upstream.asked.push({ request, caller })
      return upstream.behaviour(request, caller)
    },
    async watch(uri, caller, updated) {
      upstream.watched.push({ uri, key: caller.key, updated })
      return () => void upstream.unwatched.push(uri)
    },
    inform: () => undefined,
    refresh: async () => undefined,
    onChange: () => () => undefined,
    close: async () => undefined,
  }
  return upstream
}

/** A text result, as a tool answers. */
export const textStep = (text: string, more: JsonObject = {}): UpstreamStep => ({
  kind: 'result',
  result: { content: [{ type: 'text', text }], ...more },
  bytes: text.length,
})

/** A call a legacy upstream holds open; `ended` says how it went. */
export interface FakeHeld extends HeldCall {
  readonly ended: {
    readonly how: 'resumed' | 'cancelled'
    readonly responses?: Readonly<Record<string, Json>>
    readonly caller?: Caller
  }[]
}

/** A held call that goes on with the given behaviour. */
export function createHeld(then: (responses: Readonly<Record<string, Json>>, caller: Caller) => UpstreamStep): FakeHeld {
  const held: FakeHeld = {
    ended: [],
    async resume(responses, caller) {
      held.ended.push({ how: 'resumed', responses, caller })
      return then(responses, caller)
    },
    cancel: () => void held.ended.push({ how: 'cancelled' }),
  }
  return held
}

/** What a test gateway is made of. */
export interface GatewayPlan {
  readonly offers: Readonly<Record<string, Offer>>
  readonly catalogs: Readonly<Record<string, CatalogPlan>>
  readonly behaviour?: Behaviour
  /** By token. The default is one caller of each catalog's team, with the catalog's id as token. */
  readonly identities?: Readonly<Record<string, Identity>>
  readonly bounds?: Partial<Bounds>
  readonly deps?: Partial<McpDeps>
}

/** One line of what the road would write: kind, target, status. */
export interface Travelled {
  readonly exchange: string
  readonly target: string
  readonly status: string
  readonly key: string
}

/** A facet over fake upstreams behind HTTP. */
export type TestGateway = AsyncDisposable & {
  readonly url: string
  readonly origin: string
  readonly facet: McpFacet
  readonly upstreams: Readonly<Record<string, FakeUpstream>>
  readonly events: GatewayEvent[]
  readonly entries: Travelled[]
  snapshot: Snapshot
  clock: { now: number; monotonic: number }
}

/** Starts a facet with real policy and a road that decides, opens and writes down, without limits and guards. */
export async function startGateway(plan: GatewayPlan): Promise<TestGateway> {
  const snapshot = snapshotOf(plan.offers, plan.catalogs)
  const behaviour = plan.behaviour ?? (() => textStep('ok'))
  const upstreams = Object.fromEntries(
    Object.keys(plan.offers).map((id) => [id, createFakeUpstream(id, snapshot.servers.get(id)?.inventory, behaviour)]),
  )
  const events: GatewayEvent[] = []
  const entries: Travelled[] = []
  const started = Date.now()
  const clock = { now: 0, monotonic: 0 }
  const gateway = { snapshot }
  const bounds = Bounds.parse({ ...plan.bounds })
  const memory = allocateLimiter({ workers: 1, maxWindows: 4_096, maxMoments: 1 })
  const limiter = createLimiter({ now: () => performance.now(), memory, worker: 0 })
  const facet = createMcpFacet({
    snapshot: () => gateway.snapshot,
    upstream: (id) => upstreams[id],
    policy: { eligible, visible, decide },
    govern: createRoad(entries),
    arguments: { rewrite: (_item, args) => args, refuse: () => undefined },
    sealer: createSealer([createSealKey()]),
    places: createSessionPlaces(limiter, bounds, NO_GOSSIP),
    bounds,
    info: { name: 'tollgate', version: '0.0.0' },
    now: () => new Date(started + clock.now),
    monotonic: () => performance.now() + clock.monotonic,
    report: (event) => void events.push(event),
    sessionOf: ({ identity, mcpSession }) => `${identity.key} ${mcpSession ?? ''}`,
    traceOf: (trace) => trace,
    ...plan.deps,
  })
  const identities =
    plan.identities ?? Object.fromEntries(Object.entries(plan.catalogs).map(([id, { team }]) => [id, identityOf(team)]))
  const [first] = Object.values(identities)
  const server: McpServer = await serveFacet(facet, { ...(first === undefined ? {} : { default: first }), ...identities })
  return Object.assign(gateway, {
    url: server.url,
    origin: server.origin,
    facet,
    upstreams,
    events,
    entries,
    clock,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })
}

function createRoad(entries: Travelled[]): McpDeps['govern'] {
  return async (exchange, call) => {
    const line = { exchange: exchange.id, target: call.target, key: exchange.identity.key }
    const decision = call.decide()
    if (decision.outcome !== 'allow') {
      entries.push({ ...line, status: 'denied' })
      throw call.refusal(decision)
    }
    try {
      const answer = await call.open(decision, {
        retried: () => undefined,
        attempted: () => undefined,
        guardStream: () => undefined,
      })
      entries.push({ ...line, status: call.facts(answer).status })
      return answer
    } catch (error) {
      entries.push({ ...line, status: toGatewayError(error).code })
      throw error
    }
  }
}

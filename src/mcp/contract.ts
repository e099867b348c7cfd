import type { IncomingHttpHeaders } from 'node:http'
import type { Bounds } from '../config/gateway.ts'
import type { Decision, DecisionRequest } from '../core/decision.ts'
import type { Report } from '../core/events.ts'
import type { Exchange, TraceContext } from '../core/exchange.ts'
import type { JsonObject } from '../core/json.ts'
import type { Identity, Principal } from '../core/principal.ts'
import type { Responder } from '../core/responder.ts'
import type { CatalogItem, CatalogView, ItemKind, Snapshot } from '../core/snapshot.ts'
import type { Sealer } from '../lib/seal.ts'
import type { FacetCall } from '../pipeline/facet.ts'
import type { SessionPlaces } from './sessions.ts'
import type { Upstream, UpstreamChange } from './upstream/contract.ts'

/** One HTTP request on an MCP door, after the edge has authenticated it and read its body. */
export interface McpRequest {
  readonly httpMethod: 'POST' | 'GET' | 'DELETE'
  /** As node:http gives them; the edge has refused duplicates of names that matter. */
  readonly headers: IncomingHttpHeaders
  /** Bounded by the edge; absent for GET and DELETE. */
  readonly body: Buffer | undefined
  readonly identity: Identity
  /** Named by the path (`/mcp/<catalog>`); absent: every catalog of the caller. */
  readonly catalog: string | undefined
  readonly exchangeId: string
  /** From the HTTP headers; `_meta` is looked at here. */
  readonly trace: TraceContext
  /** Milliseconds since the epoch. */
  readonly receivedAt: number
  /** Monotonic milliseconds. */
  readonly startedAt: number
}

/** The MCP facet towards callers: both protocol eras on one URL. */
export interface McpFacet {
  /** Answers one HTTP request. Never throws: whatever happens goes to the responder. Resolves when the answer is complete. */
  handle(request: McpRequest, responder: Responder): Promise<void>
  /** Tells open streams whose lists differ between the two snapshots. */
  snapshotChanged(next: Snapshot, previous: Snapshot): void
  /** Tells open streams what an upstream announced, when the snapshot will not show it. */
  upstreamChanged(change: UpstreamChange): void
  /** Ends streams, sessions, parked and running calls of every identity that is revoked, before it returns. */
  checkIdentities(isRevoked: (identity: Identity) => boolean): void
  /** Ends an idle session of this principal, for one at another worker. */
  yieldPlace(key: string): void
  /** Closes listens with a result and GET streams, refuses new sessions. Calls under way go on. */
  drain(): Promise<void>
  stats(): McpStats
  close(): void
}

/** How much of the bounded things is in use. */
export interface McpStats {
  readonly sessions: number
  readonly streams: number
  readonly parked: number
}

/** Policy as the facet needs it; implemented by the policy room. */
export interface McpPolicy {
  /** Ids of the catalogs this principal may use. */
  eligible(principal: Principal, snapshot: Snapshot, now: Date): readonly string[]
  /** The items of a view that this principal sees, in list order. */
  visible(principal: Principal, view: CatalogView, kind: ItemKind, now: Date): readonly CatalogItem[]
  decide(request: DecisionRequest): Decision
}

/** What names the run an exchange belongs to (design: identity, then header, then `_meta`, then trace, then MCP session). */
export interface SessionFacts {
  readonly identity: Identity
  readonly headers: IncomingHttpHeaders
  readonly meta: JsonObject | undefined
  readonly trace: TraceContext
  /** Opaque name of the legacy session, when there is one. */
  readonly mcpSession: string | undefined
}

/** How a catalog item changes the arguments of a call. */
export interface ArgumentRules {
  /** What the upstream gets. Never throws. */
  rewrite(item: CatalogItem, args: JsonObject): JsonObject
  /** In words, what is wrong with arguments a client may not send (hidden or fixed ones); undefined when all is well. */
  refuse(item: CatalogItem, args: JsonObject): string | undefined
}

/** Everything the facet borrows. */
export interface McpDeps {
  snapshot(): Snapshot
  upstream(id: string): Upstream | undefined
  readonly policy: McpPolicy
  govern<Answer>(this: void, exchange: Exchange, call: FacetCall<Answer>): Promise<Answer>
  readonly arguments: ArgumentRules
  readonly sealer: Sealer
  readonly places: SessionPlaces
  readonly bounds: Bounds
  readonly info: { readonly name: string; readonly version: string }
  now(): Date
  /** Monotonic milliseconds. */
  monotonic(): number
  readonly report: Report
  sessionOf(facts: SessionFacts): string
  /** Takes `traceparent`, `tracestate` and `baggage` of a message's `_meta` into account. Called only when `_meta` has one. */
  traceOf(trace: TraceContext, meta: JsonObject): TraceContext
}

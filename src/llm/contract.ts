import type { IncomingHttpHeaders } from 'node:http'
import type { Bounds } from '../config/gateway.ts'
import type { Decision, DecisionRequest } from '../core/decision.ts'
import type { Report } from '../core/events.ts'
import type { Exchange, TraceContext } from '../core/exchange.ts'
import type { JsonObject } from '../core/json.ts'
import type { Identity, Principal } from '../core/principal.ts'
import type { Responder } from '../core/responder.ts'
import type { CatalogItem, CatalogView, ItemKind, ModelRoute, ModelTarget, Snapshot } from '../core/snapshot.ts'
import type { FacetCall } from '../pipeline/facet.ts'
import type { DialectName, Failure } from './middle.ts'
import type { Operation } from './provider.ts'
import type { ProviderSet } from './provider-set.ts'
import type { Gossip } from '../lib/gossip.ts'

/** One HTTP request on a `/v1` path, identified and read. */
export interface LlmHttpRequest {
  readonly httpMethod: 'POST' | 'GET'
  /** Such as `/v1/chat/completions`. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly identity: Identity
  readonly exchangeId: string
  readonly trace: TraceContext
  /** Milliseconds since the epoch. */
  readonly receivedAt: number
  /** Monotonic milliseconds. */
  readonly startedAt: number
  readonly body: Buffer | undefined
}

/** The facet: answers the model doors. */
export interface LlmFacet {
  /** Never throws. */
  handle(request: LlmHttpRequest, responder: Responder): Promise<void>
  /** Resolves when no answer is under way. */
  drain(): Promise<void>
  /** Ends what is under way, loudly. */
  close(): void
  /** Ends the answers of callers whose credential was revoked. */
  checkIdentities(isRevoked: (identity: Identity) => boolean): void
}

/** Policy as the facet needs it; implemented by the policy room. */
export interface LlmPolicy {
  eligible(principal: Principal, snapshot: Snapshot, now: Date): readonly string[]
  visible(principal: Principal, view: CatalogView, kind: ItemKind, now: Date): readonly CatalogItem[]
  decide(request: DecisionRequest): Decision
}

/** Everything the facet borrows. */
export interface LlmDeps {
  snapshot(): Snapshot
  readonly policy: LlmPolicy
  govern<Answer>(this: void, exchange: Exchange, call: FacetCall<Answer>): Promise<Answer>
  readonly providers: ProviderSet
  readonly router: Router
  readonly bounds: Bounds
  readonly prices: {
    /** Nano-dollars that a plain call with these counts costs at a target: to compare targets by; null when unknown. */
    estimate(target: ModelTarget, inputTokens: number, outputTokens: number): number | null
    /** The most nano-dollars a call with these counts can cost at a target: for reservations; null when unknown. */
    ceiling(
      target: ModelTarget,
      counts: { readonly input: number; readonly output: number; readonly isPriority: boolean },
    ): number | null
    /** Context size, prices and capabilities for `GET /v1/models`, in the words of the wire: `context_window`, `max_output_tokens`, `pricing`, `capabilities`. */
    facts(target: ModelTarget): JsonObject | undefined
    maxOutputTokens(target: ModelTarget): number | undefined
    /** Whether the item's catalog has a budget. */
    isBudgeted(item: CatalogItem, snapshot: Snapshot): boolean
  }
  /** Counts tokens in a worker; for what a provider did not count. Resolves with a rough count when the worker is busy or the text too long. */
  countTokens(text: string): Promise<number>
  sessionOf(facts: {
    readonly identity: Identity
    readonly headers: IncomingHttpHeaders
    readonly meta: undefined
    readonly trace: TraceContext
    readonly mcpSession: undefined
  }): string
  now(): Date
  /** Monotonic milliseconds. */
  monotonic(): number
  random(): number
  /** Other workers of this gateway; absent: there are none. */
  readonly gossip?: Gossip
  readonly report: Report
}

/** What decides the order of targets for one request. */
export interface RouteQuery {
  readonly item: CatalogItem
  readonly principal: Principal
  /** Injective over principal and session: what stickiness hangs on. */
  readonly stickyKey: string
  /** What conditions know of the request (core/condition.ts). */
  readonly request: JsonObject
  readonly operation: Operation
  readonly dialect: DialectName
  /** A budget applies: targets without a known price are out unless the route allows them. */
  readonly budgeted: boolean
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** One target routing looked at. */
export interface Considered {
  readonly target: string
  readonly outcome: 'candidate' | 'skipped'
  /** In words: `weight 3`, `switched off`, `outside the regions eu-west-1`, `breaker open for 4 s`, `rate limited for 12 s`, `no known price`. */
  readonly reason: string
}

/** Targets for one request, best first, and why the others are out. */
export interface RoutePlan {
  readonly targets: readonly ModelTarget[]
  readonly considered: readonly Considered[]
}

/** One attempt at a target. Exactly one of the endings is reported; only the first counts. */
export interface TargetAttempt {
  /** The first content came after so many milliseconds. */
  succeeded(firstTokenMs: number): void
  /** Also after the first byte: one classifier for whole and streamed answers. */
  failed(failure: Failure): void
  /** It says nothing about the target: the caller hung up, or was at fault. */
  neutral(): void
}

/** What is known of one target, for `GET /admin/v1/targets`. */
export interface TargetState {
  readonly key: string
  readonly provider: string
  readonly model: string
  readonly region?: string
  readonly routes: readonly string[]
  readonly enabled: boolean
  readonly circuit: 'closed' | 'open' | 'half-open'
  /** Seconds until a probe may pass, or until the provider's Retry-After ends; 0 when it takes requests. */
  readonly retryInSeconds: number
  readonly reason?: string
  readonly inFlight: number
  readonly requests: number
  readonly failures: number
  /** Moving average of milliseconds to the first content. */
  readonly firstTokenMs?: number
}

/** Chooses targets and remembers how they did. Implemented in `routing/`. */
export interface Router {
  /** Pure but for the dice of weights and canaries. */
  plan(query: RouteQuery): RoutePlan
  /** Takes a target for an attempt; undefined when its breaker or its clock says no. `lastResort`: no other target is left, so it is tried anyway. */
  begin(target: ModelTarget, lastResort: boolean): TargetAttempt | undefined
  /** One request arrived at a route: the retry budget grows. */
  arrived(route: ModelRoute): void
  /** Takes one retry out of the budget (20 % of the requests of the last 10 s, at least 10); false when there is none. */
  mayRetry(route: ModelRoute): boolean
  states(snapshot: Snapshot): readonly TargetState[]
}

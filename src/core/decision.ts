import type { CatalogItem, CatalogView, ItemKind, RuleLocation, Snapshot } from './snapshot.ts'
import type { JsonObject } from './json.ts'
import type { Principal } from './principal.ts'

/** What is asked: may this principal see (`list`) or use (`call`) this target. */
export interface DecisionRequest {
  readonly principal: Principal
  readonly snapshot: Snapshot
  /** Narrows to one catalog (`/mcp/<catalog>`); absent: every catalog of the caller. */
  readonly catalog?: string
  readonly action: 'list' | 'call'
  readonly target: { readonly kind: ItemKind; readonly name: string }
  /** The full arguments as the upstream would get them. Absent while listing. */
  readonly args?: JsonObject
  /** What conditions may know of a model request. Absent while listing. */
  readonly request?: JsonObject
  readonly now: Date
}

/** Why a decision fell as it did. */
export type DecisionReason =
  | 'allowed'
  | 'no-catalog'
  | 'unknown-catalog'
  | 'unknown-target'
  | 'not-allowed'
  | 'denied'
  | 'condition-false'
  | 'condition-error'
  | 'server-unavailable'
  | 'disabled'

/** One step of the trace, in the order it was taken. */
export interface TraceStep {
  readonly step: 'catalog' | 'audience' | 'target' | 'rule' | 'condition' | 'server' | 'route' | 'limit'
  readonly outcome: 'pass' | 'fail' | 'info'
  readonly message: string
  readonly rule?: RuleLocation
}

/** The answer of `decide`, with the trace that led to it. Only `allow` opens an upstream. */
export interface Decision {
  readonly outcome: 'allow' | 'deny' | 'ask'
  readonly reason: DecisionReason
  readonly view?: CatalogView
  readonly item?: CatalogItem
  readonly rule?: RuleLocation
  readonly trace: readonly TraceStep[]
}

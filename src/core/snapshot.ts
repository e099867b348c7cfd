import type { Condition } from './condition.ts'
import type { JsonObject } from './json.ts'

/** The kinds of things an MCP server offers. */
export type OfferedKind = 'tool' | 'prompt' | 'resource' | 'template'

/** The kinds of things a catalog shows: what servers offer, and models. */
export type ItemKind = OfferedKind | 'model'

/** Where a rule stands in an admin's file: `path` is a JSON path such as `$.tools[0].allow[1]`; line and column count from 1. */
export interface RuleLocation {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly path: string
}

/** One thing an upstream offers, kept as it came. `digest` is `sha256:<hex>` of its canonical bytes (RFC 8785 key order). */
export interface Definition {
  readonly kind: ItemKind
  /** Empty for a model: its route says who answers. */
  readonly server: string
  /** Tool or prompt name, resource `uri`, or template `uriTemplate`, as the upstream calls it. */
  readonly name: string
  readonly raw: JsonObject
  readonly digest: string
}

/** A definition that was refused on arrival, and why. The rest of its server is served. */
export interface DroppedDefinition {
  readonly kind: OfferedKind
  readonly name: string
  readonly reason: string
}

/** Everything one upstream offered when it was last asked. Immutable; a refresh makes a new one. */
export interface Inventory {
  readonly server: string
  readonly era: Era
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly serverInfo?: JsonObject
  readonly instructions?: string
  readonly definitions: Readonly<Record<OfferedKind, readonly Definition[]>>
  readonly dropped: readonly DroppedDefinition[]
  /** Milliseconds since the epoch. */
  readonly fetchedAt: number
}

/** MCP eras: `legacy` has an `initialize` handshake (2024-11-05 to 2025-11-25), `modern` is stateless (2026-07-28 on). */
export type Era = 'modern' | 'legacy'

/** What we know of an upstream's health. `quarantined`: its file is bad. `down` keeps the last good inventory. */
export interface ServerStatus {
  readonly state: 'starting' | 'ready' | 'down' | 'quarantined' | 'disabled'
  readonly reason?: string
  /** Milliseconds since the epoch. */
  readonly since: number
  /** State of the circuit breaker towards it. */
  readonly circuit: 'closed' | 'open' | 'half-open'
  readonly era?: Era
}

/** One registered upstream inside a snapshot. */
export interface ServerState {
  readonly id: string
  readonly title?: string
  readonly labels: Readonly<Record<string, string>>
  readonly status: ServerStatus
  readonly inventory?: Inventory
}

/** One candidate of a route. */
export interface ModelTarget {
  /** `provider/model` with `@region` where it has one: the name of its breaker, metrics and state. */
  readonly key: string
  readonly provider: string
  readonly model: string
  readonly region?: string
  /** False when the target, or its provider, is switched off. */
  readonly enabled: boolean
  readonly weight: number
  readonly tier: number
  /** Percent of requests that try it first. */
  readonly canary?: number
  readonly when?: Condition
  /** Top-level members sent when the caller does not send them. */
  readonly params: JsonObject
  /** Name in the price table. */
  readonly priceAs: string
  readonly wire?: 'chat' | 'responses'
  readonly rule: RuleLocation
}

/** Milliseconds a request to a route may take, by step. */
export interface Clocks {
  readonly connectMs: number
  readonly firstTokenMs: number
  readonly idleMs: number
  readonly totalMs: number
}

/** A model name callers use and who answers it; one entry of `routes` in tollgate.json. */
export interface ModelRoute {
  readonly id: string
  readonly enabled: boolean
  readonly strategy: 'ordered' | 'weighted' | 'lowest_latency' | 'lowest_cost'
  readonly sticky: boolean
  readonly targets: readonly ModelTarget[]
  /** No target outside these regions is ever used. */
  readonly regions?: readonly string[]
  readonly when?: Condition
  readonly clocks: Clocks
  readonly retries: number
  readonly strict: boolean
  readonly unpriced: 'refuse' | 'allow'
  readonly onHangUp: 'abort' | 'drain'
  readonly limits?: CallLimits
  readonly rule: RuleLocation
}

/** What a catalog says of a model on top of its route. */
export interface ModelGrant {
  readonly route: ModelRoute
  readonly enabled: boolean
  /** No target outside these regions is ever used; both this and the pins of the route must hold. */
  readonly regions?: readonly string[]
  readonly strict: boolean
}

/** One budget of a catalog, in integer nano-dollars. */
export interface BudgetRule {
  /** Unique in the gateway: catalog id and place. */
  readonly id: string
  readonly catalog: string
  readonly nanoUsd: number
  readonly per: 'hour' | 'day' | 'week' | 'month' | 'session' | 'total'
  readonly by: 'catalog' | 'org' | 'team' | 'project' | 'agent' | 'user'
  readonly soft?: number
  readonly rule: RuleLocation
}

/** Limits on calls and tokens. `by` says who shares the counter; `catalog` means every caller of the catalog together. */
export interface CallLimits {
  readonly callsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  readonly concurrent?: number | undefined
  readonly by?: 'catalog' | 'team' | 'project' | 'agent' | 'user' | 'session' | undefined
}

/** How arguments differ between what a client sees and what the upstream gets. Top-level argument names. */
export interface ArgumentRewrite {
  readonly hide: readonly string[]
  readonly set: JsonObject
  readonly default: JsonObject
}

/** One thing a catalog shows, with everything needed to decide, rewrite, limit and call it. */
export interface CatalogItem {
  readonly kind: ItemKind
  readonly catalog: string
  readonly server: string
  /** Name, URI or template shown to clients. */
  readonly name: string
  readonly definition: Definition
  /** The definition as clients see it (renamed, re-described, arguments rewritten), without JSON-RPC dressing. */
  readonly shown: JsonObject
  /** `sha256:<hex>` of the canonical bytes of `shown`. */
  readonly shownDigest: string
  readonly rule: RuleLocation
  readonly when?: Condition
  readonly arguments?: ArgumentRewrite
  readonly timeoutMs?: number
  readonly maxResultBytes?: number
  readonly maxResultTokens?: number
  readonly limits?: CallLimits
  /** Integer nano-dollars per call; absent when the catalog names no price. */
  readonly priceNanoUsd?: number
  /** For a model: its route and what the catalog adds. */
  readonly model?: ModelGrant
  readonly labels?: Readonly<Record<string, string>>
  /** For a template: globs of upstream URIs that stay closed although the template would open them. */
  readonly closed?: readonly string[]
}

/** Something a catalog's rules looked at and did not show, and why; what `explain` answers from. */
export interface Withheld {
  readonly kind: ItemKind
  readonly catalog: string
  readonly server: string
  readonly name: string
  readonly reason: 'denied' | 'not-allowed' | 'not-offered' | 'dropped' | 'server-unavailable' | 'name-collision' | 'disabled'
  readonly message: string
  /** The deny glob, the rule that names a missing tool, ... */
  readonly rule?: RuleLocation
}

/** Whom a catalog is for. All given parts must hold; each list holds globs. */
export interface Audience {
  readonly teams?: readonly string[]
  readonly agents?: readonly string[]
  readonly groups?: readonly string[]
  readonly when?: Condition
  readonly rule: RuleLocation
}

/** One curated catalog, resolved against what the upstreams offer. */
export interface Catalog {
  readonly id: string
  readonly title: string
  readonly description?: string
  readonly instructions?: string
  readonly file: string
  readonly audience: Audience
  /** In list order: the order of the file's rules, then by name. */
  readonly items: Readonly<Record<ItemKind, readonly CatalogItem[]>>
  readonly withheld: readonly Withheld[]
  readonly limits?: CallLimits
  readonly limitsRule?: RuleLocation
  /** Names of the guards that judge its traffic, in order. */
  readonly guards: readonly string[]
  readonly budgets: readonly BudgetRule[]
  /** Server ids the file names. */
  readonly servers: readonly string[]
  /** Digest over everything a client of it can see. */
  readonly digest: string
}

/** What one class of callers sees on an endpoint: one catalog, or several merged in id order. */
export interface CatalogView {
  /** Catalog ids joined by `+`. */
  readonly id: string
  readonly catalogs: readonly Catalog[]
  readonly items: Readonly<Record<ItemKind, readonly CatalogItem[]>>
  /** By shown name (tools, prompts), shown URI (resources) or shown template. */
  readonly byName: Readonly<Record<ItemKind, ReadonlyMap<string, CatalogItem>>>
  readonly digest: string
}

/** A file that could not be used, in the words shown to an admin. */
export interface SnapshotProblem {
  readonly file: string
  readonly line?: number
  readonly column?: number
  readonly path?: string
  readonly message: string
}

/** The immutable state every exchange decides on. A reload or a changed upstream makes a new one; one reference is swapped. */
export interface Snapshot {
  /** `sha256:` digest over the catalogs; equal inputs give equal revisions across starts. */
  readonly revision: string
  /** Counts up by one per swap in this process. */
  readonly generation: number
  readonly createdAt: number
  readonly catalogs: ReadonlyMap<string, Catalog>
  readonly servers: ReadonlyMap<string, ServerState>
  readonly routes: ReadonlyMap<string, ModelRoute>
  readonly problems: readonly SnapshotProblem[]
  /** The merged view over the given catalog ids (sorted, known); memoised. */
  view(catalogIds: readonly string[]): CatalogView
}

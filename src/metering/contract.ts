import type { Entry } from '../core/entry.ts'
import type { Identity } from '../core/principal.ts'
import type { BudgetRule, RuleLocation } from '../core/snapshot.ts'
import type { Usage } from '../core/usage.ts'

/** The ledger: every exchange leaves its entries here, and every question about use and cost is a query on it. */
export interface Ledger {
  /**
   * Takes one entry. Resolves when it survives the end of this process (`process`) or a power loss (`strict`); entries of
   * one turn of the event loop are written together. Rejects with GatewayError `ledger_unavailable`.
   */
  record(entry: Entry): Promise<void>
  /** Throws GatewayError `ledger_unavailable` when the last write failed and none has succeeded since. Called before work begins. */
  assertWritable(): void
  query(query: UsageQuery): Promise<readonly UsageRow[]>
  /** Single entries, newest first. */
  entries(query: EntryQuery): Promise<readonly Entry[]>
  close(): Promise<void>
}

/** What usage is grouped and filtered by. `tool` is the target of tool calls, as the caller named it. */
export const USAGE_DIMENSIONS = [
  'org',
  'team',
  'project',
  'agent',
  'user',
  'issuer',
  'subject',
  'session',
  'catalog',
  'server',
  'tool',
  'target',
  'kind',
  'status',
  'method',
  'provider',
  'model',
] as const
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number]

/** A question about usage. Times are milliseconds since the epoch; `to` is exclusive. */
export interface UsageQuery {
  readonly from: number
  readonly to: number
  readonly by: readonly UsageDimension[]
  readonly where: Partial<Readonly<Record<UsageDimension, string>>>
}

/** One group of usage. Latencies are milliseconds of the whole exchange. */
export interface UsageRow {
  readonly group: Partial<Readonly<Record<UsageDimension, string | null>>>
  readonly calls: number
  readonly errors: number
  readonly denied: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly avgMs: number
  readonly avgUpstreamMs: number
  readonly requestBytes: number
  readonly responseBytes: number
  /** Exact; decimal text when a double cannot hold it. */
  readonly nanoUsd: number | string
  /** Calls whose price is unknown; never counted as zero silently. */
  readonly unpriced: number
  /** Tokens that went in, cached or not, and of these those read from a cache; tokens that came out, reasoning included. */
  readonly inputTokens: number
  readonly cacheReadTokens: number
  readonly outputTokens: number
  /** Calls whose counts are estimates of ours. */
  readonly estimated: number
}

/** A question for single entries. */
export interface EntryQuery {
  /** Only entries of this exchange: its attempts. */
  readonly id?: string
  readonly from: number
  readonly to: number
  readonly where: Partial<Readonly<Record<UsageDimension, string>>>
  readonly limit: number
}

/** One counter a call must pass. `key` is injective over scope and subject. */
export interface LimitRule {
  readonly key: string
  readonly kind: 'rate' | 'tokens' | 'concurrent'
  /** Calls per minute, tokens per minute, or calls at one time. */
  readonly max: number
  /** In words, for the caller: `catalog "research": 120 calls per minute`. */
  readonly label: string
  readonly rule?: RuleLocation
}

/** How full a counter is. */
export interface CounterState {
  readonly used: number
  /** Milliseconds until all of it is free again; 0 for `concurrent`. */
  readonly resetMs: number
}

/** Admission of one call over several counters: all or none. */
export type Admission =
  | {
      readonly admitted: true
      /** Gives the place back; the tokens that were really used replace the reserved ones. Only the first call counts. */
      release(tokens?: number): void
    }
  | { readonly admitted: false; readonly rule: LimitRule; readonly retryAfterSeconds: number }

/** In-memory counters. Synchronous, so that admission is atomic in one process. */
export interface Limiter {
  /** `tokens` is reserved on every `tokens` rule. A call that alone is over the maximum is admitted only when the counter is empty. */
  admit(rules: readonly LimitRule[], tokens?: number): Admission
  /** How full a counter is now. */
  peek(rule: LimitRule): CounterState
}

/** Whose spending one call is. */
export interface SpendScope {
  readonly identity: Identity
  /** The run of the call. */
  readonly session: string
  /** Milliseconds since the epoch: which period it falls in. */
  readonly at: number
}

/** Money set aside for one call, in every budget that applies, or none. */
export type Reservation =
  | {
      readonly granted: true
      /** Replaces what was reserved by what it cost (0 when nothing). Only the first call counts. */
      settle(nanoUsd: number): void
    }
  | { readonly granted: false; readonly budget: BudgetRule; readonly retryAfterSeconds: number }

/** Budgets in the memory of this process, recomputed from the ledger when it starts. Balance = settled + open reservations. */
export interface Budgets {
  reserve(budgets: readonly BudgetRule[], scope: SpendScope, nanoUsd: number): Reservation
  /** What is spent and reserved in a budget now, for explain and the admin API. */
  balance(budget: BudgetRule, scope: SpendScope): { readonly spent: number; readonly reserved: number }
}

/** What is looked up in the price table. */
export interface PriceQuery {
  /** Type of the provider: prices of one model differ between them. */
  readonly providerType: string
  readonly provider: string
  readonly model: string
  readonly region?: string
  /** `priority`, `flex`, `batch`; absent: the standard tier. */
  readonly tier?: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** What one attempt cost. */
export interface Cost {
  /** Integer nano-dollars; null when the price is not known. */
  readonly nanoUsd: number | null
  /** Names the row of the table: `<table>#<model>@<effective date>`; null when there is none. */
  readonly priceVersion: string | null
}

/** What is known of a model besides its price. */
export interface ModelFacts {
  readonly contextTokens?: number
  readonly maxOutputTokens?: number
  readonly mode?: string
  /** `vision`, `tools`, `parallel_tools`, `reasoning`, `json_schema`, `prompt_cache`, `audio_input`, `pdf_input`. */
  readonly capabilities: readonly string[]
  /** Dollars per million tokens, as decimal text; absent when unknown. */
  readonly inputUsdPerMillion?: string
  readonly cachedInputUsdPerMillion?: string
  readonly outputUsdPerMillion?: string
}

/** Prices of models, effective-dated. Lookups are memoised; nothing here reads a file. */
export interface Prices {
  cost(query: PriceQuery, usage: Usage): Cost
  /** What a plain call with these counts costs, nothing of it cached or thought: to compare models by. Null when unknown. */
  estimate(query: PriceQuery, inputTokens: number, outputTokens: number): number | null
  /** The most a call with these counts can cost, each token at the dearest price of its side: for reservations. Null when unknown. */
  ceiling(query: PriceQuery, inputTokens: number, outputTokens: number): number | null
  facts(query: PriceQuery): ModelFacts | undefined
}

import type { Entry } from '../core/entry.ts'
import type { RuleLocation } from '../core/snapshot.ts'

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
}

/** A question for single entries. */
export interface EntryQuery {
  readonly from: number
  readonly to: number
  readonly where: Partial<Readonly<Record<UsageDimension, string>>>
  readonly limit: number
}

/** One counter a call must pass. `key` is injective over scope and subject. */
export interface LimitRule {
  readonly key: string
  readonly kind: 'rate' | 'concurrent'
  /** Calls per minute, or calls at one time. */
  readonly max: number
  /** In words, for the caller: `catalog "research": 120 calls per minute`. */
  readonly label: string
  readonly rule?: RuleLocation
}

/** Admission of one call over several counters: all or none. */
export type Admission =
  | { readonly admitted: true; release(): void }
  | { readonly admitted: false; readonly rule: LimitRule; readonly retryAfterSeconds: number }

/** In-memory counters. Synchronous, so that admission is atomic in one process. */
export interface Limiter {
  admit(rules: readonly LimitRule[]): Admission
  /** How full a counter is now, for explain. */
  peek(rule: LimitRule): { readonly used: number }
}

import type { Exchange } from '../core/exchange.ts'
import type { CatalogView, Snapshot } from '../core/snapshot.ts'
import type { LlmHttpRequest } from './contract.ts'
import type { DialectName } from './middle.ts'

/** What an exchange takes from the facet besides the HTTP request. */
export interface ExchangeFacts {
  /** The run it belongs to. */
  readonly session: string
  readonly snapshot: Snapshot
  readonly view: CatalogView
  readonly dialect: DialectName
  readonly signal: AbortSignal
}

/** One model request as every room knows it. */
export function toExchange(http: LlmHttpRequest, { session, snapshot, view, dialect, signal }: ExchangeFacts): Exchange {
  return {
    id: http.exchangeId,
    at: http.receivedAt,
    startedAt: http.startedAt,
    facet: 'llm',
    method: http.path,
    identity: http.identity,
    session,
    snapshot,
    view,
    era: 'modern',
    protocolVersion: dialect,
    trace: http.trace,
    signal,
    requestBytes: http.body?.length ?? 0,
    timings: { queueMs: 0, guardMs: 0, upstreamMs: 0 },
  }
}

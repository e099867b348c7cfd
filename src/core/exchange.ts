import type { CatalogView, Era, Snapshot } from './snapshot.ts'
import type { Identity } from './principal.ts'

/** W3C Trace Context of an exchange: what came in, and the span id we pass on. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits: our span. */
  readonly spanId: string
  /** 16 hex digits: the caller's span, when one was given. */
  readonly parentSpanId?: string
  readonly sampled: boolean
  readonly tracestate?: string
  readonly baggage?: string
}

/** Where the time of an exchange went, in milliseconds. Rooms add to their own field. */
export interface Timings {
  queueMs: number
  guardMs: number
  upstreamMs: number
}

/** One request of one caller on its way through the gateway, from the first byte in to the last byte out. */
export interface Exchange {
  /** UUIDv7: sortable by time, unique. Sent to the caller as `X-Tollgate-Exchange`. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Monotonic milliseconds (`performance.now()`). */
  readonly startedAt: number
  readonly facet: 'mcp' | 'llm'
  readonly method: string
  readonly identity: Identity
  /** JSON-RPC id of the caller's request, where it has one. */
  readonly requestId?: string | number
  /** Name of the caller's MCP session; legacy era only. */
  readonly mcpSession?: string
  /** The run this exchange belongs to, already scoped by principal. */
  readonly session: string
  readonly snapshot: Snapshot
  readonly view: CatalogView
  readonly era: Era
  readonly protocolVersion: string
  readonly trace: TraceContext
  /** Aborted when the caller hangs up, cancels, is revoked, or the exchange's deadline passes. */
  readonly signal: AbortSignal
  readonly requestBytes: number
  readonly timings: Timings
}

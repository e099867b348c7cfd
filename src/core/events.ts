import type { Entry } from './entry.ts'
import type { SnapshotProblem } from './snapshot.ts'

/** What operators hear about. One function per event in telemetry/events.ts writes the log line and moves the metrics. */
export type GatewayEvent =
  | { readonly type: 'exchange-end'; readonly entry: Entry; readonly protocolVersion: string }
  | { readonly type: 'session-end'; readonly durationMs: number; readonly protocolVersion: string }
  | {
      readonly type: 'request-end'
      readonly method: string
      readonly httpStatus: number
      readonly durationMs: number
      readonly exchange: string
      readonly error?: string
    }
  | { readonly type: 'auth-denied'; readonly reason: string; readonly issuer?: string; readonly route: string }
  | { readonly type: 'config-reloaded'; readonly generation: number; readonly revision: string }
  | { readonly type: 'config-rejected'; readonly problems: readonly SnapshotProblem[] }
  | { readonly type: 'restart-needed'; readonly settings: readonly string[] }
  | {
      readonly type: 'server-state'
      readonly server: string
      readonly state: string
      readonly circuit: string
      readonly reason?: string
    }
  | {
      readonly type: 'target-state'
      readonly target: string
      readonly provider: string
      readonly circuit: string
      readonly reason: string
    }
  | { readonly type: 'budget-soft'; readonly budget: string; readonly spentNanoUsd: number; readonly nanoUsd: number }
  | { readonly type: 'guard-inert'; readonly findings: readonly string[] }
  | {
      readonly type: 'definition-dropped'
      readonly server: string
      readonly kind: string
      readonly name: string
      readonly reason: string
    }
  | {
      readonly type: 'definition-changed'
      readonly server: string
      readonly kind: string
      readonly name: string
      readonly before: string
      readonly after: string
    }
  | { readonly type: 'child-stderr'; readonly server: string; readonly text: string; readonly droppedBytes: number }
  | { readonly type: 'session-hijack'; readonly reason: string }
  | { readonly type: 'ledger-unavailable'; readonly reason: string }
  | { readonly type: 'internal-error'; readonly exchange?: string; readonly error: unknown }

/** Where rooms report events; lent by gateway.ts. Never throws, never waits. */
export type Report = (event: GatewayEvent) => void

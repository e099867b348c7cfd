/** How an exchange ended. `tool_error`: the upstream answered `isError`. `input_required`: a round that asks the caller back. */
export type EntryStatus = 'ok' | 'tool_error' | 'input_required' | 'error' | 'denied' | 'limited' | 'blocked' | 'abandoned'

/** One line of the ledger: one attempt. Absent facts are null, never zero. Money is integer nano-dollars. */
export interface Entry {
  /** Exchange id and attempt make it unique. */
  readonly id: string
  readonly attempt: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly kind: 'tool' | 'prompt' | 'resource' | 'completion' | 'model'
  readonly method: string
  readonly issuer: string
  readonly subject: string
  readonly principalKind: 'user' | 'agent' | 'service'
  readonly org: string | null
  readonly team: string | null
  readonly project: string | null
  readonly agent: string | null
  readonly user: string | null
  readonly session: string
  readonly catalog: string | null
  /** Snapshot revision the exchange decided on. */
  readonly revision: string
  readonly decision: 'allow' | 'deny' | 'ask'
  readonly reason: string
  /** `file:line` of the deciding rule. */
  readonly rule: string | null
  readonly server: string | null
  /** Name asked for by the caller. */
  readonly target: string
  /** Name at the upstream. */
  readonly upstreamTarget: string | null
  /** Digest of the upstream's definition. */
  readonly definitionDigest: string | null
  readonly argumentsDigest: string | null
  readonly status: EntryStatus
  /** A code of core/errors.ts, or the JSON-RPC code of the upstream. */
  readonly error: string | null
  readonly era: 'modern' | 'legacy'
  readonly traceId: string | null
  readonly durationMs: number
  readonly gatewayMs: number
  readonly queueMs: number
  readonly guardMs: number
  readonly upstreamMs: number
  readonly requestBytes: number
  readonly responseBytes: number
  readonly nanoUsd: number | null
  readonly priceVersion: string | null
  /** JSON of the labels of the item, or null. */
  readonly labels: string | null
}

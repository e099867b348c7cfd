import type { UsageSource } from './usage.ts'

/**
 * How an attempt ended. `tool_error`: the upstream answered `isError`. `input_required`: a round that asks the caller back. `cut`: the answer
 * broke off after its first byte had gone to the caller. `retried`: this attempt failed and another one followed it.
 */
export type EntryStatus =
  | 'ok'
  | 'tool_error'
  | 'input_required'
  | 'error'
  | 'denied'
  | 'limited'
  | 'blocked'
  | 'abandoned'
  | 'cut'
  | 'retried'

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
  /** Id of the provider that served a model call; null for tools. */
  readonly provider: string | null
  /** The provider's name of the model that was asked; what it called itself is `reportedModel`. */
  readonly model: string | null
  readonly reportedModel: string | null
  readonly region: string | null
  /** 1 for a streamed answer, 0 for a whole one; null for tools. */
  readonly stream: number | null
  /** Milliseconds from the request to the first content that went to the caller. */
  readonly firstTokenMs: number | null
  /** Tokens by kind, disjoint (core/usage.ts); null where unknown. */
  readonly inputTokens: number | null
  readonly cacheReadTokens: number | null
  readonly cacheWrite5mTokens: number | null
  readonly cacheWrite1hTokens: number | null
  readonly inputAudioTokens: number | null
  readonly inputImageTokens: number | null
  readonly outputTokens: number | null
  readonly reasoningTokens: number | null
  readonly outputAudioTokens: number | null
  readonly usageSource: UsageSource | null
  /** Comma-separated: `unpriced` (the price is not known, so `nanoUsd` is null), `estimated` (counts are ours). */
  readonly flags: string | null
  /** Comma-separated names of parameters the target could not say. */
  readonly dropped: string | null
  /** JSON of what routing considered, in order: `[{ target, outcome, reason }]`; on the last attempt only. */
  readonly routing: string | null
  /** JSON of the verdicts other than allow: `[{ evaluator, action, hook, reason }]`. */
  readonly verdicts: string | null
}

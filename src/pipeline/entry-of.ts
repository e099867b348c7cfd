import type { Decision } from '../core/decision.ts'
import type { Entry, EntryStatus } from '../core/entry.ts'
import type { Exchange } from '../core/exchange.ts'
import type { Json } from '../core/json.ts'
import type { Verdict } from '../guard/guard.ts'
import type { Cost } from '../metering/contract.ts'
import type { AttemptFacts, FacetCall } from './facet.ts'

/** What one entry is made of. */
export interface EntryParts {
  readonly exchange: Exchange
  readonly call: Pick<FacetCall<unknown>, 'kind' | 'target' | 'args'>
  readonly decision: Decision
  /** Counts from 1 within an exchange. */
  readonly number: number
  readonly attempt: AttemptFacts | undefined
  readonly status: EntryStatus
  readonly error: string | null
  readonly bytes: number
  readonly durationMs: number
  readonly cost: Cost
  readonly verdicts: readonly Verdict[]
  digest(value: Json): string
}

/** Writes one ledger entry out of what is known of an attempt. Absent facts are null. */
export function entryOf(parts: EntryParts): Entry {
  const { exchange, call, decision, attempt, cost } = parts
  const { principal } = exchange.identity
  const { timings } = exchange
  const { item, rule } = decision
  return {
    // First, because a spread in the middle makes an object of no fixed shape.
    ...tokensOf(attempt?.usage),
    id: exchange.id,
    attempt: parts.number,
    at: attempt?.at ?? exchange.at,
    kind: call.kind,
    method: exchange.method,
    issuer: principal.issuer,
    subject: principal.subject,
    principalKind: principal.kind,
    org: principal.org ?? null,
    team: principal.team ?? null,
    project: principal.project ?? null,
    agent: principal.agent ?? null,
    user: principal.user ?? null,
    session: exchange.session,
    catalog: item?.catalog ?? null,
    revision: exchange.snapshot.revision,
    decision: decision.outcome,
    reason: decision.reason,
    rule: rule === undefined ? null : `${rule.file}:${rule.line}`,
    server: item === undefined || item.server === '' ? null : item.server,
    target: call.target.slice(0, 512),
    upstreamTarget: item?.definition.name ?? null,
    definitionDigest: item?.definition.digest ?? null,
    argumentsDigest: call.args === undefined ? null : parts.digest(call.args),
    status: parts.status,
    error: parts.error,
    era: exchange.era,
    traceId: exchange.trace.traceId,
    durationMs: toMicroseconds(parts.durationMs),
    gatewayMs: toMicroseconds(gatewayMs(parts)),
    queueMs: toMicroseconds(timings.queueMs),
    guardMs: toMicroseconds(timings.guardMs),
    upstreamMs: toMicroseconds(attempt?.upstreamMs ?? timings.upstreamMs),
    requestBytes: exchange.requestBytes,
    responseBytes: parts.bytes,
    nanoUsd: cost.nanoUsd,
    priceVersion: cost.priceVersion,
    labels: item?.labels === undefined ? null : JSON.stringify(item.labels),
    provider: attempt?.provider ?? null,
    model: attempt?.model ?? null,
    reportedModel: attempt?.reportedModel ?? null,
    region: attempt?.region ?? null,
    stream: attempt === undefined ? null : Number(attempt.stream),
    firstTokenMs: attempt?.firstTokenMs === undefined ? null : toMicroseconds(attempt.firstTokenMs),
    flags: flagsOf(attempt, cost),
    dropped: attempt === undefined || attempt.dropped.length === 0 ? null : attempt.dropped.join(','),
    routing: attempt?.routing ?? null,
    verdicts: verdictsOf(parts.verdicts),
  }
}

type TokenColumns = Extract<keyof Entry, `${string}Tokens`> | 'usageSource'

function tokensOf(usage: AttemptFacts['usage']): Pick<Entry, TokenColumns> {
  return {
    inputTokens: usage?.input ?? null,
    cacheReadTokens: usage?.cacheRead ?? null,
    cacheWrite5mTokens: usage?.cacheWrite5m ?? null,
    cacheWrite1hTokens: usage?.cacheWrite1h ?? null,
    inputAudioTokens: usage?.inputAudio ?? null,
    inputImageTokens: usage?.inputImage ?? null,
    outputTokens: usage?.output ?? null,
    reasoningTokens: usage?.reasoning ?? null,
    outputAudioTokens: usage?.outputAudio ?? null,
    usageSource: usage?.source ?? null,
  }
}

/** Milliseconds, to the microsecond: more digits say nothing and cost time in every line. */
function toMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1_000) / 1_000
}

/** Ours is what is left of the whole; of an attempt before the last one nothing is. */
function gatewayMs({ exchange, attempt, durationMs, status }: EntryParts): number {
  if (status === 'retried' && attempt !== undefined) return Math.max(0, durationMs - attempt.upstreamMs)
  const { queueMs, guardMs, upstreamMs } = exchange.timings
  return Math.max(0, durationMs - queueMs - guardMs - upstreamMs)
}

function flagsOf(attempt: AttemptFacts | undefined, cost: Cost): string | null {
  if (attempt?.usage === undefined) return null
  const unpriced = cost.nanoUsd === null
  const estimated = attempt.usage.source === 'estimated'
  if (unpriced) return estimated ? 'unpriced,estimated' : 'unpriced'
  return estimated ? 'estimated' : null
}

function verdictsOf(verdicts: readonly Verdict[]): string | null {
  const telling = verdicts.filter(({ action }) => action !== 'allow')
  if (telling.length === 0) return null
  return JSON.stringify(telling.map(({ evaluator, action, hook, reason }) => ({ evaluator, action, hook, reason })))
}

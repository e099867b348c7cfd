import type { Decision } from '../core/decision.ts'
import type { Entry, EntryStatus } from '../core/entry.ts'
import type { GatewayError } from '../core/errors.ts'
import { GatewayError as Failure, toGatewayError } from '../core/errors.ts'
import type { Report } from '../core/events.ts'
import type { Exchange } from '../core/exchange.ts'
import type { Json } from '../core/json.ts'
import type { TextLens } from '../core/text-lens.ts'
import type { Guard, Hook } from '../guard/guard.ts'
import type { Ledger, Limiter, LimitRule } from '../metering/contract.ts'
import type { FacetCall } from './facet.ts'

/** What the road borrows. */
export interface GovernDeps {
  readonly ledger: Ledger
  readonly limiter: Limiter
  readonly guard: Guard
  /** The counters this exchange must pass. */
  limitRules(exchange: Exchange, decision: Decision): readonly LimitRule[]
  digest(value: Json): string
  /** Monotonic milliseconds. */
  monotonic(): number
  readonly report: Report
  /** Hears of every exchange that is over, with its ledger entry. */
  ended(exchange: Exchange, entry: Entry): void
}

/**
 * The road: decide -> limits -> guard -> upstream -> guard -> ledger. Both facets travel it and nothing else opens an upstream.
 * When it returns or throws, the exchange's ledger entry is durable, so the caller may send the last byte.
 */
export async function govern<Answer>(deps: GovernDeps, exchange: Exchange, call: FacetCall<Answer>): Promise<Answer> {
  const decision = call.decide()
  const outcome: Outcome<Answer> = await travel(deps, { exchange, call, decision })
  const entry = toEntry(deps, { exchange, call, decision, outcome })
  await deps.ledger.record(entry)
  deps.ended(exchange, entry)
  if (outcome.error !== undefined) throw outcome.error
  return outcome.answer
}

type Outcome<Answer> =
  | {
      readonly status: EntryStatus
      readonly answer: Answer
      readonly bytes: number
      readonly code?: string
      readonly error?: undefined
    }
  | { readonly status: EntryStatus; readonly error: Error; readonly code: string; readonly bytes: number }

interface Leg<Answer> {
  readonly exchange: Exchange
  readonly call: FacetCall<Answer>
  readonly decision: Decision
}

async function travel<Answer>(deps: GovernDeps, leg: Leg<Answer>): Promise<Outcome<Answer>> {
  const { exchange, call, decision } = leg
  if (decision.outcome !== 'allow') {
    return { status: 'denied', error: call.refusal(decision), code: decision.reason, bytes: 0 }
  }
  try {
    deps.ledger.assertWritable()
    const admission = deps.limiter.admit(deps.limitRules(exchange, decision))
    if (!admission.admitted) throw limited(admission.rule, admission.retryAfterSeconds)
    try {
      return await openGuarded(deps, leg)
    } finally {
      admission.release()
    }
  } catch (error) {
    return failed(deps, exchange, toGatewayError(error))
  }
}

async function openGuarded<Answer>(deps: GovernDeps, { exchange, call, decision }: Leg<Answer>): Promise<Outcome<Answer>> {
  await judge(deps, exchange, 'request', () => call.requestText())
  const answer = await call.open(decision)
  await judge(deps, exchange, 'response', () => call.responseText(answer))
  const facts = call.facts(answer)
  return { status: facts.status, answer, bytes: facts.bytes, ...(facts.error === undefined ? {} : { code: facts.error }) }
}

async function judge(deps: GovernDeps, exchange: Exchange, hook: Hook, lens: () => TextLens): Promise<void> {
  if (!deps.guard.active(hook)) return
  const started = deps.monotonic()
  const verdicts = await deps.guard.inspect(hook, lens(), exchange.signal)
  exchange.timings.guardMs += deps.monotonic() - started
  const blocked = verdicts.find((verdict) => verdict.action === 'block')
  if (blocked !== undefined)
    throw new Failure(
      'guard_blocked',
      `blocked by ${blocked.evaluator}${blocked.reason === undefined ? '' : `: ${blocked.reason}`}`,
    )
}

function limited(rule: LimitRule, retryAfterSeconds: number): GatewayError {
  const code = rule.kind === 'rate' ? 'rate_limited' : 'concurrency_limited'
  return new Failure(code, `limit reached: ${rule.label}; try again in ${retryAfterSeconds} s`, {
    retryAfterSeconds,
    details: { limit: rule.label },
  })
}

const STATUS_OF: Partial<Record<GatewayError['code'], EntryStatus>> = {
  rate_limited: 'limited',
  concurrency_limited: 'limited',
  guard_blocked: 'blocked',
  abandoned: 'abandoned',
}

function failed<Answer>(deps: GovernDeps, exchange: Exchange, error: GatewayError): Outcome<Answer> {
  if (error.code === 'internal') deps.report({ type: 'internal-error', exchange: exchange.id, error: error.cause ?? error })
  return { status: STATUS_OF[error.code] ?? 'error', error, code: error.code, bytes: 0 }
}

function toEntry<Answer>(
  deps: GovernDeps,
  { exchange, call, decision, outcome }: Leg<Answer> & { outcome: Outcome<Answer> },
): Entry {
  const { principal } = exchange.identity
  const { timings } = exchange
  const { item, rule } = decision
  const durationMs = deps.monotonic() - exchange.startedAt
  const price = item?.priceNanoUsd
  return {
    id: exchange.id,
    attempt: 1,
    at: exchange.at,
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
    server: item?.server ?? null,
    target: call.target.slice(0, 512),
    upstreamTarget: item?.definition.name ?? null,
    definitionDigest: item?.definition.digest ?? null,
    argumentsDigest: call.args === undefined ? null : deps.digest(call.args),
    status: outcome.status,
    error: outcome.code ?? null,
    era: exchange.era,
    traceId: exchange.trace.traceId,
    durationMs,
    gatewayMs: Math.max(0, durationMs - timings.queueMs - timings.guardMs - timings.upstreamMs),
    queueMs: timings.queueMs,
    guardMs: timings.guardMs,
    upstreamMs: timings.upstreamMs,
    requestBytes: exchange.requestBytes,
    responseBytes: outcome.bytes,
    nanoUsd: isCharged(outcome, timings) ? (price ?? null) : 0,
    priceVersion: price === undefined ? null : exchange.snapshot.revision,
    labels: item?.labels === undefined ? null : JSON.stringify(item.labels),
  }
}

/** Ways to fail before the upstream does anything, its own refusals to be called among them. */
const NOT_SERVED: ReadonlySet<string> = new Set<GatewayError['code']>([
  'header_mismatch',
  'invalid_params',
  'ledger_unavailable',
  'missing_capability',
  'not_found',
  'overloaded',
  'upstream_auth',
  'upstream_unavailable',
])

/** A call is charged when the upstream did it, also when it answered with a tool error; what never reached it costs nothing. */
function isCharged(
  { status, code }: { readonly status: EntryStatus; readonly code?: string },
  { upstreamMs }: Exchange['timings'],
): boolean {
  if (status === 'blocked') return upstreamMs > 0 // an answer that was blocked was worked for
  if (code !== undefined && NOT_SERVED.has(code)) return false
  return status === 'ok' || status === 'tool_error' || status === 'abandoned' || status === 'error'
}

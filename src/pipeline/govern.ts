import type { Decision } from '../core/decision.ts'
import type { Entry, EntryStatus } from '../core/entry.ts'
import type { GatewayError } from '../core/errors.ts'
import { GatewayError as Failure, toGatewayError } from '../core/errors.ts'
import type { Report } from '../core/events.ts'
import type { Exchange } from '../core/exchange.ts'
import type { Json } from '../core/json.ts'
import type { BudgetRule } from '../core/snapshot.ts'
import type { TextLens } from '../core/text-lens.ts'
import { outputTokens, inputTokens } from '../core/usage.ts'
import type { Guard, GuardStream, Hook, Verdict } from '../guard/guard.ts'
import type { Admission, Budgets, Cost, Ledger, Limiter, LimitRule, Reservation } from '../metering/contract.ts'
import { entryOf } from './entry-of.ts'
import type { AttemptFacts, Estimate, FacetCall, Gauge, Road } from './facet.ts'

/** What the road borrows. */
export interface GovernDeps {
  readonly ledger: Ledger
  readonly limiter: Limiter
  readonly budgets: Budgets
  /** The guard of the catalog that decided; absent when it has none. */
  guard(decision: Decision): Guard | undefined
  /** The counters this exchange must pass. */
  limitRules(exchange: Exchange, decision: Decision): readonly LimitRule[]
  /** The budgets it is paid from. */
  budgetRules(exchange: Exchange, decision: Decision): readonly BudgetRule[]
  /** What an attempt at a provider cost. */
  cost(attempt: AttemptFacts): Cost
  digest(value: Json): string
  /** Monotonic milliseconds. */
  monotonic(): number
  readonly report: Report
  /** Hears of every attempt that is over, with its ledger entry. */
  ended(exchange: Exchange, entry: Entry): void
}

/**
 * The road: decide -> limits -> budget -> guard -> upstream -> guard -> ledger. Both facets travel it and nothing else opens an upstream.
 * When it returns or throws, the exchange's ledger entries are durable, so the caller may send the last byte.
 */
export async function govern<Answer>(deps: GovernDeps, exchange: Exchange, call: FacetCall<Answer>): Promise<Answer> {
  const journey = new Journey(deps, exchange, call)
  const outcome = await journey.travel()
  const entry = journey.settle(outcome)
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
      readonly code: string | undefined
      readonly error: undefined
    }
  | { readonly status: EntryStatus; readonly error: Error; readonly code: string; readonly bytes: number }

const NOTHING: Cost = { nanoUsd: 0, priceVersion: null }

/** One exchange on the road. A class, because one is made for every call: see ARCHITECTURE.md on what is made per call. */
class Journey<Answer> implements Road {
  readonly #deps: GovernDeps
  readonly #exchange: Exchange
  readonly #call: FacetCall<Answer>
  readonly #decision: Decision
  readonly #guard: Guard | undefined
  #attempts = 0
  #last: AttemptFacts | undefined
  /** Nano-dollars of the attempts that others followed. */
  #spent = 0
  #admission: Extract<Admission, { admitted: true }> | undefined
  #reservation: Extract<Reservation, { granted: true }> | undefined
  /** Nano-dollars set aside in budgets. */
  #reserved = 0
  #stream: GuardStream | undefined
  readonly #verdicts: Verdict[] = []

  constructor(deps: GovernDeps, exchange: Exchange, call: FacetCall<Answer>) {
    this.#deps = deps
    this.#exchange = exchange
    this.#call = call
    this.#decision = call.decide()
    this.#guard = this.#decision.outcome === 'allow' ? deps.guard(this.#decision) : undefined
  }

  async travel(): Promise<Outcome<Answer>> {
    const { outcome, reason } = this.#decision
    if (outcome !== 'allow') {
      return { status: 'denied', error: this.#call.refusal(this.#decision), code: reason, bytes: 0 }
    }
    try {
      this.#deps.ledger.assertWritable()
      this.#admit()
      return await this.#openGuarded()
    } catch (error) {
      return this.#failed(toGatewayError(error))
    }
  }

  /** Settles what was reserved, and says the last entry. */
  settle(outcome: Outcome<Answer>): Entry {
    const attempt = this.#last
    const cost = attempt === undefined ? this.#itemCost(outcome) : attemptCost(this.#deps, attempt)
    this.#admission?.release(attempt?.usage === undefined ? 0 : inputTokens(attempt.usage) + outputTokens(attempt.usage))
    // A cost nobody knows is not nothing: what was set aside for it is spent.
    this.#reservation?.settle(this.#spent + (cost.nanoUsd ?? this.#reserved))
    return this.#entry({
      attempt,
      cost,
      status: outcome.status,
      error: outcome.code ?? null,
      bytes: outcome.bytes,
      durationMs: this.#deps.monotonic() - this.#exchange.startedAt,
      verdicts: this.#stream === undefined ? this.#verdicts : [...this.#verdicts, ...this.#stream.verdicts()],
    })
  }

  retried(attempt: AttemptFacts, error: string): void {
    const cost = attemptCost(this.#deps, attempt)
    this.#spent += cost.nanoUsd ?? 0
    const { bytes, upstreamMs } = attempt
    const entry = this.#entry({ attempt, cost, status: 'retried', error, bytes, durationMs: upstreamMs, verdicts: [] })
    this.#deps.ended(this.#exchange, entry)
    // Entries are durable in order: the last one is waited for, and a failure shows there.
    this.#deps.ledger.record(entry).catch(() => undefined)
  }

  attempted(attempt: AttemptFacts): void {
    this.#last = attempt
  }

  guardStream(): GuardStream | undefined {
    if (this.#guard === undefined || !(this.#guard.active('response') || this.#guard.active('call'))) return undefined
    this.#stream = this.#guard.openStream(this.#exchange.signal)
    return this.#stream
  }

  #entry(parts: Omit<Parameters<typeof entryOf>[0], 'exchange' | 'call' | 'decision' | 'number' | 'digest'>): Entry {
    this.#attempts += 1
    const { attempt, status, error, bytes, durationMs, cost, verdicts } = parts
    return entryOf({
      exchange: this.#exchange,
      call: this.#call,
      decision: this.#decision,
      number: this.#attempts,
      digest: this.#deps.digest,
      attempt,
      status,
      error,
      bytes,
      durationMs,
      cost,
      verdicts,
    })
  }

  #admit(): void {
    const { limiter, budgets } = this.#deps
    const limits = this.#deps.limitRules(this.#exchange, this.#decision)
    const paidFrom = this.#deps.budgetRules(this.#exchange, this.#decision)
    const estimate = this.#estimate(limits.length + paidFrom.length > 0)
    const admission = limiter.admit(limits, estimate.tokens)
    if (this.#call.admitted !== undefined && limits.length > 0) this.#call.admitted(gaugesOf(limiter, limits))
    if (!admission.admitted) throw limited(admission.rule, admission.retryAfterSeconds)
    this.#admission = admission
    if (paidFrom.length === 0) return
    const { identity, session, at } = this.#exchange
    const reservation = budgets.reserve(paidFrom, { identity, session, at }, estimate.nanoUsd ?? 0)
    if (!reservation.granted) throw exhausted(reservation, this.#call.kind)
    this.#reserved = estimate.nanoUsd ?? 0
    this.#reservation = reservation
  }

  #estimate(isWanted: boolean): Estimate {
    if (!isWanted || this.#call.estimate === undefined) return { tokens: 0, nanoUsd: this.#decision.item?.priceNanoUsd ?? 0 }
    return this.#call.estimate(this.#decision)
  }

  async #openGuarded(): Promise<Outcome<Answer>> {
    const call = this.#call
    if (this.#guard !== undefined) await this.#judge('request', () => call.requestText())
    const answer = await call.open(this.#decision, this)
    const facts = call.facts(answer)
    if (facts.attempt !== undefined) this.#last = facts.attempt
    if (this.#guard !== undefined && this.#stream === undefined) await this.#judgeAnswer(answer)
    return { status: facts.status, answer, bytes: facts.bytes, code: facts.error, error: undefined }
  }

  async #judgeAnswer(answer: Answer): Promise<void> {
    const call = this.#call
    await this.#judge('response', () => call.responseText?.(answer))
    if (this.#guard?.active('call') !== true) return
    for (const { lens } of call.proposedCalls?.(answer) ?? []) await this.#judge('call', () => lens)
  }

  async #judge(hook: Hook, lens: () => TextLens | undefined): Promise<void> {
    if (this.#guard?.active(hook) !== true) return
    const words = lens()
    if (words === undefined) return
    const { timings, signal } = this.#exchange
    const started = this.#deps.monotonic()
    const verdicts = await this.#guard.inspect(hook, words, signal)
    timings.guardMs += this.#deps.monotonic() - started
    for (const verdict of verdicts) if (verdict.action !== 'allow') this.#verdicts.push({ ...verdict, hook })
    const blocked = verdicts.find((verdict) => verdict.action === 'block')
    if (blocked === undefined) return
    const reason = blocked.reason === undefined ? '' : `: ${blocked.reason}`
    throw new Failure('guard_blocked', `blocked by ${blocked.evaluator}${reason}`)
  }

  #failed(error: GatewayError): Outcome<Answer> {
    if (error.code === 'internal')
      this.#deps.report({ type: 'internal-error', exchange: this.#exchange.id, error: error.cause ?? error })
    return { status: STATUS_OF[error.code] ?? 'error', error, code: error.code, bytes: 0 }
  }

  /** A call is charged when the upstream did it, also when it answered with a tool error; what never reached it costs nothing. */
  #itemCost({ status, code }: Outcome<Answer>): Cost {
    const price = this.#decision.item?.priceNanoUsd
    const priceVersion = price === undefined ? null : this.#exchange.snapshot.revision
    if (!isCharged(status, code, this.#exchange.timings.upstreamMs) || this.#call.kind === 'model')
      return { nanoUsd: 0, priceVersion }
    return { nanoUsd: price ?? null, priceVersion }
  }
}

/** An attempt the provider cannot have worked on cost nothing; one whose price is not known cost an unknown sum. */
function attemptCost(deps: GovernDeps, attempt: AttemptFacts): Cost {
  return attempt.usage === undefined ? NOTHING : deps.cost(attempt)
}

function gaugesOf(limiter: Limiter, rules: readonly LimitRule[]): Gauge[] {
  return rules.flatMap((rule): Gauge[] => {
    if (rule.kind === 'concurrent') return []
    const { used, resetMs } = limiter.peek(rule)
    return [
      { kind: rule.kind === 'rate' ? 'requests' : 'tokens', limit: rule.max, remaining: Math.max(0, rule.max - used), resetMs },
    ]
  })
}

function limited(rule: LimitRule, retryAfterSeconds: number): GatewayError {
  const code = rule.kind === 'concurrent' ? 'concurrency_limited' : 'rate_limited'
  return new Failure(code, `limit reached: ${rule.label}; try again in ${retryAfterSeconds} s`, {
    retryAfterSeconds,
    details: { limit: rule.label },
  })
}

function exhausted(
  { budget, retryAfterSeconds }: { readonly budget: BudgetRule; readonly retryAfterSeconds: number },
  kind: Entry['kind'],
): GatewayError {
  // What a model may answer at most is set aside, so a smaller bound may still fit.
  const hint = kind === 'model' ? '; a smaller bound on the answer (max_tokens) may fit' : ''
  const dollars = (budget.nanoUsd / 1e9).toString()
  const whom = budget.by === 'catalog' ? `catalog "${budget.catalog}"` : `this ${budget.by} on catalog "${budget.catalog}"`
  const period = budget.per === 'total' ? 'in total' : `per ${budget.per}`
  return new Failure('budget_exceeded', `the budget of ${whom}, ${dollars} USD ${period}, does not cover this call${hint}`, {
    retryAfterSeconds,
    details: { budget: budget.id },
  })
}

const STATUS_OF: Partial<Record<GatewayError['code'], EntryStatus>> = {
  rate_limited: 'limited',
  concurrency_limited: 'limited',
  budget_exceeded: 'limited',
  guard_blocked: 'blocked',
  abandoned: 'abandoned',
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

function isCharged(status: EntryStatus, code: string | undefined, upstreamMs: number): boolean {
  if (status === 'blocked') return upstreamMs > 0 // an answer that was blocked was worked for
  if (code !== undefined && NOT_SERVED.has(code)) return false
  return status === 'ok' || status === 'tool_error' || status === 'abandoned' || status === 'error'
}

import { GatewayError } from '../../core/errors.ts'
import type { Usage } from '../../core/usage.ts'
import type { ModelTarget } from '../../core/snapshot.ts'
import type { AttemptFacts, Road, StreamGuard } from '../../pipeline/facet.ts'
import type { LlmDeps, RoutePlan, TargetAttempt } from '../contract.ts'
import { failureCode, failureError } from '../errors.ts'
import type { Failure, FailureKind } from '../middle.ts'
import { keepsSignatures, type SignatureMemory } from '../signature.ts'
import { type Attempt, type AttemptEnd, type AttemptOptions, startAttempt } from './attempt.ts'
import { type Preparation, type Prepared, prepare, type Unfit } from './prepare.ts'
import { factsOf, reportOutcome, type Turn, usageOfFailure, usageOfStream, usageOfWhole } from './settle.ts'
import { createSink } from './create-sink.ts'
import type { StreamEnd, StreamSink } from './sink.ts'
import type { ModelVisit } from './visit.ts'
import { createWholeReader, type WholeAnswer, type WholeReader } from './whole.ts'

/** What every run borrows. */
export interface RunParts {
  readonly deps: LlmDeps
  readonly signatures: SignatureMemory
}

/** What came of a request: a whole answer, a stream that has been sent but for its end, or nobody there any more. */
export type ModelAnswer =
  | { readonly kind: 'whole'; readonly whole: WholeAnswer; readonly facts: AttemptFacts }
  | { readonly kind: 'streamed'; readonly end: StreamEnd; readonly sink: StreamSink; readonly facts: AttemptFacts }
  | { readonly kind: 'abandoned'; readonly facts: AttemptFacts }
  /** Tokens counted here, since no provider of the model counts. */
  | { readonly kind: 'counted'; readonly inputTokens: number }

/** Tries the targets of a plan until one answers. Throws the true cause of the last failure. */
export function run(parts: RunParts, visit: ModelVisit, plan: RoutePlan, road: Road): Promise<ModelAnswer> {
  return new Run(parts, visit, plan, road).go()
}

/** Failures after which another target, or the same one again, may succeed. */
const RETRIABLE: ReadonlySet<FailureKind> = new Set([
  'auth',
  'billing',
  'not_found',
  'rate_limited',
  'timeout',
  'overloaded',
  'server',
  'invalid',
  'unreachable',
])
/** Failures that the same target would only repeat. */
const LASTING: ReadonlySet<FailureKind> = new Set(['auth', 'billing', 'not_found'])
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000

/** One step of a request's own trace. */
interface Step {
  readonly target: string
  readonly outcome: string
  readonly reason: string
}

interface FailedTurn {
  readonly target: ModelTarget
  readonly failure: Failure
  readonly facts: AttemptFacts
}

class Run {
  readonly #parts: RunParts
  readonly #visit: ModelVisit
  readonly #plan: RoutePlan
  readonly #road: Road
  readonly #trail: Step[]
  readonly #deadline: number
  /** Of the last attempt. */
  #upstreamMs = 0
  /** Targets that would only fail again. */
  readonly #spent = new Set<string>()
  #reader: WholeReader | undefined
  #guard: StreamGuard | undefined
  /** Why the last target could not take the request at all. */
  #unfit: GatewayError | undefined

  constructor(parts: RunParts, visit: ModelVisit, plan: RoutePlan, road: Road) {
    this.#parts = parts
    this.#visit = visit
    this.#plan = plan
    this.#road = road
    this.#trail = plan.considered.filter(({ outcome }) => outcome === 'skipped')
    this.#deadline = visit.exchange.startedAt + visit.route.clocks.totalMs
  }

  async go(): Promise<ModelAnswer> {
    const { deps } = this.#parts
    const { route, exchange } = this.#visit
    deps.router.arrived(route)
    let failed: FailedTurn | undefined
    for (let round = 0; round <= route.retries; round += 1) {
      if (failed !== undefined && !this.#mayFollow(failed)) break
      const begun = this.#begin(round, failed)
      const turn = begun instanceof Promise ? await begun : begun
      if (turn === undefined) break
      if (failed !== undefined) this.#road.retried(failed.facts, failureCode(failed.failure.kind))
      failed = undefined
      const end = await turn.attempt.done
      this.#upstreamMs = deps.monotonic() - turn.startedAt
      exchange.timings.upstreamMs += this.#upstreamMs
      if (end.kind !== 'failed') return this.#finish(turn, end)
      failed = await this.#fail(turn, turn.prepared.live.strike(end.failure))
    }
    throw this.#error(failed)
  }

  /** Takes the next target that says yes and sends the request to it. Not a promise unless something has to be waited for. */
  #begin(round: number, failed: FailedTurn | undefined): Turn | undefined | Promise<Turn | undefined> {
    if (failed !== undefined) return this.#beginAgain(round, failed)
    const { targets } = this.#plan
    const [only] = targets
    return targets.length === 1 && only !== undefined ? this.#take(only, true) : this.#takeFirst(targets)
  }

  /** Later rounds go on after the target that failed, which comes last. */
  async #beginAgain(round: number, failed: FailedTurn): Promise<Turn | undefined> {
    const { targets } = this.#plan
    const from = targets.findIndex(({ key }) => key === failed.target.key) + 1
    const ordered = [...targets.slice(from), ...targets.slice(0, from)].filter(({ key }) => !this.#spent.has(key))
    const others = ordered.filter(({ key }) => key !== failed.target.key)
    const turn = await this.#takeFirst(others, others.length < ordered.length)
    if (turn !== undefined || others.length === ordered.length || !(await this.#pause(failed.failure, round))) return turn
    return await this.#take(failed.target, true)
  }

  /** `hasMore`: another target is left after these, so that none of them is the last one. */
  async #takeFirst(targets: readonly ModelTarget[], hasMore = false): Promise<Turn | undefined> {
    for (const [index, target] of targets.entries()) {
      const turn = await this.#take(target, !hasMore && index === targets.length - 1)
      if (turn !== undefined) return turn
    }
    return undefined
  }

  #take(target: ModelTarget, isLast: boolean): Turn | undefined | Promise<Turn | undefined> {
    const outcome = this.#parts.deps.router.begin(target, isLast)
    return outcome === undefined ? undefined : this.#prepare(target, outcome)
  }

  #prepare(target: ModelTarget, outcome: TargetAttempt): Turn | undefined | Promise<Turn | undefined> {
    const visit = this.#visit
    // Anew for each attempt: a guard may still hold words of the one before.
    this.#guard = visit.request.stream ? this.#road.guardStream() : undefined
    const preparing = prepare({ deps: this.#parts.deps, visit, target, guarded: this.#guard !== undefined })
    if (preparing instanceof Promise) return preparing.then((prepared) => this.#send(target, outcome, prepared))
    return this.#send(target, outcome, preparing)
  }

  #send(target: ModelTarget, outcome: TargetAttempt, prepared: Preparation): Turn | undefined {
    const turn = prepared.kind === 'unfit' ? this.#skip(target, outcome, prepared) : this.#launch(target, outcome, prepared)
    if (turn === undefined) outcome.neutral()
    return turn
  }

  #launch(target: ModelTarget, outcome: TargetAttempt, prepared: Prepared): Turn | undefined {
    const { deps } = this.#parts
    const visit = this.#visit
    const startedAt = deps.monotonic()
    visit.begin(prepared.request.dropped, startedAt)
    if (this.#guard === undefined && this.#isOnly(target)) visit.delivery.goAlone()
    const reader = createWholeReader(visit, prepared)
    this.#reader = reader
    const attempt = this.#start(target, {
      prepared,
      clocks: visit.route.clocks,
      deadline: this.#deadline,
      maxAnswerBytes: deps.bounds.modelAnswerBytes,
      monotonic: deps.monotonic,
      signal: visit.exchange.signal,
      onHangUp: visit.route.onHangUp,
      toSink: visit.request.stream
        ? (hooks) => createSink({ ...this.#parts, visit, guard: this.#guard }, prepared, hooks)
        : undefined,
      reader,
    })
    if (attempt === undefined) return undefined
    visit.attempt = attempt
    return { target, prepared, outcome, at: deps.now().getTime(), startedAt, attempt }
  }

  /** Whether no other target of the plan could still answer. */
  #isOnly({ key }: ModelTarget): boolean {
    return this.#plan.targets.every((other) => other.key === key || this.#spent.has(other.key))
  }

  /** A credential that cannot be had is the target's fault and no request's: it is left alone for a while, and operators hear of it. */
  #skip(target: ModelTarget, outcome: TargetAttempt, { error, reason }: Unfit): undefined {
    this.#spent.add(target.key)
    this.#trail.push({ target: target.key, outcome: 'skipped', reason })
    this.#unfit = error ?? this.#unfit
    if (error?.code !== 'upstream_auth') return
    const failure: Failure = { kind: 'auth', message: reason }
    outcome.failed(failure)
    this.#unfit = failureError(target.provider, failure)
  }

  /** Not to be sent at all: an address that egress does not allow, for instance. */
  #start(target: ModelTarget, options: AttemptOptions): Attempt | undefined {
    try {
      return startAttempt(options)
    } catch (cause) {
      this.#unfit = new GatewayError('upstream_unavailable', `provider "${target.provider}" cannot be reached`, { cause })
      this.#spent.add(target.key)
      this.#trail.push({ target: target.key, outcome: 'skipped', reason: 'the request cannot be sent' })
      return undefined
    }
  }

  #finish(turn: Turn, end: Exclude<AttemptEnd, { kind: 'failed' }>): ModelAnswer | Promise<ModelAnswer> {
    reportOutcome(turn, end)
    const { outcome, reason } = wordsOf(end)
    this.#trail.push({ target: turn.target.key, outcome, reason })
    const routing = JSON.stringify(this.#trail)
    return end.kind === 'whole' ? this.#finishWhole(turn, end, routing) : this.#finishStream(turn, end, routing)
  }

  async #finishStream(turn: Turn, end: Exclude<AttemptEnd, { kind: 'failed' | 'whole' }>, routing: string): Promise<ModelAnswer> {
    const { deps } = this.#parts
    const { sink } = turn.attempt
    const isComplete = end.end?.kind === 'complete'
    const usage = await usageOfStream(deps, this.#visit, turn, isComplete)
    const facts = factsOf(this.#visit, turn, {
      usage,
      bytes: this.#visit.delivery.bytes,
      upstreamMs: this.#upstreamMs,
      reportedModel: sink?.reportedModel(),
      serviceTier: sink?.serviceTier(),
      routing,
    })
    if (end.kind === 'abandoned' || sink === undefined) return { kind: 'abandoned', facts }
    return { kind: 'streamed', end: end.end, sink, facts }
  }

  #finishWhole(turn: Turn, end: Extract<AttemptEnd, { kind: 'whole' }>, routing: string): ModelAnswer | Promise<ModelAnswer> {
    const { deps, signatures } = this.#parts
    const whole = this.#reader?.toWhole(end.json, end.body)
    if (whole === undefined) throw new GatewayError('internal', 'a whole answer has no reader')
    const { exchange, request } = this.#visit
    if (whole.parts !== undefined && !keepsSignatures(request.door.dialect.name))
      signatures.remember(exchange.identity.key, whole.parts, turn.prepared.decodeContext.family)
    const usage = usageOfWhole(deps, this.#visit, whole)
    const toAnswer = (counted: Usage | undefined): ModelAnswer => {
      const { reportedModel, serviceTier } = whole
      const bytes = end.body.length
      const result = { usage: counted, bytes, upstreamMs: this.#upstreamMs, reportedModel, serviceTier, routing }
      return { kind: 'whole', whole, facts: factsOf(this.#visit, turn, result) }
    }
    return usage instanceof Promise ? usage.then(toAnswer) : toAnswer(usage)
  }

  async #fail(turn: Turn, failure: Failure): Promise<FailedTurn> {
    const { target, outcome, prepared } = turn
    const { deps } = this.#parts
    outcome.failed(failure)
    if (failure.kind === 'auth') prepared.live.signer.rejected()
    if (LASTING.has(failure.kind)) this.#spent.add(target.key)
    const status = failure.status === undefined ? '' : ` (${failure.status})`
    this.#trail.push({ target: target.key, outcome: 'failed', reason: `${failure.kind}${status}` })
    const usage = await usageOfFailure(deps, this.#visit, turn, failure)
    const result = { usage, bytes: 0, upstreamMs: this.#upstreamMs, reportedModel: undefined, serviceTier: undefined }
    return { target, failure, facts: factsOf(this.#visit, turn, { ...result, routing: undefined }) }
  }

  /** Whether another attempt may follow a failure. */
  #mayFollow({ failure, target }: FailedTurn): boolean {
    const { deps } = this.#parts
    const { exchange, route } = this.#visit
    const others = this.#plan.targets.some(({ key }) => key !== target.key && !this.#spent.has(key))
    if (!RETRIABLE.has(failure.kind) || exchange.signal.aborted || deps.monotonic() >= this.#deadline) return false
    if (!others && (this.#spent.has(target.key) || !mayBeAskedAgain(failure))) return false
    if (!deps.router.mayRetry(route)) {
      this.#trail.push({ target: route.id, outcome: 'stopped', reason: 'the retry budget of the route is used up' })
      return false
    }
    return true
  }

  /** Waits before the same target is asked again: as long as it said, else a little with jitter. False when that is too long. */
  async #pause(failure: Failure, round: number): Promise<boolean> {
    const { deps } = this.#parts
    const { signal } = this.#visit.exchange
    if (signal.aborted || !mayBeAskedAgain(failure)) return false
    const own = Math.min(FIRST_PAUSE_MS * 2 ** (round - 1), LONGEST_PAUSE_MS) * (0.5 + deps.random() / 2)
    const waitMs = failure.retryAfterMs ?? own
    if (deps.monotonic() + waitMs >= this.#deadline) return false
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, waitMs)
    signal.addEventListener('abort', () => resolve(), { once: true })
    await promise
    clearTimeout(timer)
    return !signal.aborted
  }

  #error(failed: FailedTurn | undefined): GatewayError {
    if (failed !== undefined) this.#road.attempted({ ...failed.facts, routing: JSON.stringify(this.#trail) })
    const { signal } = this.#visit.exchange
    if (signal.aborted && signal.reason instanceof GatewayError) return signal.reason
    if (signal.aborted) return new GatewayError('abandoned', 'the caller went away')
    if (failed !== undefined) return failureError(failed.target.provider, failed.failure)
    if (this.#unfit !== undefined) return this.#unfit
    const { model, door } = this.#visit.request
    const cause = new Error(this.#trail.map(({ target, reason }) => `${target}: ${reason}`).join('; '))
    if (this.#trail.length > 0 && this.#trail.every(({ reason }) => reason.startsWith('no known price')))
      return new GatewayError('unpriced', `no target of "${model}" has a known price, and a budget applies`, { cause })
    if (this.#trail.length > 0 && this.#trail.every(({ reason }) => reason === `the provider offers no ${door.operation}`))
      return new GatewayError('invalid_params', `model "${model}" offers no ${door.operation}`, {
        cause,
        details: { param: 'model' },
      })
    return new GatewayError('upstream_unavailable', `no target of "${model}" can take this request`, {
      cause,
      retryAfterSeconds: 1,
    })
  }
}

/** The provider does not say otherwise, nor wants to be left alone for longer than a caller would wait. */
function mayBeAskedAgain({ shouldRetry, retryAfterMs }: Failure): boolean {
  return shouldRetry !== false && (retryAfterMs ?? 0) <= LONGEST_PAUSE_MS
}

function wordsOf(end: AttemptEnd): { readonly outcome: string; readonly reason: string } {
  if (end.kind === 'abandoned') return { outcome: 'abandoned', reason: 'the caller went away' }
  if (end.kind === 'streamed' && end.end.kind === 'cut') return { outcome: 'cut', reason: end.end.failure.kind }
  if (end.kind === 'streamed' && end.end.kind === 'blocked') return { outcome: 'blocked', reason: 'stopped by the guard' }
  return { outcome: 'served', reason: 'answered' }
}

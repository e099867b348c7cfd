// Whether a target is well, and how fast it is.
// 1. Failures of the target go to its circuit. 2. A rate limit, a refused credential or an unpaid bill is a clock and no failure: nothing is
// sent before it ends, and then everything is again. 3. The time to the first content is averaged, and forgotten after five minutes.
// It does not promise that other processes agree: each one knows only what it saw.
import type { TargetAttempt, TargetState } from '../contract.ts'
import type { Failure } from '../middle.ts'
import { Circuit, toSeconds, type CircuitDeps, type Ejection, type Ticket } from './circuit.ts'
import { effectOf } from './failure-effects.ts'

/** All that is remembered of one target. */
export interface TargetHealth {
  /** Admits an attempt; `force`: also while the target is ejected. */
  begin(force: boolean): TargetAttempt | undefined
  ejection(): Ejection | undefined
  readonly circuit: TargetState['circuit']
  readonly inFlight: number
  readonly requests: number
  readonly failures: number
  /** Moving average of milliseconds to the first content; undefined when not measured lately. */
  readonly firstTokenMs: number | undefined
  /** Not measured, and nobody is measuring it now. */
  readonly isWorthMeasuring: boolean
}

const LATENCY_WEIGHT = 0.3
const LATENCY_LIFE_MS = 300_000
const MEASURE_EVERY_MS = 10_000

/** Starts remembering one target, which is taken to be well. */
export function createTargetHealth(deps: CircuitDeps): TargetHealth {
  const circuit = new Circuit(deps)
  const clock = createClock(deps)
  const latency = createLatency(deps)
  let inFlight = 0
  let requests = 0
  let failures = 0
  let lastBegan = -Infinity

  const ejection = (): Ejection | undefined => clock.ejection() ?? circuit.ejection
  const fail = (failure: Failure, ticket: Ticket): void => {
    failures += 1
    const effect = effectOf(failure)
    // Only the first of a burst is news.
    if (effect.kind === 'clock' && clock.set(effect.ms, effect.words))
      deps.changed(circuit.state, `${effect.words} for ${toSeconds(effect.ms)} s`)
    if (effect.kind === 'counts') ticket.failure(failure.kind)
    else ticket.neutral()
  }

  return {
    begin(force) {
      if (!force && ejection() !== undefined) return undefined
      const ticket = circuit.admit()
      const beganAt = deps.now()
      inFlight += 1
      requests += 1
      lastBegan = beganAt
      return once(() => (inFlight -= 1), {
        succeeded(firstTokenMs) {
          latency.measured(firstTokenMs)
          clock.answered(beganAt)
          ticket.success()
        },
        failed: (failure) => fail(failure, ticket),
        neutral: () => ticket.neutral(),
      })
    },
    ejection,
    get circuit() {
      return circuit.state
    },
    get inFlight() {
      return inFlight
    },
    get requests() {
      return requests
    },
    get failures() {
      return failures
    },
    get firstTokenMs() {
      return latency.value
    },
    get isWorthMeasuring() {
      return latency.value === undefined && inFlight === 0 && deps.now() - lastBegan >= MEASURE_EVERY_MS
    },
  }
}

/** Only the first ending counts. */
function once(over: () => void, endings: TargetAttempt): TargetAttempt {
  let isOver = false
  const first = (): boolean => {
    if (isOver) return false
    isOver = true
    over()
    return true
  }
  return {
    succeeded: (firstTokenMs) => (first() ? endings.succeeded(firstTokenMs) : undefined),
    failed: (failure) => (first() ? endings.failed(failure) : undefined),
    neutral: () => (first() ? endings.neutral() : undefined),
  }
}

/** When the provider wants to be left alone. */
function createClock({ now }: CircuitDeps) {
  let until = 0
  let setAt = 0
  let words = ''
  return {
    /** True when it was not running before. */
    set(ms: number, reason: string): boolean {
      if (now() + ms <= until) return false
      const isNew = until <= now()
      until = now() + ms
      setAt = now()
      words = reason
      return isNew && ms > 0
    },
    /** An attempt that began after the clock was set was answered: the provider does not mind. */
    answered(beganAt: number) {
      if (beganAt >= setAt) until = 0
    },
    ejection(): Ejection | undefined {
      const leftMs = until - now()
      return leftMs <= 0 ? undefined : { reason: `${words} for ${toSeconds(leftMs)} s`, readyInMs: leftMs }
    },
  }
}

function createLatency({ now }: CircuitDeps) {
  let average: number | undefined
  let measuredAt = 0
  const current = () => (average === undefined || now() - measuredAt > LATENCY_LIFE_MS ? undefined : average)
  return {
    measured(ms: number) {
      if (!(ms >= 0)) return
      const before = current()
      average = before === undefined ? ms : before + (ms - before) * LATENCY_WEIGHT
      measuredAt = now()
    },
    get value() {
      return current()
    },
  }
}

// A breaker over a sliding window.
// 1. Endings of the last 10 s are counted; 5 failures that are at least half of them open it. 2. It stays open for 5 s, twice as long each
// time a probe fails, at most 60 s, with jitter. 3. Then exactly one probe passes and decides; one that says nothing frees its place.
import { backoffMs } from '../../lib/backoff.ts'
import type { TargetState } from '../contract.ts'
import { createRollingCount } from './rolling-count.ts'

/** What a circuit borrows. */
export interface CircuitDeps {
  /** Monotonic milliseconds. */
  now(): number
  random(): number
  /** Hears of a change, and why. */
  changed(circuit: TargetState['circuit'], reason: string): void
}

/** Why a target takes no request now, and when it may again. */
export interface Ejection {
  /** In words: `breaker open for 4 s`, `rate limited for 12 s`. */
  readonly reason: string
  readonly readyInMs: number
}

/** How one admitted attempt reports back. */
export interface Ticket {
  success(): void
  failure(kind: string): void
  neutral(): void
}

const WINDOW_SECONDS = 10
const FAILURES = 5
const FAILURE_SHARE = 0.5
const OPEN = { minMs: 5_000, maxMs: 60_000 }
/** A probe that never ends (a long stream) keeps the next one out no longer than this. */
const PROBE_PATIENCE_MS = 60_000

/** Keeps requests away from a target that keeps failing. */
export class Circuit {
  readonly #deps: CircuitDeps
  readonly #successes
  readonly #failures
  #state: TargetState['circuit'] = 'closed'
  /** How often it opened since it was last well. */
  #openings = 0
  #openUntil = 0
  #probeUntil = 0
  /** Attempts of an earlier era say nothing about the target as it is now. */
  #era = 0

  constructor(deps: CircuitDeps) {
    this.#deps = deps
    this.#successes = createRollingCount(WINDOW_SECONDS, deps.now)
    this.#failures = createRollingCount(WINDOW_SECONDS, deps.now)
  }

  get state(): TargetState['circuit'] {
    return this.#state
  }

  /** Why nothing may pass now; undefined when something may. */
  get ejection(): Ejection | undefined {
    const now = this.#deps.now()
    const openMs = this.#openUntil - now
    if (this.#state === 'open' && openMs > 0) return { reason: `breaker open for ${toSeconds(openMs)} s`, readyInMs: openMs }
    if (this.#state !== 'half-open' || now >= this.#probeUntil) return undefined
    return { reason: 'breaker half-open: a probe is under way', readyInMs: 0 }
  }

  /** Lets an attempt pass: as the probe when one is due, as forced while nothing may pass. */
  admit(): Ticket {
    if (this.#state === 'closed') return this.#ordinary()
    return this.ejection === undefined ? this.#probe() : this.#forced()
  }

  #ordinary(): Ticket {
    const era = this.#era
    return {
      success: () => (era === this.#era ? this.#successes.add() : undefined),
      failure: (kind) => (era === this.#era ? this.#count(kind) : undefined),
      neutral: () => undefined,
    }
  }

  #probe(): Ticket {
    this.#probeUntil = this.#deps.now() + PROBE_PATIENCE_MS
    this.#enter('half-open', 'a probe is sent')
    const era = this.#era
    return {
      success: () => (era === this.#era ? this.#close() : undefined),
      failure: (kind) => (era === this.#era ? this.#open(kind) : undefined),
      neutral: () => {
        if (era === this.#era) this.#probeUntil = 0
      },
    }
  }

  /** A forced attempt that is answered shows that the target is well; one that fails shows nothing new. */
  #forced(): Ticket {
    return { success: () => this.#close(), failure: () => undefined, neutral: () => undefined }
  }

  #count(kind: string): void {
    this.#failures.add()
    const failures = this.#failures.total
    if (failures >= FAILURES && failures >= (failures + this.#successes.total) * FAILURE_SHARE) this.#open(kind)
  }

  #open(kind: string): void {
    this.#openings += 1
    this.#openUntil = this.#deps.now() + backoffMs(this.#openings, OPEN, this.#deps.random)
    this.#enter('open', `its last failure: ${kind}`)
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#openings = 0
    this.#successes.clear()
    this.#failures.clear()
    this.#enter('closed', 'it answered')
  }

  #enter(next: TargetState['circuit'], reason: string): void {
    this.#era += 1
    if (next === this.#state) return
    this.#state = next
    this.#deps.changed(next, reason)
  }
}

/** Whole seconds, never less than 1: `0 s` would read as now. */
export function toSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}

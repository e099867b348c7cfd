import { backoffMs } from './backoff.ts'

/** `closed`: all pass. `open`: none pass. `half-open`: one probe is under way and decides. */
export type CircuitState = 'closed' | 'open' | 'half-open'

/** Stops asking something that keeps failing. Every admitted attempt reports exactly one of the three endings. */
export interface Breaker {
  /** Admits an attempt, or not; when open long enough, admits one as the probe. */
  admit(): Admission | undefined
  readonly state: CircuitState
  /** Milliseconds until a probe may pass; 0 unless open. */
  readonly retryInMs: number
}

/** One admitted attempt. Only the first report counts. */
export interface Admission {
  success(): void
  /** The other side is at fault. */
  failure(): void
  /** It says nothing about the other side: the caller hung up, or was at fault. */
  neutral(): void
}

/** When a breaker opens, and for how long. */
export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number
  readonly minOpenMs: number
  readonly maxOpenMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  readonly onChange?: (state: CircuitState) => void
}

/** Makes a breaker. A failed probe opens it again for twice as long, up to `maxOpenMs`, always with jitter. */
export function createBreaker(options: BreakerOptions): Breaker {
  const { failures, minOpenMs, maxOpenMs, now, random } = options
  let state: CircuitState = 'closed'
  let inARow = 0
  let openings = 0
  let openUntil = 0

  const enter = (next: CircuitState): void => {
    if (next === state) return
    state = next
    options.onChange?.(next)
  }
  const open = (): void => {
    openings += 1
    openUntil = now() + backoffMs(openings, { minMs: minOpenMs, maxMs: maxOpenMs }, random)
    enter('open')
  }
  const succeed = (): void => {
    inARow = 0
    if (state !== 'half-open') return
    openings = 0
    enter('closed')
  }
  const fail = (probe: boolean): void => {
    if (probe) return open()
    inARow += 1
    if (state === 'closed' && inARow >= failures) open()
  }

  return {
    admit() {
      if (state === 'half-open' || (state === 'open' && now() < openUntil)) return undefined
      const probe = state === 'open'
      if (probe) enter('half-open')
      return new Attempt((ending) => {
        // a probe that decided nothing leaves the door open for the next one
        if (ending === 'neutral') return probe ? enter('open') : undefined
        // attempts from before the circuit opened say nothing about it now
        if (!probe && state !== 'closed') return undefined
        return ending === 'success' ? succeed() : fail(probe)
      })
    },
    get state() {
      return state
    },
    get retryInMs() {
      return state === 'closed' ? 0 : Math.max(0, openUntil - now())
    },
  }
}

/** One attempt; only its first ending is told. A class, because one is made for every call. */
class Attempt implements Admission {
  readonly #ended: (ending: 'success' | 'failure' | 'neutral') => void
  #isOver = false

  constructor(ended: (ending: 'success' | 'failure' | 'neutral') => void) {
    this.#ended = ended
  }

  success(): void {
    this.#end('success')
  }

  failure(): void {
    this.#end('failure')
  }

  neutral(): void {
    this.#end('neutral')
  }

  #end(ending: 'success' | 'failure' | 'neutral'): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#ended(ending)
  }
}

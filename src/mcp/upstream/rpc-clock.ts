/** The three deadlines of one step of a call, in milliseconds. */
export interface CallDeadlines {
  readonly firstByteMs: number
  readonly idleMs: number
  readonly totalMs: number
}

/** Watches one step of a call. */
export interface CallClock {
  /** A sign of life: ends the wait for the first byte, starts the idle time again. Never moves the total. */
  alive(): void
  stop(): void
}

/** Calls `expire` once, with the deadline that passed. One timer per step, however many signs of life arrive. */
export function startClock(deadlines: CallDeadlines, now: () => number, expire: (after: keyof CallDeadlines) => void): CallClock {
  const begun = now()
  let seen = begun
  let silence: 'firstByteMs' | 'idleMs' = 'firstByteMs'
  let timer: NodeJS.Timeout
  let due = 0

  const arm = (): void => {
    const total = begun + deadlines.totalMs - now()
    const quiet = seen + deadlines[silence] - now()
    if (Math.min(total, quiet) <= 0) return expire(total <= 0 ? 'totalMs' : silence)
    // A timer may fire up to a millisecond early by this clock; then it is armed once more.
    const waitMs = Math.max(1, Math.ceil(Math.min(total, quiet)))
    due = now() + waitMs
    timer = setTimeout(arm, waitMs)
  }
  arm()

  return {
    alive() {
      seen = now()
      if (silence === 'idleMs') return
      silence = 'idleMs'
      if (seen + deadlines.idleMs >= due) return // the timer looks again by itself, and not too late
      clearTimeout(timer)
      arm()
    },
    stop: () => clearTimeout(timer),
  }
}

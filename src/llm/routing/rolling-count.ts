/** Counts what happened in the last seconds, in one number per second. */
export interface RollingCount {
  add(): void
  readonly total: number
  clear(): void
}

/** A count over the last `seconds` seconds, the current one included. `now` is monotonic milliseconds. */
export function createRollingCount(seconds: number, now: () => number): RollingCount {
  const counts = Array.from({ length: seconds }, () => 0)
  let last = Math.floor(now() / 1000)
  let total = 0

  /** Empties the places of seconds that have passed, and gives the place of this one. */
  const advance = (): number => {
    const second = Math.floor(now() / 1000)
    const passed = Math.min(Math.max(second - last, 0), seconds)
    for (let step = 1; step <= passed; step++) {
      const place = (second - passed + step) % seconds
      total -= counts[place] ?? 0
      counts[place] = 0
    }
    last = Math.max(last, second)
    return last % seconds
  }

  return {
    add() {
      const place = advance()
      counts[place] = (counts[place] ?? 0) + 1
      total += 1
    },
    get total() {
      advance()
      return total
    },
    clear() {
      counts.fill(0)
      total = 0
    },
  }
}

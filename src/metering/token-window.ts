const SECOND_MS = 1_000
const SECONDS = 60

/**
 * Tokens of the last minute, counted by the second: the second a token falls in leaves the window as a whole, at most one second late. Sixty
 * numbers whatever the traffic.
 */
export class TokenWindow {
  readonly #amounts = new Float64Array(SECONDS + 1)
  /** The second that `#amounts` ends with; counts from the start of the clock. */
  #last = Number.NEGATIVE_INFINITY
  #total = 0

  /** Tokens in the window now, reserved ones included. */
  count(now: number): number {
    this.#forget(now)
    return this.#total
  }

  /** Milliseconds until so many more fit under `max`. What alone is over it fits when nothing else is counted. */
  waitMs(now: number, max: number, tokens: number): number {
    this.#forget(now)
    const excess = this.#total + Math.min(tokens, max) - max
    if (excess <= 0) return 0
    let freed = 0
    for (let second = this.#last - SECONDS; second <= this.#last; second += 1) {
      freed += this.#amounts[place(second)] ?? 0
      if (freed >= excess) return (second + SECONDS + 1) * SECOND_MS - now
    }
    return SECONDS * SECOND_MS
  }

  /** Milliseconds until the window is empty. */
  resetMs(now: number): number {
    this.#forget(now)
    for (let second = this.#last; second >= this.#last - SECONDS; second -= 1)
      if ((this.#amounts[place(second)] ?? 0) > 0) return (second + SECONDS + 1) * SECOND_MS - now
    return 0
  }

  add(now: number, tokens: number): void {
    this.#forget(now)
    this.#change(secondOf(now), tokens)
  }

  /**
   * Puts what was really used in the place of what was reserved `at` some moment. What was used beyond that counts now, and so does all of it
   * when the reservation has left the window.
   */
  replace(at: number, reserved: number, used: number, now: number): void {
    this.#forget(now)
    const second = secondOf(at)
    const kept = second < this.#last - SECONDS ? 0 : reserved
    if (used < kept) this.#change(second, used - kept)
    else this.#change(secondOf(now), used - kept)
  }

  #change(second: number, tokens: number): void {
    const at = place(second)
    const before = this.#amounts[at] ?? 0
    const after = Math.max(0, before + tokens)
    this.#amounts[at] = after
    this.#total += after - before
  }

  #forget(now: number): void {
    const second = secondOf(now)
    if (second <= this.#last) return
    const gone = Math.min(second - this.#last, SECONDS + 1)
    for (let step = 1; step <= gone; step += 1) {
      const at = place(second - gone + step)
      this.#total -= this.#amounts[at] ?? 0
      this.#amounts[at] = 0
    }
    this.#last = second
  }
}

function secondOf(now: number): number {
  return Math.floor(now / SECOND_MS)
}

function place(second: number): number {
  return ((second % (SECONDS + 1)) + SECONDS + 1) % (SECONDS + 1)
}

const SECOND_MS = 1_000
const SECONDS = 60
/** Where the last second stands, counted from 1 so that a new window of zeros has none; then the sum. */
const LAST = SECONDS + 1
const TOTAL = SECONDS + 2

/** How many numbers a window takes. */
export const TOKEN_WINDOW_WIDTH = SECONDS + 3

/**
 * Tokens of the last minute, counted by the second: the second a token falls in leaves the window as a whole, at most one second late. Sixty
 * numbers whatever the traffic, which stand in memory that threads may share.
 */
export class TokenWindow {
  readonly #values: Float64Array
  /** Where this window's numbers begin. */
  readonly #at: number

  constructor(values: Float64Array, at: number) {
    this.#values = values
    this.#at = at
  }

  /** Tokens in the window now, reserved ones included. */
  count(now: number): number {
    this.#forget(now)
    return this.#get(TOTAL)
  }

  /** Milliseconds until so many more fit under `max`. What alone is over it fits when nothing else is counted. */
  waitMs(now: number, max: number, tokens: number): number {
    this.#forget(now)
    const excess = this.#get(TOTAL) + Math.min(tokens, max) - max
    if (excess <= 0) return 0
    const last = this.#last()
    let freed = 0
    for (let second = last - SECONDS; second <= last; second += 1) {
      freed += this.#get(place(second))
      if (freed >= excess) return (second + SECONDS + 1) * SECOND_MS - now
    }
    return SECONDS * SECOND_MS
  }

  /** Milliseconds until the window is empty. */
  resetMs(now: number): number {
    this.#forget(now)
    const last = this.#last()
    for (let second = last; second >= last - SECONDS; second -= 1)
      if (this.#get(place(second)) > 0) return (second + SECONDS + 1) * SECOND_MS - now
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
    const kept = second < this.#last() - SECONDS ? 0 : reserved
    if (used < kept) this.#change(second, used - kept)
    else this.#change(secondOf(now), used - kept)
  }

  #get(offset: number): number {
    return this.#values[this.#at + offset] ?? 0
  }

  #set(offset: number, value: number): void {
    this.#values[this.#at + offset] = value
  }

  #last(): number {
    const last = this.#get(LAST)
    return last === 0 ? Number.NEGATIVE_INFINITY : last - 1
  }

  #change(second: number, tokens: number): void {
    const at = place(second)
    const before = this.#get(at)
    const after = Math.max(0, before + tokens)
    this.#set(at, after)
    this.#set(TOTAL, this.#get(TOTAL) + after - before)
  }

  #forget(now: number): void {
    const second = secondOf(now)
    const last = this.#last()
    if (second <= last) return
    const gone = Math.min(second - last, SECONDS + 1)
    for (let step = 1; step <= gone; step += 1) {
      const at = place(second - gone + step)
      this.#set(TOTAL, this.#get(TOTAL) - this.#get(at))
      this.#set(at, 0)
    }
    this.#set(LAST, second + 1)
  }
}

function secondOf(now: number): number {
  return Math.floor(now / SECOND_MS)
}

function place(second: number): number {
  return ((second % (SECONDS + 1)) + SECONDS + 1) % (SECONDS + 1)
}

// Counters of calls. A rate is a sliding window over the moments of the last calls: in any 60 seconds at most `max` are admitted, and the
// wait that is named is exact, because it ends when the oldest counted call leaves the window. Each counter keeps its moments in a ring that
// grows with use and never beyond `max`. Tokens are counted by the second: a call reserves an estimate and puts the true count in its place
// when it is over. One call is admitted by all of its rules or counted by none.
import type { Admission, CounterState, Limiter, LimitRule } from './contract.ts'
import { TokenWindow } from './token-window.ts'

const WINDOW_MS = 60_000
const SWEEP_MS = 60_000
const ROOM_MS = 1_000
/** Counters of rates in memory. Callers choose session names, so their number needs a bound. */
const MAX_WINDOWS = 100_000
const NOTHING_TO_RELEASE: Admission = { admitted: true, release: () => undefined }

/** What the limiter borrows: monotonic milliseconds. */
export interface LimiterDeps {
  now(): number
  readonly maxWindows?: number
}

/** Counters in the memory of this process, dropped when idle. */
export function createLimiter(deps: LimiterDeps): Limiter & { readonly size: number } {
  return new MemoryLimiter(deps)
}

class MemoryLimiter implements Limiter {
  readonly #deps: LimiterDeps
  readonly #rates = new Map<string, Window>()
  readonly #tokens = new Map<string, TokenWindow>()
  readonly #concurrent = new Map<string, number>()
  #sweepAt: number
  #roomAt = Number.NEGATIVE_INFINITY

  constructor(deps: LimiterDeps) {
    this.#deps = deps
    this.#sweepAt = deps.now() + SWEEP_MS
  }

  /** Number of counters in memory. */
  get size(): number {
    return this.#rates.size + this.#tokens.size + this.#concurrent.size
  }

  admit(rules: readonly LimitRule[], tokens = 0): Admission {
    if (rules.length === 0) return NOTHING_TO_RELEASE
    const now = this.#deps.now()
    this.#sweep(now)
    const refusal = this.#refuse(rules, now, tokens)
    if (refusal !== undefined) return refusal
    const held: string[] = []
    const reserved: (() => TokenWindow)[] = []
    for (const rule of rules) {
      if (rule.kind === 'rate') this.#window(rule.key).add(now, rule.max)
      else if (rule.kind === 'concurrent') held.push(rule.key)
      else {
        if (tokens > 0) this.#tokenWindow(rule.key).add(now, tokens)
        reserved.push(() => this.#tokenWindow(rule.key))
      }
    }
    for (const key of held) this.#concurrent.set(key, (this.#concurrent.get(key) ?? 0) + 1)
    if (held.length === 0 && reserved.length === 0) return NOTHING_TO_RELEASE
    const giveBack = this.#releaseOnce(held)
    let isOpen = true
    return {
      admitted: true,
      release: (used = 0) => {
        giveBack()
        if (!isOpen) return
        isOpen = false
        if (tokens > 0 || used > 0) for (const window of reserved) window().replace(now, tokens, used, this.#deps.now())
      },
    }
  }

  peek(rule: LimitRule): CounterState {
    const now = this.#deps.now()
    if (rule.kind === 'concurrent') return { used: this.#concurrent.get(rule.key) ?? 0, resetMs: 0 }
    const window = rule.kind === 'rate' ? this.#rates.get(rule.key) : this.#tokens.get(rule.key)
    return window === undefined ? { used: 0, resetMs: 0 } : { used: window.count(now), resetMs: window.resetMs(now) }
  }

  /** The rule with the longest wait, so that who comes back then is not refused by the next one. */
  #refuse(rules: readonly LimitRule[], now: number, tokens: number): Admission | undefined {
    let refusal: Extract<Admission, { admitted: false }> | undefined
    for (const rule of rules) {
      const retryAfterSeconds = this.#waitOf(rule, now, tokens)
      if (retryAfterSeconds > (refusal?.retryAfterSeconds ?? 0)) refusal = { admitted: false, rule, retryAfterSeconds }
    }
    return refusal
  }

  /** Whole seconds until the rule would admit a call; 0 when it does now. When a running call ends cannot be known: one second. */
  #waitOf(rule: LimitRule, now: number, tokens: number): number {
    if (rule.kind === 'concurrent') return (this.#concurrent.get(rule.key) ?? 0) < rule.max ? 0 : 1
    if (rule.kind === 'tokens' && tokens === 0) return 0 // calls of tools are not counted in tokens
    const window = rule.kind === 'rate' ? this.#rates.get(rule.key) : this.#tokens.get(rule.key)
    if (window === undefined) return this.#hasRoom(now) ? 0 : 1
    return Math.ceil(window.waitMs(now, rule.max, tokens) / 1_000)
  }

  #hasRoom(now: number): boolean {
    const max = this.#deps.maxWindows ?? MAX_WINDOWS
    if (this.#rates.size + this.#tokens.size < max) return true
    if (now < this.#roomAt) return false
    this.#roomAt = now + ROOM_MS
    this.#drop(now, 1)
    return this.#rates.size + this.#tokens.size < max
  }

  #window(key: string): Window {
    const known = this.#rates.get(key)
    if (known !== undefined) return known
    const window = new Window()
    this.#rates.set(key, window)
    return window
  }

  #tokenWindow(key: string): TokenWindow {
    const known = this.#tokens.get(key)
    if (known !== undefined) return known
    const window = new TokenWindow()
    this.#tokens.set(key, window)
    return window
  }

  #releaseOnce(keys: readonly string[]): () => void {
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      for (const key of keys) {
        const left = (this.#concurrent.get(key) ?? 1) - 1
        if (left > 0) this.#concurrent.set(key, left)
        else this.#concurrent.delete(key)
      }
    }
  }

  #sweep(now: number): void {
    if (now < this.#sweepAt) return
    this.#sweepAt = now + SWEEP_MS
    this.#drop(now, 0)
  }

  #drop(now: number, atMost: number): void {
    for (const [key, window] of this.#rates) if (window.count(now) <= atMost) this.#rates.delete(key)
    for (const [key, window] of this.#tokens) if (window.count(now) === 0) this.#tokens.delete(key)
  }
}

/** The moments of the calls in the last minute, oldest first, in a ring. */
class Window {
  #moments = new Float64Array(8)
  #start = 0
  #length = 0

  count(now: number): number {
    this.#forget(now)
    return this.#length
  }

  /** Milliseconds until one more call fits under `max`. A limit may have been lowered since: then several must leave first. */
  waitMs(now: number, max: number): number {
    const excess = this.count(now) - max
    return excess < 0 ? 0 : this.#at(excess) + WINDOW_MS - now
  }

  /** Milliseconds until the window is empty. */
  resetMs(now: number): number {
    this.#forget(now)
    return this.#length === 0 ? 0 : this.#at(this.#length - 1) + WINDOW_MS - now
  }

  add(now: number, max: number): void {
    if (this.#length === this.#moments.length) this.#grow(max)
    this.#moments[(this.#start + this.#length) % this.#moments.length] = now
    this.#length += 1
  }

  #at(place: number): number {
    return this.#moments[(this.#start + place) % this.#moments.length] ?? 0
  }

  /** A moment exactly one window old is out: [now - 60 s, now) and [now, now + 60 s) share no call. */
  #forget(now: number): void {
    while (this.#length > 0 && this.#at(0) + WINDOW_MS <= now) {
      this.#start = (this.#start + 1) % this.#moments.length
      this.#length -= 1
    }
  }

  #grow(max: number): void {
    const larger = new Float64Array(Math.max(8, Math.min(this.#length * 2, Math.max(max, this.#length + 1))))
    for (let place = 0; place < this.#length; place += 1) larger[place] = this.#at(place)
    this.#moments = larger
    this.#start = 0
  }
}

// Counters of calls, in memory that all workers of a gateway share. A rate is a sliding window over the moments of the last calls: in any 60
// seconds at most `max` are admitted, and the wait that is named is exact, because it ends when the oldest counted call leaves the window.
// Tokens are counted by the second: a call reserves an estimate and puts the true count in its place when it is over. One call is admitted by
// all of its rules or counted by none, under one lock. What a worker holds is counted apart, so that it can be given back when the worker dies.
import { allocateLock, SharedLock } from '../lib/shared-lock.ts'
import { allocateRecords, type RecordsPlan, SharedRecords } from '../lib/shared-records.ts'
import { allocateTable, createKeys, SharedTable, type TableKey, type TableMemory } from '../lib/shared-table.ts'
import { CALL_WINDOW_WIDTH, CallWindow, PIECE_WIDTH } from './call-window.ts'
import type { Admission, CounterState, Limiter, LimitRule } from './contract.ts'
import { TOKEN_WINDOW_WIDTH, TokenWindow } from './token-window.ts'

const SWEEP_MS = 60_000
const ROOM_MS = 1_000
const NOTHING_TO_RELEASE: Admission = { admitted: true, release: () => undefined }

/** Memory of counters, which may be posted to another thread. */
export interface LimiterMemory {
  readonly workers: number
  readonly maxWindows: number
  readonly lock: SharedArrayBuffer
  readonly clock: SharedArrayBuffer
  readonly rates: TableMemory
  readonly tokens: TableMemory
  readonly concurrent: TableMemory
  readonly pieces: SharedArrayBuffer
  readonly piecesPlan: RecordsPlan
}

/** How much is counted. Callers choose session names, so the number of counters needs a bound. */
export interface LimiterPlan {
  readonly workers: number
  readonly maxWindows: number
  /** Calls of the last minute, over all counters. */
  readonly maxMoments: number
}

/** Counters of a gateway; untouched memory costs nothing. */
export function allocateLimiter({ workers, maxWindows, maxMoments }: LimiterPlan): LimiterMemory {
  const piecesPlan = { capacity: maxWindows + MAX_RULES + Math.ceil(maxMoments / (PIECE_WIDTH - 1)), width: PIECE_WIDTH }
  return {
    workers,
    maxWindows,
    lock: allocateLock(),
    clock: new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT),
    rates: allocateTable({ capacity: maxWindows, width: CALL_WINDOW_WIDTH }),
    tokens: allocateTable({ capacity: maxWindows, width: TOKEN_WINDOW_WIDTH }),
    concurrent: allocateTable({ capacity: maxWindows, width: workers + 1 }),
    pieces: allocateRecords(piecesPlan),
    piecesPlan,
  }
}

/** What the limiter borrows: milliseconds of one monotonic clock for all workers. */
export interface LimiterDeps {
  now(): number
  readonly memory: LimiterMemory
  /** Which worker this is. */
  readonly worker: number
}

/** A limiter, and what the wiring needs of it. */
export interface SharedLimiter extends Limiter {
  /** Number of counters in memory. */
  readonly size: number
  /** Gives back what a worker that is gone held. */
  forget(worker: number): void
  /** Takes a place under every rule (of kind `concurrent`), or under none: then it returns the rule that has no place. */
  take(rules: readonly LimitRule[]): LimitRule | undefined
  /** Gives one place back under every rule. */
  give(rules: readonly LimitRule[]): void
}

/** One worker's hand on the counters. */
export function createLimiter(deps: LimiterDeps): SharedLimiter {
  return new MemoryLimiter(deps)
}

/** More rules than one call ever passes: its item, route, catalog and the gateway have three each. */
const MAX_RULES = 16
const SWEEP_AT = 0
const ROOM_AT = 1
const TOTAL = 0

class MemoryLimiter implements SharedLimiter {
  readonly #deps: LimiterDeps
  readonly #lock: SharedLock
  readonly #clock: Float64Array
  readonly #rates: SharedTable
  readonly #tokens: SharedTable
  readonly #concurrent: SharedTable
  readonly #pieces: SharedRecords
  readonly #keyOf = createKeys()

  constructor(deps: LimiterDeps) {
    const { lock, clock, rates, tokens, concurrent, pieces, piecesPlan } = deps.memory
    this.#deps = deps
    this.#lock = new SharedLock(lock, deps.worker)
    this.#clock = new Float64Array(clock)
    this.#rates = new SharedTable(rates)
    this.#tokens = new SharedTable(tokens)
    this.#concurrent = new SharedTable(concurrent)
    this.#pieces = new SharedRecords(pieces, piecesPlan)
  }

  get size(): number {
    return this.#rates.size + this.#tokens.size + this.#concurrent.size
  }

  admit(rules: readonly LimitRule[], tokens = 0): Admission {
    if (rules.length === 0) return NOTHING_TO_RELEASE
    const keys = rules.map((rule) => this.#keyOf(rule.key))
    this.#lock.take()
    try {
      const now = this.#deps.now()
      this.#sweep(now)
      return this.#refuse(rules, keys, { now, tokens }) ?? this.#count(rules, keys, { now, tokens })
    } finally {
      this.#lock.release()
    }
  }

  peek(rule: LimitRule): CounterState {
    const key = this.#keyOf(rule.key)
    this.#lock.take()
    try {
      const now = this.#deps.now()
      if (rule.kind === 'concurrent') return { used: this.#held(key), resetMs: 0 }
      const window = this.#find(rule.kind, key)
      return window === undefined ? { used: 0, resetMs: 0 } : { used: window.count(now), resetMs: window.resetMs(now) }
    } finally {
      this.#lock.release()
    }
  }

  take(rules: readonly LimitRule[]): LimitRule | undefined {
    const keys = rules.map((rule) => this.#keyOf(rule.key))
    this.#lock.take()
    try {
      const full = rules.find((rule, index) => this.#held(keys[index]) >= rule.max)
      if (full === undefined) for (const key of keys) this.#hold(key)
      return full
    } finally {
      this.#lock.release()
    }
  }

  give(rules: readonly LimitRule[]): void {
    this.#release(
      rules.map((rule) => this.#keyOf(rule.key)),
      [],
      { now: 0, tokens: 0, used: 0 },
    )
  }

  forget(worker: number): void {
    this.#lock.take()
    try {
      for (const record of this.#concurrent.records()) this.#giveBack(record, worker, Number.POSITIVE_INFINITY)
    } finally {
      this.#lock.release()
    }
  }

  #count(rules: readonly LimitRule[], keys: readonly TableKey[], { now, tokens }: Call): Admission {
    const held: TableKey[] = []
    const reserved: TableKey[] = []
    rules.forEach((rule, index) => {
      const key = keys[index]
      if (key === undefined) return
      if (rule.kind === 'rate') this.#callWindow(this.#rates.take(key)).add(now)
      else if (rule.kind === 'concurrent') held.push(key)
      else {
        if (tokens > 0) this.#tokenWindow(this.#tokens.take(key)).add(now, tokens)
        reserved.push(key)
      }
    })
    for (const key of held) this.#hold(key)
    if (held.length === 0 && reserved.length === 0) return NOTHING_TO_RELEASE
    let isOpen = true
    return {
      admitted: true,
      release: (used = 0) => {
        if (!isOpen) return
        isOpen = false
        this.#release(held, reserved, { now, tokens, used })
      },
    }
  }

  #release(
    held: readonly TableKey[],
    reserved: readonly TableKey[],
    { now, tokens, used }: Call & { readonly used: number },
  ): void {
    this.#lock.take()
    try {
      for (const key of held) {
        const record = this.#concurrent.find(key)
        if (record >= 0) this.#giveBack(record, this.#deps.worker, 1)
      }
      if (tokens === 0 && used === 0) return
      const end = this.#deps.now()
      for (const key of reserved) {
        const record = this.#tokens.take(key)
        if (record >= 0) this.#tokenWindow(record).replace(now, tokens, used, end)
      }
    } finally {
      this.#lock.release()
    }
  }

  /** The rule with the longest wait, so that who comes back then is not refused by the next one. */
  #refuse(rules: readonly LimitRule[], keys: readonly TableKey[], call: Call): Admission | undefined {
    let refusal: Extract<Admission, { admitted: false }> | undefined
    rules.forEach((rule, index) => {
      const key = keys[index]
      const retryAfterSeconds = key === undefined ? 0 : this.#waitOf(rule, key, call)
      if (retryAfterSeconds > (refusal?.retryAfterSeconds ?? 0)) refusal = { admitted: false, rule, retryAfterSeconds }
    })
    return refusal
  }

  /** Whole seconds until the rule would admit a call; 0 when it does now. When a running call ends cannot be known: one second. */
  #waitOf(rule: LimitRule, key: TableKey, { now, tokens }: Call): number {
    if (rule.kind === 'concurrent') return this.#held(key) < rule.max ? 0 : 1
    if (rule.kind === 'tokens' && tokens === 0) return 0 // calls of tools are not counted in tokens
    const window = this.#find(rule.kind, key)
    if (window === undefined) return this.#hasRoom(now) ? 0 : 1
    const seconds = Math.ceil(window.waitMs(now, rule.max, tokens) / 1_000)
    return seconds === 0 && !this.#hasPieces() ? 1 : seconds
  }

  #hasRoom(now: number): boolean {
    const { maxWindows } = this.#deps.memory
    const isOpen = (): boolean => this.#rates.size + this.#tokens.size < maxWindows && this.#hasPieces()
    if (isOpen()) return true
    if (now < (this.#clock[ROOM_AT] ?? 0)) return false
    this.#clock[ROOM_AT] = now + ROOM_MS
    this.#drop(now, 1)
    return isOpen()
  }

  /** One call may begin as many pieces as it has rules. */
  #hasPieces(): boolean {
    return this.#pieces.capacity - this.#pieces.size >= MAX_RULES
  }

  #find(kind: 'rate' | 'tokens', key: TableKey): CallWindow | TokenWindow | undefined {
    const record = kind === 'rate' ? this.#rates.find(key) : this.#tokens.find(key)
    if (record < 0) return undefined
    return kind === 'rate' ? this.#callWindow(record) : this.#tokenWindow(record)
  }

  #callWindow(record: number): CallWindow {
    return new CallWindow(this.#pieces, this.#rates.values, this.#rates.at(record))
  }

  #tokenWindow(record: number): TokenWindow {
    return new TokenWindow(this.#tokens.values, this.#tokens.at(record))
  }

  #held(key: TableKey | undefined): number {
    const record = key === undefined ? -1 : this.#concurrent.find(key)
    return record < 0 ? 0 : (this.#concurrent.values[this.#concurrent.at(record) + TOTAL] ?? 0)
  }

  #hold(key: TableKey): void {
    const record = this.#concurrent.take(key)
    if (record < 0) return
    const { values } = this.#concurrent
    const at = this.#concurrent.at(record)
    const own = at + 1 + this.#deps.worker
    values[at + TOTAL] = (values[at + TOTAL] ?? 0) + 1
    values[own] = (values[own] ?? 0) + 1
  }

  #giveBack(record: number, worker: number, atMost: number): void {
    const { values } = this.#concurrent
    const at = this.#concurrent.at(record)
    const own = at + 1 + worker
    const count = Math.min(atMost, values[own] ?? 0)
    values[own] = (values[own] ?? 0) - count
    values[at + TOTAL] = (values[at + TOTAL] ?? 0) - count
    if (values[at + TOTAL] === 0) this.#concurrent.drop(record)
  }

  #sweep(now: number): void {
    const due = this.#clock[SWEEP_AT] ?? 0
    if (due !== 0 && now < due) return
    this.#clock[SWEEP_AT] = now + SWEEP_MS
    if (due !== 0) this.#drop(now, 0)
  }

  #drop(now: number, atMost: number): void {
    for (const record of this.#rates.records()) {
      const window = this.#callWindow(record)
      if (window.count(now) > atMost) continue
      window.clear()
      this.#rates.drop(record)
    }
    for (const record of this.#tokens.records()) if (this.#tokenWindow(record).count(now) === 0) this.#tokens.drop(record)
  }
}

interface Call {
  readonly now: number
  readonly tokens: number
}

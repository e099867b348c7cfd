import { LRUCache } from 'lru-cache'

/** Where the money of one subject in one period or run is kept. */
export interface Account {
  readonly key: string
  /** The budget it belongs to, whatever its amount. */
  readonly basis: string
  readonly isSession: boolean
  /** End of its period in milliseconds since the epoch. */
  readonly until: number
}

/** Nano-dollars of one account. */
export interface Balance {
  readonly account: Account
  spent: number
  reserved: number
  /** Calls under way that have reserved something, also when it is zero. */
  open: number
  /** The soft threshold was told in this period. */
  told: boolean
}

/** Bounds of what is kept. */
export interface BalancesOptions {
  /** Runs that are over or between two calls. */
  readonly maxSessions: number
  readonly maxPeriods: number
}

const SWEEP_MS = 3_600_000
const ROOM_MS = 1_000

/**
 * Balances in memory. Callers choose the names of runs, so idle runs give way to newer ones; a call under way is never forgotten. Balances of
 * calendar periods stay until the period is over, and past their bound there is no room for a new one.
 */
export class Balances {
  readonly #options: BalancesOptions
  readonly #periods = new Map<string, Balance>()
  readonly #running = new Map<string, Balance>()
  readonly #idle: LRUCache<string, Balance>
  #sweepAt = 0
  #roomAt = 0

  constructor(options: BalancesOptions) {
    this.#options = options
    this.#idle = new LRUCache({ max: options.maxSessions })
  }

  find({ key, isSession }: Account): Balance | undefined {
    return isSession ? (this.#running.get(key) ?? this.#idle.get(key)) : this.#periods.get(key)
  }

  /** Every balance of a budget. */
  of(basis: string): Balance[] {
    return [...this.#periods.values(), ...this.#running.values(), ...this.#idle.values()].filter(
      ({ account }) => account.basis === basis,
    )
  }

  /** Whether the account is known or may be opened. */
  hasRoom(account: Account, now: number): boolean {
    if (now >= this.#sweepAt) this.#sweep(now)
    if (account.isSession || this.#periods.has(account.key)) return true
    if (this.#periods.size >= this.#options.maxPeriods && now >= this.#roomAt) this.#sweep(now)
    return this.#periods.size < this.#options.maxPeriods
  }

  hold(account: Account, nanoUsd: number): void {
    const balance = this.find(account) ?? emptyBalance(account)
    balance.open += 1
    balance.reserved += nanoUsd
    this.#place(balance)
  }

  /** Puts a cost in the place of what was held. */
  settle(account: Account, heldNanoUsd: number, nanoUsd: number): Balance {
    const balance = this.find(account) ?? emptyBalance(account)
    balance.open = Math.max(0, balance.open - 1)
    balance.reserved = balance.open === 0 ? 0 : Math.max(0, balance.reserved - heldNanoUsd)
    balance.spent += nanoUsd
    this.#place(balance)
    return balance
  }

  /** Sets what was spent; what is held stays. */
  assign(account: Account, nanoUsd: number): void {
    const balance = this.find(account) ?? emptyBalance(account)
    balance.spent = nanoUsd
    this.#place(balance)
  }

  /** Drops what is kept of a budget, but for calls under way. */
  forget(basis: string): void {
    for (const balance of this.of(basis)) if (balance.open === 0) this.drop(balance.account)
  }

  drop({ key, isSession }: Account): void {
    if (!isSession) this.#periods.delete(key)
    else {
      this.#running.delete(key)
      this.#idle.delete(key)
    }
  }

  /** An account without money says nothing, so it is not kept. */
  #place(balance: Balance): void {
    const { account, open, spent } = balance
    if (open === 0 && spent === 0) this.drop(account)
    else if (!account.isSession) this.#periods.set(account.key, balance)
    else if (open > 0) {
      this.#idle.delete(account.key)
      this.#running.set(account.key, balance)
    } else {
      this.#running.delete(account.key)
      this.#idle.set(account.key, balance)
    }
  }

  #sweep(now: number): void {
    this.#sweepAt = now + SWEEP_MS
    this.#roomAt = now + ROOM_MS
    for (const { account, open } of this.#periods.values()) if (open === 0 && account.until <= now) this.drop(account)
  }
}

function emptyBalance(account: Account): Balance {
  return { account, spent: 0, reserved: 0, open: 0, told: false }
}

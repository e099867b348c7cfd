// Balances in memory that all workers of a gateway share, under one lock. Callers choose the names of runs, so idle runs give way to newer ones,
// the one that was used longest ago first; a call under way is never forgotten. Balances of calendar periods stay until the period is over, and
// past their bound there is no room for a new one. What calls of one worker hold is counted apart, so that it can be given back when it dies.
import { allocateLock, SharedLock } from '../lib/shared-lock.ts'
import { allocateTable, createKeys, SharedTable, type TableKey, type TableMemory } from '../lib/shared-table.ts'
import { ACCOUNT_COUNTS, AccountRecords, accountWidth, FIELD } from './account-records.ts'

/** Where the money of one subject in one period or run is kept. */
export interface Account {
  readonly key: string
  /** The budget it belongs to, whatever its amount. */
  readonly basis: string
  readonly isSession: boolean
  /** End of its period in milliseconds since the epoch. */
  readonly until: number
}

/** An account that a call is paid from, and the nano-dollars at which it is empty. */
export interface Claim {
  readonly account: Account
  readonly nanoUsd: number
  /** Spent nano-dollars that are told once. */
  readonly softNanoUsd?: number
}

/** Why a claim is refused: its balance is not read, there is no room for it, or it is spent. */
export type Refusal = { readonly kind: 'unread' | 'full' | 'spent'; readonly claim: Claim }

/** Nano-dollars of an account. */
export interface Balance {
  readonly spent: number
  readonly reserved: number
}

/** Bounds of what is kept. */
export interface BalancesPlan {
  readonly workers: number
  /** Runs that are over or between two calls. */
  readonly maxSessions: number
  readonly maxPeriods: number
}

/** Memory of balances, which may be posted to another thread. */
export interface BalancesMemory extends BalancesPlan {
  readonly lock: SharedArrayBuffer
  readonly counts: SharedArrayBuffer
  readonly bases: TableMemory
  readonly accounts: TableMemory
}

const SWEEP_MS = 3_600_000
const ROOM_MS = 1_000
const MAX_BASES = 10_000
const MAX_RUNNING = 100_000

/** When balances are looked through next. */
const SWEEP_AT = ACCOUNT_COUNTS
const ROOM_AT = ACCOUNT_COUNTS + 1

const STATES = ['unread', 'reading', 'ready'] as const
/** Whether the balances of a budget are those of the ledger. */
export type BasisState = (typeof STATES)[number]

/** Memory for balances; untouched memory costs nothing. */
export function allocateBalances(plan: BalancesPlan): BalancesMemory {
  const capacity = plan.maxSessions + plan.maxPeriods + MAX_RUNNING
  return {
    ...plan,
    lock: allocateLock(),
    counts: new SharedArrayBuffer((ROOM_AT + 1) * Float64Array.BYTES_PER_ELEMENT),
    bases: allocateTable({ capacity: MAX_BASES, width: 1 }),
    accounts: allocateTable({ capacity, width: accountWidth(plan.workers) }),
  }
}

/** One worker's hand on the balances. */
export class Balances {
  readonly #memory: BalancesMemory
  readonly #worker: number
  readonly #lock: SharedLock
  readonly #counts: Float64Array
  readonly #bases: SharedTable
  readonly #accounts: AccountRecords
  readonly #keyOf = createKeys()

  constructor(memory: BalancesMemory, worker: number) {
    this.#memory = memory
    this.#worker = worker
    this.#lock = new SharedLock(memory.lock, worker)
    this.#counts = new Float64Array(memory.counts)
    this.#bases = new SharedTable(memory.bases)
    this.#accounts = new AccountRecords(memory.accounts, memory.counts, memory.workers)
  }

  find(account: Account): Balance {
    const key = this.#keyOf(account.key)
    return this.#locked(() => {
      const record = this.#accounts.find(key)
      return record < 0
        ? { spent: 0, reserved: 0 }
        : { spent: this.#accounts.get(record, FIELD.spent), reserved: this.#accounts.get(record, FIELD.reserved) }
    })
  }

  state(basis: string): BasisState {
    const key = this.#keyOf(basis)
    return this.#locked(() => this.#stateOf(key))
  }

  /** `reading` begins to gather what is settled; `unread` drops what is kept of a budget, but for calls under way. */
  setState(basis: string, state: BasisState): void {
    const key = this.#keyOf(basis)
    this.#locked(() => {
      const record = this.#bases.take(key)
      if (record < 0) return
      this.#bases.values[this.#bases.at(record)] = STATES.indexOf(state)
      for (const account of this.#of(record)) {
        if (state !== 'ready') this.#accounts.set(account, FIELD.late, 0)
        if (state === 'unread' && this.#accounts.get(account, FIELD.open) === 0) this.#accounts.drop(account)
      }
    })
  }

  /** Sets aside the same sum in every account, or in none. */
  reserve(claims: readonly Claim[], nanoUsd: number, now: number): Refusal | undefined {
    const keys = claims.map(({ account }) => this.#keyOf(account.key))
    const bases = claims.map(({ account }) => this.#keyOf(account.basis))
    return this.#locked(() => {
      if (now >= (this.#counts[SWEEP_AT] ?? 0)) this.#sweep(now)
      for (const [index, claim] of claims.entries()) {
        const kind = this.#refusal(claim, { key: keys[index], basis: bases[index] }, { nanoUsd, now })
        if (kind !== undefined) return { kind, claim }
      }
      for (const [index, { account }] of claims.entries()) if (isFirst(claims, index)) this.#hold(account, keys[index], nanoUsd)
      return undefined
    })
  }

  /** Puts a cost in the place of what was reserved. Returns the claims whose soft threshold was passed by it, with what is spent. */
  settle(claims: readonly Claim[], heldNanoUsd: number, nanoUsd: number): { readonly claim: Claim; readonly spent: number }[] {
    const keys = claims.map(({ account }) => this.#keyOf(account.key))
    const bases = claims.map(({ account }) => this.#keyOf(account.basis))
    return this.#locked(() => {
      const told: { readonly claim: Claim; readonly spent: number }[] = []
      for (const [index, { account }] of claims.entries())
        if (isFirst(claims, index)) this.#settleOne(account, keys[index], { heldNanoUsd, nanoUsd })
      for (const [index, claim] of claims.entries()) {
        const record = this.#recordOf(keys[index])
        if (record < 0 || claim.softNanoUsd === undefined || this.#accounts.get(record, FIELD.told) === 1) continue
        if (this.#accounts.get(record, FIELD.spent) < claim.softNanoUsd) continue
        this.#accounts.set(record, FIELD.told, 1)
        told.push({ claim, spent: this.#accounts.get(record, FIELD.spent) })
      }
      for (const [index, { account }] of claims.entries())
        this.#place(this.#recordOf(keys[index]), account.isSession, bases[index])
      return told
    })
  }

  /** What the ledger says of a budget; what was settled since it was asked is added, and accounts of this period it does not know have only that. */
  assign(basis: string, sums: readonly { readonly account: Account; readonly nanoUsd: number }[], until: number): void {
    const basisKey = this.#keyOf(basis)
    for (const { account, nanoUsd } of sums) {
      const key = this.#keyOf(account.key)
      this.#locked(() => {
        const record = this.#open(account, key)
        if (record < 0) return
        this.#accounts.set(record, FIELD.spent, nanoUsd + this.#accounts.get(record, FIELD.late))
        this.#accounts.set(record, FIELD.isRead, 1)
      })
    }
    this.#locked(() => {
      for (const record of this.#of(this.#bases.find(basisKey))) {
        if (this.#accounts.get(record, FIELD.isRead) === 0 && this.#accounts.get(record, FIELD.until) === until)
          this.#accounts.set(record, FIELD.spent, this.#accounts.get(record, FIELD.late))
        this.#accounts.set(record, FIELD.isRead, 0)
        this.#place(record, this.#accounts.get(record, FIELD.isSession) === 1, undefined)
      }
    })
  }

  /** Gives back what calls of a worker that is gone had reserved. */
  forget(worker: number): void {
    this.#locked(() => {
      for (const record of this.#accounts.all()) {
        const { open, reserved } = this.#accounts.heldBy(record, worker)
        if (open === 0) continue
        this.#accounts.add(record, { worker, open: -open, reserved: -reserved })
        this.#place(record, this.#accounts.get(record, FIELD.isSession) === 1, undefined)
      }
    })
  }

  #locked<Answer>(work: () => Answer): Answer {
    this.#lock.take()
    try {
      return work()
    } finally {
      this.#lock.release()
    }
  }

  #stateOf(basis: TableKey): BasisState {
    const record = this.#bases.find(basis)
    return (record < 0 ? undefined : STATES[this.#bases.values[this.#bases.at(record)] ?? 0]) ?? 'unread'
  }

  *#of(basis: number): Generator<number> {
    for (const record of this.#accounts.all()) if (this.#accounts.get(record, FIELD.basis) === basis) yield record
  }

  #refusal(
    { account, nanoUsd: max }: Claim,
    { key, basis }: { readonly key: TableKey | undefined; readonly basis: TableKey | undefined },
    { nanoUsd, now }: { readonly nanoUsd: number; readonly now: number },
  ): Refusal['kind'] | undefined {
    if (basis === undefined || this.#stateOf(basis) !== 'ready') return 'unread'
    const record = this.#recordOf(key)
    if (record < 0 && !this.#hasRoom(account, now)) return 'full'
    const taken = record < 0 ? 0 : this.#accounts.get(record, FIELD.spent) + this.#accounts.get(record, FIELD.reserved)
    return taken + nanoUsd > max || taken >= max ? 'spent' : undefined
  }

  #hasRoom({ isSession }: Account, now: number): boolean {
    if (isSession) return this.#accounts.size < this.#accounts.capacity
    const { maxPeriods } = this.#memory
    if (this.#accounts.periods >= maxPeriods && now >= (this.#counts[ROOM_AT] ?? 0)) this.#sweep(now)
    return this.#accounts.periods < maxPeriods
  }

  #recordOf(key: TableKey | undefined): number {
    return key === undefined ? -1 : this.#accounts.find(key)
  }

  #open({ basis, isSession, until }: Account, key: TableKey): number {
    return this.#accounts.open(key, { until, isSession, basis: this.#bases.find(this.#keyOf(basis)) })
  }

  #hold(account: Account, key: TableKey | undefined, nanoUsd: number): void {
    const record = key === undefined ? -1 : this.#open(account, key)
    if (record < 0) return
    this.#accounts.leaveLine(record)
    this.#accounts.add(record, { worker: this.#worker, open: 1, reserved: nanoUsd })
  }

  #settleOne(account: Account, key: TableKey | undefined, { heldNanoUsd, nanoUsd }: Settling): void {
    const record = key === undefined ? -1 : this.#open(account, key)
    if (record < 0) return
    this.#accounts.add(record, { worker: this.#worker, open: -1, reserved: -heldNanoUsd })
    this.#accounts.set(record, FIELD.spent, this.#accounts.get(record, FIELD.spent) + nanoUsd)
    this.#accounts.set(record, FIELD.late, this.#accounts.get(record, FIELD.late) + nanoUsd)
  }

  /** An account without money says nothing, so it is not kept; an idle run stands in line to give way. */
  #place(record: number, isSession: boolean, basis: TableKey | undefined): void {
    if (record < 0 || this.#accounts.get(record, FIELD.open) > 0) return
    const isLost = basis !== undefined && this.#stateOf(basis) === 'unread'
    if (isLost || (this.#accounts.get(record, FIELD.spent) === 0 && this.#accounts.get(record, FIELD.late) === 0))
      return this.#accounts.drop(record)
    if (!isSession) return
    this.#accounts.joinLine(record)
    if (this.#accounts.idle > this.#memory.maxSessions) this.#accounts.drop(this.#accounts.oldest)
  }

  #sweep(now: number): void {
    this.#counts[SWEEP_AT] = now + SWEEP_MS
    this.#counts[ROOM_AT] = now + ROOM_MS
    for (const record of this.#accounts.all()) {
      const isOver = this.#accounts.get(record, FIELD.isSession) === 0 && this.#accounts.get(record, FIELD.until) <= now
      if (isOver && this.#accounts.get(record, FIELD.open) === 0) this.#accounts.drop(record)
    }
  }
}

interface Settling {
  readonly heldNanoUsd: number
  readonly nanoUsd: number
}

/** Several budgets may share an account; it pays once. */
function isFirst(claims: readonly Claim[], index: number): boolean {
  return claims.findIndex(({ account }) => account.key === claims[index]?.account.key) === index
}

import { SharedTable, type TableKey, type TableMemory } from '../lib/shared-table.ts'

/** Numbers of one account; behind them what each worker has reserved, then how many calls each has open. */
export const FIELD = {
  spent: 0,
  reserved: 1,
  /** Calls under way that have reserved something, also when it is zero. */
  open: 2,
  /** The soft threshold was told in this period. */
  told: 3,
  until: 4,
  isSession: 5,
  /** What was settled since the ledger was asked for the balance. */
  late: 6,
  basis: 7,
  /** Neighbours in the line of idle runs, counted from 1. */
  older: 8,
  newer: 9,
  isRead: 10,
} as const
const OWN = 11

/** Numbers about all accounts. */
const PERIODS = 0
const IDLE = 1
const OLDEST = 2
const NEWEST = 3

/** How many numbers are kept about all accounts. */
export const ACCOUNT_COUNTS = 4

/** How many numbers an account takes. */
export function accountWidth(workers: number): number {
  return OWN + 2 * workers
}

/** What a worker's calls hold more, or less, of an account. */
export interface Holding {
  readonly worker: number
  readonly open: number
  readonly reserved: number
}

/** What an account begins with. */
export interface Opening {
  readonly until: number
  readonly isSession: boolean
  readonly basis: number
}

/** Accounts in shared memory, and the line in which idle runs give way. Who uses it holds the lock that goes with it. */
export class AccountRecords {
  readonly capacity: number
  readonly #table: SharedTable
  readonly #values: Float64Array
  readonly #counts: Float64Array
  readonly #workers: number

  constructor(memory: TableMemory, counts: SharedArrayBuffer, workers: number) {
    this.capacity = memory.capacity
    this.#table = new SharedTable(memory)
    this.#values = this.#table.values
    this.#counts = new Float64Array(counts)
    this.#workers = workers
  }

  get size(): number {
    return this.#table.size
  }

  /** Accounts of calendar periods. */
  get periods(): number {
    return this.#counts[PERIODS] ?? 0
  }

  /** Runs in the line. */
  get idle(): number {
    return this.#counts[IDLE] ?? 0
  }

  /** The run that was used longest ago. */
  get oldest(): number {
    return (this.#counts[OLDEST] ?? 0) - 1
  }

  find(key: TableKey): number {
    return this.#table.find(key)
  }

  all(): Generator<number> {
    return this.#table.records()
  }

  get(record: number, field: number): number {
    return this.#values[this.#table.at(record) + field] ?? 0
  }

  set(record: number, field: number, value: number): void {
    this.#values[this.#table.at(record) + field] = value
  }

  /** The record of an account, made when there is none; -1 when there is no room. */
  open(key: TableKey, { until, isSession, basis }: Opening): number {
    const known = this.#table.find(key)
    if (known >= 0) return known
    const record = this.#table.take(key)
    if (record < 0) return -1
    this.set(record, FIELD.until, until)
    this.set(record, FIELD.isSession, isSession ? 1 : 0)
    this.set(record, FIELD.basis, basis)
    if (!isSession) this.#counts[PERIODS] = this.periods + 1
    return record
  }

  /** What calls of one worker hold. */
  heldBy(record: number, worker: number): { readonly open: number; readonly reserved: number } {
    return { open: this.get(record, this.#openOf(worker)), reserved: this.get(record, OWN + worker) }
  }

  add(record: number, { worker, open, reserved }: Holding): void {
    const own = this.heldBy(record, worker)
    const left = Math.max(0, own.open + open)
    this.set(record, this.#openOf(worker), left)
    this.set(record, OWN + worker, left === 0 ? 0 : Math.max(0, own.reserved + reserved))
    const all = Math.max(0, this.get(record, FIELD.open) + open)
    this.set(record, FIELD.open, all)
    this.set(record, FIELD.reserved, all === 0 ? 0 : Math.max(0, this.get(record, FIELD.reserved) + reserved))
  }

  drop(record: number): void {
    if (this.get(record, FIELD.isSession) === 1) this.leaveLine(record)
    else this.#counts[PERIODS] = this.periods - 1
    this.#table.drop(record)
  }

  /** Puts a run at the end of the line. */
  joinLine(record: number): void {
    this.leaveLine(record)
    const newest = this.#counts[NEWEST] ?? 0
    this.set(record, FIELD.older, newest)
    if (newest > 0) this.set(newest - 1, FIELD.newer, record + 1)
    else this.#counts[OLDEST] = record + 1
    this.#counts[NEWEST] = record + 1
    this.#counts[IDLE] = this.idle + 1
  }

  leaveLine(record: number): void {
    const [older, newer] = [this.get(record, FIELD.older), this.get(record, FIELD.newer)]
    if (older === 0 && this.oldest !== record) return
    if (older > 0) this.set(older - 1, FIELD.newer, newer)
    else this.#counts[OLDEST] = newer
    if (newer > 0) this.set(newer - 1, FIELD.older, older)
    else this.#counts[NEWEST] = older
    this.set(record, FIELD.older, 0)
    this.set(record, FIELD.newer, 0)
    this.#counts[IDLE] = this.idle - 1
  }

  #openOf(worker: number): number {
    return OWN + this.#workers + worker
  }
}

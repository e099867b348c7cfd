import { hash } from 'node:crypto'
import { allocateRecords, type RecordsPlan, SharedRecords } from './shared-records.ts'

/** Memory of one table; it may be posted to another thread. */
export interface TableMemory extends RecordsPlan {
  readonly records: SharedArrayBuffer
  readonly index: SharedArrayBuffer
}

/** A key of a table: 128 bits that stand for a text. */
export type TableKey = Int32Array

const KEY_WORDS = 4
const KEYS_REMEMBERED = 20_000

/** Memory for a table of at most so many records. */
export function allocateTable(plan: RecordsPlan): TableMemory {
  const { capacity, width } = plan
  const words = bucketsOf(capacity) + capacity * (KEY_WORDS + 1)
  return { capacity, width, records: allocateRecords(plan), index: new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT) }
}

/** Records by key in shared memory. Who uses it holds the lock that goes with it. */
export class SharedTable {
  readonly #records: SharedRecords
  readonly #buckets: Int32Array
  readonly #keys: Int32Array
  readonly #live: Int32Array

  constructor({ capacity, width, records, index }: TableMemory) {
    const buckets = bucketsOf(capacity)
    const bytes = Int32Array.BYTES_PER_ELEMENT
    this.#records = new SharedRecords(records, { capacity, width })
    this.#buckets = new Int32Array(index, 0, buckets)
    this.#keys = new Int32Array(index, buckets * bytes, capacity * KEY_WORDS)
    this.#live = new Int32Array(index, (buckets + capacity * KEY_WORDS) * bytes, capacity)
  }

  get size(): number {
    return this.#records.size
  }

  /** The numbers of all records; those of record `r` begin at `at(r)`. */
  get values(): Float64Array {
    return this.#records.values
  }

  at(record: number): number {
    return record * this.#records.width
  }

  /** The record of a key, -1 when there is none. */
  find(key: TableKey): number {
    const { links } = this.#records
    let record = (this.#buckets[this.#bucketOf(key)] ?? 0) - 1
    while (record >= 0 && !this.#isFor(record, key)) record = (links[record] ?? 0) - 1
    return record
  }

  /** The record of a key, made of zeros when there is none; -1 when the table is full. */
  take(key: TableKey): number {
    const known = this.find(key)
    if (known >= 0) return known
    const record = this.#records.take()
    if (record < 0) return -1
    const bucket = this.#bucketOf(key)
    this.#keys.set(key, record * KEY_WORDS)
    this.#live[record] = 1
    this.#records.links[record] = this.#buckets[bucket] ?? 0
    this.#buckets[bucket] = record + 1
    return record
  }

  drop(record: number): void {
    const { links } = this.#records
    const bucket = this.#bucketOf(this.#keys.subarray(record * KEY_WORDS, (record + 1) * KEY_WORDS))
    let before = (this.#buckets[bucket] ?? 0) - 1
    if (before === record) this.#buckets[bucket] = links[record] ?? 0
    else {
      while (before >= 0 && links[before] !== record + 1) before = (links[before] ?? 0) - 1
      if (before >= 0) links[before] = links[record] ?? 0
    }
    this.#live[record] = 0
    this.#records.give(record)
  }

  /** All records in use; the one that was just given may be dropped. */
  *records(): Generator<number> {
    for (let record = 0; record < this.#records.high; record += 1) if (this.#live[record] === 1) yield record
  }

  #bucketOf(key: TableKey): number {
    return (key[0] ?? 0) & (this.#buckets.length - 1)
  }

  #isFor(record: number, key: TableKey): boolean {
    const at = record * KEY_WORDS
    const keys = this.#keys
    return keys[at] === key[0] && keys[at + 1] === key[1] && keys[at + 2] === key[2] && keys[at + 3] === key[3]
  }
}

/** Makes the keys of texts. Callers choose parts of them, so they are cut from a hash that nobody can aim. */
export function createKeys(): (text: string) => TableKey {
  const known = new Map<string, TableKey>()
  return (text) => {
    const remembered = known.get(text)
    if (remembered !== undefined) return remembered
    const digest = hash('sha256', text, 'buffer')
    const key = Int32Array.from({ length: KEY_WORDS }, (_word, place) => digest.readInt32LE(place * Int32Array.BYTES_PER_ELEMENT))
    if (known.size >= KEYS_REMEMBERED) known.clear()
    known.set(text, key)
    return key
  }
}

function bucketsOf(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, capacity)))
}

/** Records of equal width in shared memory: `width` numbers each, taken and given back. The memory nobody took was never touched. */
export interface RecordsPlan {
  readonly capacity: number
  readonly width: number
}

const USED = 0
const FREE = 1
const HIGH = 2
const HEAD = 4

/** Memory for so many records, all free. */
export function allocateRecords({ capacity, width }: RecordsPlan): SharedArrayBuffer {
  return new SharedArrayBuffer(
    capacity * width * Float64Array.BYTES_PER_ELEMENT + (HEAD + capacity) * Int32Array.BYTES_PER_ELEMENT,
  )
}

/** A view of such records. Who uses it holds the lock that goes with them. */
export class SharedRecords {
  readonly capacity: number
  readonly width: number
  /** The numbers of record `r` begin at `r * width`. */
  readonly values: Float64Array
  /** Links of the records in use, for whoever took them. */
  readonly links: Int32Array
  readonly #head: Int32Array

  constructor(memory: SharedArrayBuffer, { capacity, width }: RecordsPlan) {
    this.capacity = capacity
    this.width = width
    this.values = new Float64Array(memory, 0, capacity * width)
    const behind = capacity * width * Float64Array.BYTES_PER_ELEMENT
    this.#head = new Int32Array(memory, behind, HEAD)
    this.links = new Int32Array(memory, behind + HEAD * Int32Array.BYTES_PER_ELEMENT, capacity)
  }

  /** Number of records in use. */
  get size(): number {
    return this.#head[USED] ?? 0
  }

  /** Records with a number below this may be in use. */
  get high(): number {
    return this.#head[HIGH] ?? 0
  }

  /** A record of zeros; -1 when none is left. */
  take(): number {
    const record = this.#next()
    if (record < 0) return -1
    this.#head[USED] = this.size + 1
    this.links[record] = 0
    this.values.fill(0, record * this.width, (record + 1) * this.width)
    return record
  }

  give(record: number): void {
    this.links[record] = this.#head[FREE] ?? 0
    this.#head[FREE] = record + 1
    this.#head[USED] = this.size - 1
  }

  #next(): number {
    const free = this.#head[FREE] ?? 0
    if (free > 0) {
      this.#head[FREE] = this.links[free - 1] ?? 0
      return free - 1
    }
    const { high } = this
    if (high >= this.capacity) return -1
    this.#head[HIGH] = high + 1
    return high
  }
}

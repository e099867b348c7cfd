// The journal makes entries durable before their answers go out. Three steps: `append` adds a line to the batch of this turn of the event
// loop; at the end of the turn the batch is written with one call and its promise resolves (`strict`: after fdatasync, several batches
// together); a full segment is closed and the next one begun. It does not promise order between rejected and kept lines: a batch that
// waited too long is rejected and still written later, so an entry may exist whose answer was an error, never the reverse. With `spillBytes`
// the exception is deliberate: while the disk refuses, lines are acknowledged in memory and written first once it is back.
import { GatewayError } from '../core/errors.ts'
import type { JournalFiles } from './journal-files.ts'
import { type JournalPosition, segmentPath } from './journal-reader.ts'

/** How a journal is kept. `first` is the number of its first segment; the rest are bounds. */
export interface JournalOptions {
  readonly directory: string
  readonly first: number
  readonly durability: 'process' | 'strict'
  readonly files: JournalFiles
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  /** Called after each write with the end of the journal. */
  readonly onWritten: (end: JournalPosition, bytes: number) => void
  /** Called when writing fails for the first time since it last worked, and when acknowledged lines are given up at the end. */
  readonly onFailure: (error: GatewayError) => void
  readonly segmentBytes?: number
  /** Bytes of entries kept in memory while they cannot be written. */
  readonly queueBytes?: number
  /** Bytes of entries that are acknowledged in memory while they cannot be written; 0, the default, acknowledges none. */
  readonly spillBytes?: number
  /** How long `append` waits for a disk that does not take it. */
  readonly waitMs?: number
  readonly retryMs?: number
}

interface Segment {
  readonly file: number
  readonly number: number
  size: number
  bare: boolean
}

interface Batch {
  text: string
  settled: boolean
  spilled: boolean
  readonly since: number
  readonly promise: Promise<void>
  resolve(): void
  reject(error: GatewayError): void
}

/** In `process` mode a power loss may take this much. */
const SYNC_MS = 50
/** Spilled batches are joined up to this length, so that a long outage is a few large writes. */
const JOINED_BYTES = 65_536
/** What one turn of the event loop writes of a spill. */
const DRAIN_BYTES = 4_194_304

/** An append-only file in segments, with one writer. */
export class Journal {
  readonly #options: JournalOptions
  readonly #segmentBytes: number
  readonly #queueBytes: number
  readonly #spillBytes: number
  readonly #waitMs: number
  #segment: Segment | undefined
  #nextNumber: number
  #open: Batch | undefined
  /** Batches of earlier turns that the disk has not taken. */
  readonly #waiting: Batch[] = []
  /** `strict`: written, not yet safe from a power loss. */
  readonly #unsynced: Batch[] = []
  readonly #dirty = new Set<Segment>()
  readonly #retired = new Set<Segment>()
  #queued = 0
  /** Of these: acknowledged although they are in memory alone. */
  #spilled = 0
  /** `strict`: what waited is being written, and the next sync tells whether the disk is back. */
  #isProving = false
  #failure: GatewayError | undefined
  #retry: NodeJS.Timeout | undefined
  #drain: NodeJS.Immediate | undefined
  #syncTimer: NodeJS.Timeout | undefined
  #syncing: Promise<void> | undefined
  #closed = false

  constructor(options: JournalOptions) {
    this.#options = options
    this.#segmentBytes = options.segmentBytes ?? 8_388_608
    this.#queueBytes = options.queueBytes ?? 16_777_216
    this.#spillBytes = options.spillBytes ?? 0
    this.#waitMs = options.waitMs ?? 5_000
    this.#nextNumber = options.first
  }

  /** Bytes of lines that are not yet as safe as the durability asks for. */
  get queuedBytes(): number {
    return this.#queued
  }

  /** Why nothing can be written now; undefined while all is well. */
  get failure(): GatewayError | undefined {
    return this.#failure
  }

  /** Bytes of lines that were acknowledged and are in memory alone. */
  get spilledBytes(): number {
    return this.#spilled
  }

  /** Why no work may begin now. The last eighth of the spill is for what is under way. */
  get refusal(): GatewayError | undefined {
    return this.#queued >= this.#spillBytes - this.#spillBytes / 8 ? this.#failure : undefined
  }

  /** Takes one line. The promise is shared by all lines of one turn of the event loop. */
  append(line: string): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('the ledger is closed'))
    const isSpilling = this.#failure !== undefined && this.#spillBytes > 0
    if (this.#queued + line.length > (isSpilling ? this.#spillBytes : this.#queueBytes)) {
      return Promise.reject(this.#failure ?? unavailable('the queue of the ledger is full'))
    }
    this.#queued += line.length
    const batch = (this.#open ??= this.#begin())
    batch.text += line
    return batch.promise
  }

  /** Writes this turn's entries now instead of at the end of the turn. */
  flush(): void {
    this.#flush()
  }

  /** Writes and syncs what is there and closes the files. What cannot be written is rejected, or lost when it was acknowledged. */
  async close(): Promise<void> {
    this.#closed = true
    this.#flush(true, Number.POSITIVE_INFINITY)
    while (this.#dirty.size > 0 || this.#syncing !== undefined) await this.#sync()
    clearTimeout(this.#syncTimer)
    clearTimeout(this.#retry)
    clearImmediate(this.#drain)
    const lost = this.#spilled
    for (const batch of this.#waiting.splice(0)) this.#settle(batch, unavailable('the ledger was closed'))
    if (lost > 0)
      this.#options.onFailure(unavailable(`the ledger was closed with ${lost} bytes of entries that could not be written`))
    if (this.#segment !== undefined) this.#retire(this.#segment)
  }

  #begin(): Batch {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Each caller sees the rejection; a batch whose callers are all gone must not end the process.
    promise.catch(() => undefined)
    setImmediate(() => this.#flush())
    return { text: '', settled: false, spilled: false, since: this.#options.monotonic(), promise, resolve, reject }
  }

  /** While writing fails only the retry timer tries, so that a full disk does not cost a system call per turn. */
  #flush(isRetry = false, maxBytes = DRAIN_BYTES): void {
    if (this.#open !== undefined) this.#enqueue(this.#open)
    this.#open = undefined
    if (this.#failure !== undefined && !isRetry) return
    this.#isProving = this.#failure !== undefined && this.#options.durability === 'strict'
    try {
      this.#writeWaiting(maxBytes)
      if (this.#waiting.length > 0) this.#drainLater()
      else if (!this.#isProving) this.#failure = undefined
    } catch (error) {
      this.#fail(error)
    }
  }

  #writeWaiting(maxBytes: number): void {
    let written = 0
    let bytes = 0
    try {
      for (const batch of this.#waiting) {
        if (bytes >= maxBytes) break
        bytes += batch.text.length
        this.#write(batch)
        written += 1
      }
    } finally {
      this.#waiting.splice(0, written)
    }
  }

  #drainLater(): void {
    this.#drain ??= setImmediate(() => {
      this.#drain = undefined
      this.#flush(true)
    })
  }

  /** Spilled batches are joined, because a batch per turn would take more memory than its lines. */
  #enqueue(batch: Batch): void {
    if (this.#failure !== undefined) this.#spill(batch)
    const last = this.#waiting.at(-1)
    if (batch.spilled && last?.spilled === true && last.text.length < JOINED_BYTES) last.text += batch.text
    else this.#waiting.push(batch)
  }

  /** Acknowledges a batch that is in memory alone, as far as the spill goes. */
  #spill(batch: Batch): void {
    if (batch.settled || this.#spilled + batch.text.length > this.#spillBytes) return
    batch.spilled = true
    this.#spilled += batch.text.length
    this.#answer(batch)
  }

  #write(batch: Batch): void {
    const segment = (this.#segment ??= this.#create())
    const data = Buffer.from(batch.text)
    for (let offset = 0; offset < data.length;) offset += this.#options.files.write(segment.file, data, offset)
    segment.size += data.length
    this.#dirty.add(segment)
    if (this.#options.durability === 'strict') this.#unsynced.push(batch)
    else this.#settle(batch)
    this.#options.onWritten({ segment: segment.number, offset: segment.size }, data.length)
    if (segment.size >= this.#segmentBytes) this.#retire(segment)
    this.#scheduleSync()
  }

  #create(): Segment {
    const number = this.#nextNumber
    this.#nextNumber += 1
    const file = this.#options.files.open(segmentPath(this.#options.directory, number))
    return { file, number, size: 0, bare: true }
  }

  #settle(batch: Batch, error?: GatewayError): void {
    // A batch that waited too long was settled before; its bytes leave the queue only when it is written or given up.
    this.#queued -= batch.text.length
    if (batch.spilled) this.#spilled -= batch.text.length
    this.#answer(batch, error)
  }

  #answer(batch: Batch, error?: GatewayError): void {
    if (batch.settled) return
    batch.settled = true
    if (error === undefined) batch.resolve()
    else batch.reject(error)
  }

  /** Leaves the segment at its last whole batch and begins a new one with the next attempt, which heals a lost file or folder too. */
  #fail(error: unknown): void {
    const failure = unavailable(`the ledger cannot be written: ${describe(error)}`, error)
    const segment = this.#segment
    if (segment !== undefined) {
      attempt(() => this.#options.files.truncate(segment.file, segment.size))
      this.#retire(segment)
    }
    const isFirst = this.#failure === undefined
    this.#failure = failure
    this.#isProving = false
    for (const batch of this.#waiting) this.#spill(batch)
    const late = this.#options.monotonic() - this.#waitMs
    for (const batch of this.#waiting) if (batch.since <= late) this.#answer(batch, failure)
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#probe()
    }, this.#options.retryMs ?? 1_000)
    if (isFirst) this.#options.onFailure(failure)
  }

  /** Tries again; without anything to write an empty line, which readers skip, proves that the disk takes writes. */
  #probe(): void {
    if (this.#waiting.length === 0 && this.#open === undefined) {
      this.#open = this.#begin()
      this.#open.text = '\n'
      this.#queued += 1
    }
    this.#flush(true)
  }

  #retire(segment: Segment): void {
    if (this.#segment === segment) this.#segment = undefined
    this.#retired.add(segment)
    if (this.#syncing === undefined) this.#closeRetired()
  }

  #closeRetired(): void {
    for (const segment of this.#retired) {
      if (this.#dirty.has(segment)) continue
      this.#retired.delete(segment)
      attempt(() => this.#options.files.close(segment.file))
    }
  }

  #scheduleSync(): void {
    if (this.#options.durability === 'strict') void this.#sync()
    else this.#syncTimer ??= setTimeout(() => void this.#sync(), SYNC_MS).unref()
  }

  #sync(): Promise<void> {
    clearTimeout(this.#syncTimer)
    this.#syncTimer = undefined
    return (this.#syncing ??= this.#syncAll().finally(() => {
      this.#syncing = undefined
      this.#closeRetired()
      if (this.#dirty.size > 0) this.#scheduleSync()
    }))
  }

  /** Covers everything written before it began; what is written meanwhile shares the next round. */
  async #syncAll(): Promise<void> {
    const batches = this.#unsynced.splice(0)
    const segments = [...this.#dirty]
    const proves = this.#isProving
    this.#dirty.clear()
    try {
      for (const segment of segments) await this.#syncSegment(segment)
      for (const batch of batches) this.#settle(batch)
      if (proves && this.#isProving && this.#drain === undefined) this.#recovered()
    } catch (error) {
      // What a failed sync left on the disk is unknown: write these lines again in a new segment. The index drops what it knows.
      this.#waiting.unshift(...batches, ...this.#unsynced.splice(0))
      this.#fail(error)
    }
  }

  /** `strict`: the disk is back once what waited is safe; what came meanwhile goes the usual way. */
  #recovered(): void {
    this.#isProving = false
    this.#failure = undefined
    this.#flush()
  }

  async #syncSegment(segment: Segment): Promise<void> {
    await this.#options.files.sync(segment.file)
    if (segment.bare) await this.#options.files.syncFolder(this.#options.directory)
    segment.bare = false
  }
}

/** The error of a ledger that takes no entries. */
export function unavailable(message: string, cause?: unknown): GatewayError {
  return new GatewayError('ledger_unavailable', message, { cause, retryAfterSeconds: 1 })
}

function describe(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'write failed'
}

/** Cleaning up after a failure may fail too; the failure itself is what gets reported. */
function attempt(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}

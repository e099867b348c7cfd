// How entries of a worker come into the ledger. (1) The worker writes them to a journal of its own, its lane, before the last byte of their answers
// goes out: they survive the end of the process. (2) A moment later it posts them to the main thread, which appends them to the one journal the
// index is made from. (3) What the main thread has kept is deleted from the lane; what a lane still holds when its worker or the process ended is
// taken over by `recoverLane`. A line may come twice; the index knows it.
import type { MessagePort } from 'node:worker_threads'
import type { Entry } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import { removeSegments } from '../metering/indexing.ts'
import type { Journal, JournalOptions } from '../metering/journal.ts'
import type { JournalPosition } from '../metering/journal-reader.ts'
import { emptyLane } from '../metering/lanes.ts'
import type { JournalLedger, LedgerStatus } from '../metering/ledger.ts'

/** From a worker to the main thread. `flushed`: everything recorded before the question was posted. */
type FromLane =
  | { readonly type: 'lines'; readonly id: number; readonly text: string }
  | { readonly type: 'flushed'; readonly id: number }

/** From the main thread to a worker. */
type ToLane =
  | { readonly type: 'kept'; readonly id: number; readonly isKept: boolean }
  | { readonly type: 'flush'; readonly id: number }

/** The main thread's end of the lane of one worker. */
export interface ServedLane {
  /** Resolves when all that the worker recorded until now has come. */
  flush(): Promise<void>
}

const FLUSH_MS = 2_000

/** Takes the lines of one worker. */
export function serveLane(port: MessagePort, ledger: Pick<JournalLedger, 'recordLines'>): ServedLane {
  const waiting = new Map<number, () => void>()
  let lastId = 0
  const tell = (message: ToLane): void => port.postMessage(message)
  port.on('message', (message: FromLane) => {
    if (message.type === 'flushed') return waiting.get(message.id)?.()
    ledger.recordLines(message.text).then(
      () => tell({ type: 'kept', id: message.id, isKept: true }),
      () => tell({ type: 'kept', id: message.id, isKept: false }),
    )
  })
  port.on('close', () => {
    for (const resolve of waiting.values()) resolve()
  })
  port.unref()
  return {
    flush() {
      lastId += 1
      const id = lastId
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          waiting.delete(id)
          resolve()
        }
        const timer = setTimeout(done, FLUSH_MS)
        waiting.set(id, done)
        tell({ type: 'flush', id })
      })
    },
  }
}

/** Memory in which the main thread says whether entries are taken. */
export function allocateWritable(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
}

/** Says whether entries are taken. */
export function tellWritable(memory: SharedArrayBuffer, isWritable: boolean): void {
  Atomics.store(new Int32Array(memory), 0, isWritable ? 0 : 1)
}

/** How a worker keeps its entries. */
export interface LaneOptions {
  readonly directory: string
  readonly port: MessagePort
  readonly writable: SharedArrayBuffer
  /** One line of the journal. */
  encode(entry: Entry): string
  /** Opens the journal of the lane. */
  open(onWritten: JournalOptions['onWritten']): Journal
}

const FORWARD_MS = 50
const RETRY_MS = 1_000

/** The ledger as another worker than the main thread sees it: it takes entries and answers no questions. */
export class LaneLedger implements JournalLedger {
  readonly #options: LaneOptions
  readonly #journal: Journal
  readonly #writable: Int32Array
  /** Lines that were not posted yet. */
  #lines = ''
  #end: JournalPosition = { segment: 1, offset: 0 }
  #timer: NodeJS.Timeout | undefined
  /** Posting, one after the other. */
  #work: Promise<boolean> = Promise.resolve(true)
  #kept: ((isKept: boolean) => void) | undefined
  #lastId = 0

  constructor(options: LaneOptions) {
    this.#options = options
    this.#writable = new Int32Array(options.writable)
    this.#journal = options.open((end) => void (this.#end = end))
    options.port.on('message', (message: ToLane) => {
      if (message.type === 'kept') this.#kept?.(message.isKept)
      else void this.#forward().then(() => this.#tell({ type: 'flushed', id: message.id }))
    })
    options.port.on('close', () => this.#kept?.(false))
  }

  record(entry: Entry): Promise<void> {
    const line = this.#options.encode(entry)
    this.#lines += line
    this.#timer ??= setTimeout(() => void this.#forward(), FORWARD_MS).unref()
    return this.#journal.append(line)
  }

  assertWritable(): void {
    if (this.#journal.refusal !== undefined) throw this.#journal.refusal
    if (Atomics.load(this.#writable, 0) !== 0)
      throw new GatewayError('ledger_unavailable', 'the ledger cannot be written', { retryAfterSeconds: 1 })
  }

  query(): Promise<never> {
    return Promise.reject(new GatewayError('ledger_unavailable', 'this worker does not answer questions'))
  }

  entries(): Promise<never> {
    return this.query()
  }

  recordLines(): Promise<never> {
    return this.query()
  }

  /** The main thread knows how the ledger is doing; here is what waits in this worker. */
  status(): LedgerStatus {
    const { refusal, failure, queuedBytes, spilledBytes } = this.#journal
    const writable = refusal === undefined && Atomics.load(this.#writable, 0) === 0
    const reason = failure === undefined ? {} : { reason: failure.message }
    return { writable, ...reason, queuedBytes, spilledBytes, backlogBytes: this.#lines.length, lagMs: 0, corruptLines: 0 }
  }

  /** Leaves an empty lane behind, when the main thread has taken everything. */
  async close(): Promise<void> {
    const isKept = await this.#forward()
    await this.#journal.close()
    if (isKept) emptyLane(this.#options.directory)
    this.#options.port.close()
  }

  #tell(message: FromLane): void {
    this.#options.port.postMessage(message)
  }

  #forward(): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#work = this.#work.then(() => this.#forwardOne())
    return this.#work
  }

  /** False when the main thread could not keep the lines; they are posted again. */
  async #forwardOne(): Promise<boolean> {
    const lines = this.#lines
    if (lines === '') return true
    this.#lines = ''
    // What is written by now is posted by now; what is posted and not written yet stands in this segment or a later one.
    const { segment } = this.#end
    this.#lastId += 1
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#kept = resolve
    this.#tell({ type: 'lines', id: this.#lastId, text: lines })
    const isKept = await promise
    this.#kept = undefined
    if (isKept) removeSegments(this.#options.directory, segment)
    else {
      this.#lines = lines + this.#lines
      this.#timer ??= setTimeout(() => void this.#forward(), RETRY_MS).unref()
    }
    return isKept
  }
}

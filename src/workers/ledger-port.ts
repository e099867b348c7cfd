// The ledger has one writer. Other workers post the lines of one turn of their event loop together; the writer appends them to its journal and
// says when they are kept. An answer waits for that, as it waits for the journal on the worker that writes it.
import type { MessagePort } from 'node:worker_threads'
import type { Entry } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { JournalLedger, LedgerStatus } from '../metering/ledger.ts'
import { fromRemoteError, type RemoteError, toRemoteError } from './remote-error.ts'

/** Lines of one turn. */
interface Lines {
  readonly id: number
  readonly text: string
}

/** What became of them. */
interface Kept {
  readonly id: number
  readonly error?: RemoteError
}

/** Takes the lines of one other worker. */
export function serveLedger(port: MessagePort, ledger: Pick<JournalLedger, 'recordLines'>): void {
  port.on('message', ({ id, text }: Lines) => {
    ledger.recordLines(text).then(
      () => port.postMessage({ id } satisfies Kept),
      (error: unknown) => port.postMessage({ id, error: toRemoteError(error) } satisfies Kept),
    )
  })
  port.unref()
}

/** Memory in which the writer says whether entries are taken. */
export function allocateWritable(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
}

/** Says whether entries are taken. */
export function tellWritable(memory: SharedArrayBuffer, isWritable: boolean): void {
  Atomics.store(new Int32Array(memory), 0, isWritable ? 0 : 1)
}

/** How a worker that does not write reaches the ledger. */
export interface LedgerPortOptions {
  readonly port: MessagePort
  readonly writable: SharedArrayBuffer
  /** One line of the journal. */
  readonly encode: (entry: Entry) => string
}

interface Batch {
  text: string
  readonly promise: Promise<void>
  resolve(): void
  reject(error: GatewayError): void
}

/** The ledger as another worker than its writer sees it: it takes entries and answers no questions. */
export class RemoteLedger implements JournalLedger {
  readonly #options: LedgerPortOptions
  readonly #writable: Int32Array
  readonly #sent = new Map<number, Batch>()
  #open: Batch | undefined
  #lastId = 0
  #isClosed = false

  constructor(options: LedgerPortOptions) {
    this.#options = options
    this.#writable = new Int32Array(options.writable)
    options.port.on('message', (kept: Kept) => this.#settle(kept))
    options.port.on('close', () => this.#end())
  }

  record(entry: Entry): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed())
    const batch = (this.#open ??= this.#begin())
    batch.text += this.#options.encode(entry)
    return batch.promise
  }

  assertWritable(): void {
    if (this.#isClosed) throw closed()
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
    return Promise.reject(new GatewayError('ledger_unavailable', 'this worker does not write the ledger'))
  }

  /** The writer knows how the ledger is doing; here is what waits for it. */
  status(): LedgerStatus {
    const queuedBytes = [...this.#sent.values()].reduce((sum, { text }) => sum + text.length, this.#open?.text.length ?? 0)
    const writable = !this.#isClosed && Atomics.load(this.#writable, 0) === 0
    return { writable, queuedBytes, spilledBytes: 0, backlogBytes: 0, lagMs: 0, corruptLines: 0 }
  }

  /** Waits for what was sent. */
  async close(): Promise<void> {
    this.#flush()
    await Promise.allSettled([...this.#sent.values()].map(({ promise }) => promise))
    this.#isClosed = true
    this.#options.port.close()
  }

  #begin(): Batch {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Each caller sees the rejection; a batch whose callers are all gone must not end the process.
    promise.catch(() => undefined)
    setImmediate(() => this.#flush())
    return { text: '', promise, resolve, reject }
  }

  #flush(): void {
    const batch = this.#open
    this.#open = undefined
    if (batch === undefined) return
    this.#lastId += 1
    this.#sent.set(this.#lastId, batch)
    this.#options.port.postMessage({ id: this.#lastId, text: batch.text } satisfies Lines)
  }

  #settle({ id, error }: Kept): void {
    const batch = this.#sent.get(id)
    this.#sent.delete(id)
    if (error === undefined) batch?.resolve()
    else batch?.reject(fromRemoteError(error))
  }

  #end(): void {
    this.#isClosed = true
    for (const batch of this.#sent.values()) batch.reject(closed())
    this.#sent.clear()
  }
}

function closed(): GatewayError {
  return new GatewayError('ledger_unavailable', 'the ledger is closed', { retryAfterSeconds: 1 })
}

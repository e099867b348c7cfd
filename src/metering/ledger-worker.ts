// The ledger's thread: reads the journal from its files into the index, and answers questions, so that neither ever holds up an exchange.
// It takes one message after the other; a failing index is tried again every second, and the journal keeps the entries until then.
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { GatewayError } from '../core/errors.ts'
import { indexUpTo, mendPosition, removeSegments } from './indexing.ts'
import type { JournalPosition } from './journal-reader.ts'
import { LedgerIndex } from './ledger-index.ts'
import type { FromLedgerWorker, LedgerWorkerData, ToLedgerWorker } from './ledger-messages.ts'

const RETRY_MS = 1_000
/** What is written within this time is indexed in one transaction, unless a question asks for it: a commit costs as much as a hundred entries. */
const GATHER_MS = 250

/** SQLite result codes after which the open database is as good as before: BUSY, LOCKED, FULL. */
const HARMLESS: readonly number[] = [5, 6, 13]

class LedgerThread {
  readonly #directory: string
  readonly #port: MessagePort
  #index: LedgerIndex
  #work: Promise<void> = Promise.resolve()
  #failing = false
  #suspect = false
  #retry: NodeJS.Timeout | undefined
  #end: JournalPosition | undefined
  #indexedAt = Number.NEGATIVE_INFINITY
  #gathering: NodeJS.Timeout | undefined

  constructor({ directory, first, check }: LedgerWorkerData, port: MessagePort) {
    this.#directory = directory
    this.#port = port
    this.#index = new LedgerIndex(join(directory, 'ledger.db'), { check })
    if (first !== undefined) mendPosition(directory, this.#index, first)
    removeSegments(directory, this.#index.position().segment)
    port.on('message', (message: ToLedgerWorker) => {
      if (message.type === 'written') this.#gather(message.end)
      else this.#takeNow(message)
    })
  }

  #say(message: FromLedgerWorker): void {
    this.#port.postMessage(message)
  }

  #gather(end: JournalPosition): void {
    this.#end = end
    const waitMs = Math.max(0, this.#indexedAt + GATHER_MS - performance.now())
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      if (this.#end !== undefined) this.#enqueue({ type: 'written', end: this.#end })
    }, waitMs)
  }

  /** A question and the end say themselves how far the journal is. */
  #takeNow(message: ToLedgerWorker): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    this.#enqueue(message)
  }

  #enqueue(message: ToLedgerWorker): void {
    this.#work = this.#work.then(() => this.#take(message))
  }

  async #take(message: ToLedgerWorker): Promise<void> {
    const isLevel = await this.#catchUp(message.end)
    if (message.type === 'close') this.#close(isLevel ? message.end : undefined)
    else if (message.type === 'ask' && isLevel) await this.#answer(message)
    else if (message.type === 'ask') this.#refuse(message.id, unreadable())
    if (isLevel || message.type === 'close') return
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#enqueue({ type: 'written', end: message.end })
    }, RETRY_MS)
  }

  /** False when the index cannot be written now; nothing is lost, the journal keeps it. */
  async #catchUp(end: JournalPosition): Promise<boolean> {
    try {
      if (this.#suspect) this.#reopen()
      for (const step of indexUpTo(this.#directory, this.#index, end)) {
        this.#say({ type: 'indexed', position: step.position, bytes: step.bytes, kept: step.kept })
        if (!step.done) await setImmediate()
      }
      this.#failing = false
      this.#indexedAt = performance.now()
      return true
    } catch (error) {
      if (!this.#failing) this.#say({ type: 'trouble', message: wordsOf(error) })
      this.#failing = true
      this.#suspect ||= error instanceof Error && 'errcode' in error && !HARMLESS.includes(Number(error.errcode) & 0xff)
      return false
    }
  }

  /** A database whose disk failed is read through before it is used again. */
  #reopen(): void {
    this.#index.close()
    this.#index = new LedgerIndex(join(this.#directory, 'ledger.db'), { check: true })
    this.#suspect = false
  }

  async #answer({ id, question }: Extract<ToLedgerWorker, { type: 'ask' }>): Promise<void> {
    try {
      if (question.kind === 'usage') this.#say({ type: 'answer', id, usage: await this.#index.usage(question.query) })
      else this.#say({ type: 'answer', id, entries: await this.#index.entries(question.query) })
    } catch (error) {
      this.#refuse(id, error)
    }
  }

  #refuse(id: number, error: unknown): void {
    if (!(error instanceof GatewayError)) this.#say({ type: 'trouble', message: wordsOf(error) })
    const { code, message } = error instanceof GatewayError ? error : unreadable()
    this.#say({ type: 'refused', id, code, message })
  }

  /** With everything in the index the journal is over, and the next process begins a new one. */
  #close(end: JournalPosition | undefined): void {
    clearTimeout(this.#retry)
    if (end !== undefined) {
      removeSegments(this.#directory, end.segment + 1)
      this.#index.apply([], { segment: 1, offset: 0 })
    }
    this.#index.close()
    this.#port.close()
  }
}

function unreadable(): GatewayError {
  return new GatewayError('ledger_unavailable', 'the ledger cannot be read now')
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

if (parentPort !== null) {
  // The only maker of this thread is ledger.ts, which passes exactly this.
  new LedgerThread(workerData as LedgerWorkerData, parentPort)
}

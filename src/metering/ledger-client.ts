import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Entry } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { Report } from '../core/events.ts'
import { workerFlags } from '../lib/worker-flags.ts'
import type { EntryQuery, UsageQuery, UsageRow } from './contract.ts'
import { unavailable } from './journal.ts'
import type { JournalPosition } from './journal-reader.ts'
import type { FromLedgerWorker, LedgerQuestion, LedgerWorkerData, ToLedgerWorker } from './ledger-messages.ts'

interface ClientOptions {
  readonly directory: string
  /** The first segment this process writes. */
  readonly first: number
  /** Bytes of journal that an earlier process left. */
  readonly backlogBytes: number
  readonly report: Report
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface Pending {
  resolve(answer: Extract<FromLedgerWorker, { type: 'answer' }>): void
  reject(error: GatewayError): void
}

/** Entries of this long share one message to the thread, and so one transaction. */
const NUDGE_MS = 100
const RESTART_MS = 1_000
const CLOSE_MS = 10_000
/** What an earlier process left is read when this one has begun to answer. */
const REST_MS = 2_000

/**
 * The gateway's side of the ledger's thread: says how far the journal is, asks questions, starts the thread when there is something to do and
 * again when it ended.
 */
export class LedgerClient {
  readonly #options: ClientOptions
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | undefined
  #failures = 0
  #end: JournalPosition
  #hasMoved = false
  #lastId = 0
  #backlog: number
  #behindSince: number | undefined
  #corruptLines = 0
  #timer: NodeJS.Timeout | undefined
  readonly #rest: NodeJS.Timeout | undefined
  #restart: NodeJS.Timeout | undefined
  #isClosing = false

  constructor(options: ClientOptions) {
    this.#options = options
    this.#end = { segment: options.first, offset: 0 }
    this.#backlog = options.backlogBytes
    if (options.backlogBytes > 0) this.#rest = setTimeout(() => this.#nudge(), REST_MS).unref()
  }

  get backlogBytes(): number {
    return this.#backlog
  }

  get corruptLines(): number {
    return this.#corruptLines
  }

  get lagMs(): number {
    return this.#behindSince === undefined ? 0 : this.#options.now() - this.#behindSince
  }

  /** Tells how far the journal is written. */
  written(end: JournalPosition, bytes: number): void {
    this.#end = end
    this.#backlog += bytes
    this.#behindSince ??= this.#options.now()
    // One message for all that is written in a while.
    this.#timer ??= setTimeout(() => this.#nudge(), NUDGE_MS).unref()
  }

  async usage(query: UsageQuery): Promise<readonly UsageRow[]> {
    return (await this.#ask({ kind: 'usage', query })).usage ?? []
  }

  async entries(query: EntryQuery): Promise<readonly Entry[]> {
    return (await this.#ask({ kind: 'entries', query })).entries ?? []
  }

  /** Lets the thread index the rest and ends it; one that does not end in time is ended, and the journal keeps the rest. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#timer)
    clearTimeout(this.#rest)
    clearTimeout(this.#restart)
    const worker = this.#worker
    if (worker !== undefined) {
      worker.ref()
      const exit = once(worker, 'exit')
      const late = setTimeout(() => void worker.terminate(), CLOSE_MS)
      send(worker, { type: 'close', end: this.#end })
      await exit
      clearTimeout(late)
    }
    this.#rejectAll(unavailable('the ledger is closed'))
  }

  #nudge(): void {
    clearTimeout(this.#rest)
    this.#timer = undefined
    if (this.#restart === undefined) send(this.#running(), { type: 'written', end: this.#end })
  }

  #ask(question: LedgerQuestion): Promise<Extract<FromLedgerWorker, { type: 'answer' }>> {
    if (this.#isClosing || this.#restart !== undefined) return Promise.reject(unavailable('the ledger cannot be read now'))
    const id = (this.#lastId += 1)
    const worker = this.#running()
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      worker.ref()
      send(worker, { type: 'ask', id, end: this.#end, question })
    })
  }

  /** The thread, started when it is first needed: a gateway is ready before, and smaller. */
  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const { directory, first } = this.#options
    const worker = startWorker({ directory, check: this.#failures > 0, ...(this.#hasMoved ? {} : { first }) })
    worker.on('message', (message: FromLedgerWorker) => this.#hear(message))
    worker.on('error', (error) => this.#options.report({ type: 'internal-error', error }))
    worker.on('exit', () => this.#lost())
    worker.unref()
    this.#worker = worker
    return worker
  }

  #hear(message: FromLedgerWorker): void {
    if (message.type === 'indexed') this.#moved(message)
    else if (message.type === 'trouble')
      this.#options.report({ type: 'internal-error', error: new Error(`ledger index: ${message.message}`) })
    else if (message.type === 'answer') this.#take(message.id)?.resolve(message)
    else if (message.type === 'refused') this.#take(message.id)?.reject(new GatewayError(message.code, message.message))
  }

  #moved({ position, bytes, kept }: Extract<FromLedgerWorker, { type: 'indexed' }>): void {
    this.#hasMoved = true
    this.#failures = 0
    this.#corruptLines += kept
    this.#backlog = Math.max(0, this.#backlog - bytes)
    const isLevel = position.segment === this.#end.segment && position.offset === this.#end.offset
    if (isLevel) this.#backlog = 0
    this.#behindSince = isLevel ? undefined : this.#options.now()
    if (kept === 0) return
    const error = new Error(`ledger: ${kept} lines of segment ${position.segment} are no entries; kept in its .bad file`)
    this.#options.report({ type: 'internal-error', error })
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (this.#pending.size === 0 && !this.#isClosing) this.#worker?.unref()
    return pending
  }

  #lost(): void {
    this.#worker = undefined
    this.#rejectAll(unavailable('the ledger cannot be read now'))
    if (this.#isClosing) return
    this.#restart = setTimeout(
      () => {
        this.#restart = undefined
        send(this.#running(), { type: 'written', end: this.#end })
      },
      RESTART_MS * 2 ** Math.min(this.#failures, 6),
    ).unref()
    this.#failures += 1
  }

  #rejectAll(error: GatewayError): void {
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
  }
}

function startWorker(data: LedgerWorkerData): Worker {
  // Of the parent's command line only what confines it, not a test runner's loaders.
  const options = { workerData: data, execArgv: workerFlags(), name: 'ledger' }
  return new Worker(new URL('./ledger-worker.ts', import.meta.url), options)
}

function send(worker: Worker, message: ToLedgerWorker): void {
  worker.postMessage(message)
}

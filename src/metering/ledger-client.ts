import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Entry } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { Report } from '../core/events.ts'
import type { EntryQuery, UsageQuery, UsageRow } from './contract.ts'
import { unavailable } from './journal.ts'
import type { JournalPosition } from './journal-reader.ts'
import type { FromLedgerWorker, LedgerQuestion, LedgerWorkerData, ToLedgerWorker } from './ledger-messages.ts'

interface ClientOptions {
  readonly directory: string
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
const START_MS = 30_000
const CLOSE_MS = 10_000

/** The gateway's side of the ledger's thread: says how far the journal is, asks questions, starts the thread again when it ends. */
export class LedgerClient {
  readonly #options: ClientOptions
  readonly #pending = new Map<number, Pending>()
  #worker: Worker
  #end: JournalPosition
  #indexed: JournalPosition
  #lastId = 0
  #backlog = 0
  #behindSince: number | undefined
  #corruptLines = 0
  #nudge: NodeJS.Timeout | undefined
  #restart: NodeJS.Timeout | undefined
  #isClosing = false

  /** Starts the thread and waits until its database is open. */
  static async start(options: ClientOptions): Promise<LedgerClient> {
    const worker = startWorker({ directory: options.directory, check: false })
    const position = await readyOf(worker)
    return new LedgerClient(options, worker, position)
  }

  private constructor(options: ClientOptions, worker: Worker, position: JournalPosition) {
    this.#options = options
    this.#end = position
    this.#indexed = position
    this.#worker = this.#listen(worker)
  }

  /** How far the journal was indexed when last heard of. */
  get position(): JournalPosition {
    return this.#indexed
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
    this.#nudge ??= setTimeout(() => {
      this.#nudge = undefined
      this.#send({ type: 'written', end: this.#end })
    }, NUDGE_MS).unref()
  }

  async usage(query: UsageQuery): Promise<readonly UsageRow[]> {
    return (await this.#ask({ kind: 'usage', query })).usage ?? []
  }

  async entries(query: EntryQuery): Promise<readonly Entry[]> {
    return (await this.#ask({ kind: 'entries', query })).entries ?? []
  }

  /** Lets the thread index the rest and ends it; one that does not answer in time is ended, and the journal keeps the rest. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#nudge)
    clearTimeout(this.#restart)
    this.#worker.ref()
    const exit = once(this.#worker, 'exit')
    const late = setTimeout(() => void this.#worker.terminate(), CLOSE_MS)
    this.#send({ type: 'close', end: this.#end })
    if (this.#worker.threadId !== -1) await exit
    clearTimeout(late)
    this.#rejectAll(unavailable('the ledger is closed'))
  }

  #send(message: ToLedgerWorker): void {
    this.#worker.postMessage(message)
  }

  #ask(question: LedgerQuestion): Promise<Extract<FromLedgerWorker, { type: 'answer' }>> {
    if (this.#isClosing || this.#restart !== undefined) return Promise.reject(unavailable('the ledger cannot be read now'))
    const id = (this.#lastId += 1)
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#worker.ref()
      this.#send({ type: 'ask', id, end: this.#end, question })
    })
  }

  #listen(worker: Worker): Worker {
    worker.on('message', (message: FromLedgerWorker) => this.#hear(message))
    worker.on('error', (error) => this.#options.report({ type: 'internal-error', error }))
    worker.on('exit', () => this.#lost())
    worker.unref()
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
    this.#indexed = position
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
    if (this.#pending.size === 0 && !this.#isClosing) this.#worker.unref()
    return pending
  }

  #lost(): void {
    this.#rejectAll(unavailable('the ledger cannot be read now'))
    if (this.#isClosing) return
    this.#restart = setTimeout(() => {
      this.#restart = undefined
      this.#worker = this.#listen(startWorker({ directory: this.#options.directory, check: true }))
      this.#send({ type: 'written', end: this.#end })
    }, RESTART_MS).unref()
  }

  #rejectAll(error: GatewayError): void {
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
  }
}

function startWorker(data: LedgerWorkerData): Worker {
  // Without arguments of the parent's command line, such as a test runner's loaders.
  return new Worker(new URL('./ledger-worker.ts', import.meta.url), { workerData: data, execArgv: [], name: 'ledger' })
}

async function readyOf(worker: Worker): Promise<JournalPosition> {
  const signal = AbortSignal.timeout(START_MS)
  // The thread's first message is `ready`; an error before it rejects.
  const [message] = (await once(worker, 'message', { signal })) as [FromLedgerWorker]
  if (message.type !== 'ready') throw new Error('the thread of the ledger did not start')
  return message.position
}

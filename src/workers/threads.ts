// The threads of a gateway besides its main thread. Each is started with what is in force, told of every change, and started again when it ends by
// a failure; ways between all of them are laid whenever one begins. The main thread never waits for one of them to serve.
import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { Report } from '../core/events.ts'
import { workerFlags } from '../lib/worker-flags.ts'
import type { FromWorker, PeerPorts, ToWorker, WorkerBoot, WorkerFigures, WorkerQuestion } from './control-messages.ts'

/** What the threads borrow. */
export interface ThreadsDeps {
  /** All workers, the main thread among them. */
  readonly workers: number
  readonly entry: URL
  /** What a worker is started with, and what is posted with it. */
  boot(worker: number): WorkerBoot
  /** The main thread's end of the way to a worker. */
  connect(worker: number, ports: PeerPorts): void
  /** A worker ended: what it held is free. It is started again after this. */
  ended(worker: number): Promise<void>
  unread(): void
  readonly log: NodeJS.WritableStream
  readonly report: Report
}

interface Thread {
  readonly worker: number
  readonly thread: Worker
  isReady: boolean
  isIdle: boolean
  generation: number
  figures: WorkerFigures
  readonly asked: Map<number, (answer: unknown) => void>
}

const RESTART_MS = 500
const MAX_RESTART_MS = 30_000
const CALM_MS = 60_000
const ASK_MS = 2_000
const CLOSE_MS = 5_000
const NOTHING: WorkerFigures = { inFlight: 0, sessions: 0, streams: 0, parked: 0 }

/** Keeps the threads of a gateway running. */
export class WorkerThreads {
  readonly #deps: ThreadsDeps
  readonly #threads = new Map<number, Thread>()
  readonly #waiting = new Set<() => void>()
  readonly #restarts = new Set<NodeJS.Timeout>()
  #failures = 0
  #failedAt = Number.NEGATIVE_INFINITY
  #lastId = 0
  #isClosing = false

  constructor(deps: ThreadsDeps) {
    this.#deps = deps
  }

  /** Starts all; resolves when each of them serves. */
  async start(): Promise<void> {
    for (let worker = 1; worker < this.#deps.workers; worker += 1) this.#begin(worker)
    await this.#until(() => this.serving === this.#deps.workers - 1)
  }

  /** All workers, the main thread among them. */
  get all(): number {
    return this.#deps.workers
  }

  /** Workers that do not serve now. */
  get missing(): number {
    return this.#deps.workers - 1 - this.serving
  }

  /** Workers that serve, besides the main thread. */
  get serving(): number {
    return [...this.#threads.values()].filter(({ isReady }) => isReady).length
  }

  /** What is going on in all of them together, as they told last. */
  figures(): WorkerFigures {
    const sum = { ...NOTHING }
    for (const { figures } of this.#threads.values()) {
      sum.inFlight += figures.inFlight
      sum.sessions += figures.sessions
      sum.streams += figures.streams
      sum.parked += figures.parked
    }
    return sum
  }

  tell(message: Exclude<ToWorker, { type: 'peer' }>): void {
    for (const { thread } of this.#threads.values()) thread.postMessage(message)
  }

  /** Resolves when every worker has this generation in force, or after a moment. */
  async applied(generation: number): Promise<void> {
    await this.#until(() => [...this.#threads.values()].every((thread) => thread.generation >= generation), ASK_MS)
  }

  /** The answers of those workers that answer in time. */
  async ask(question: WorkerQuestion): Promise<unknown[]> {
    const answers = await Promise.all([...this.#threads.values()].map((thread) => this.#askOne(thread, question)))
    return answers.filter((answer) => answer !== undefined)
  }

  /** Resolves when nothing is under way in any of them. */
  async drain(): Promise<void> {
    this.#isClosing = true
    for (const timer of this.#restarts) clearTimeout(timer)
    this.tell({ type: 'drain' })
    await this.#until(() => [...this.#threads.values()].every(({ isIdle }) => isIdle))
  }

  async close(): Promise<void> {
    this.#isClosing = true
    for (const timer of this.#restarts) clearTimeout(timer)
    await Promise.all([...this.#threads.values()].map(({ thread }) => closeThread(thread)))
  }

  #begin(worker: number): void {
    const boot = this.#deps.boot(worker)
    const thread = new Worker(this.#deps.entry, {
      workerData: boot,
      transferList: [boot.ledger, boot.upstreams],
      // Of the parent's command line only what confines it, not a test runner's loaders.
      execArgv: workerFlags(),
      name: `worker-${worker}`,
      stdout: true,
      stderr: true,
    })
    const { state } = boot
    const one: Thread = {
      worker,
      thread,
      isReady: false,
      isIdle: false,
      generation: state.generation,
      figures: NOTHING,
      asked: new Map(),
    }
    this.#threads.set(worker, one)
    for (const stream of [thread.stdout, thread.stderr]) stream.on('data', (chunk: Buffer) => void this.#deps.log.write(chunk))
    thread.on('message', (message: FromWorker) => this.#hear(one, message))
    thread.on('error', (error) => this.#deps.report({ type: 'internal-error', error }))
    thread.on('exit', () => void this.#lost(one))
    this.#connect(one)
  }

  /** Lays a way from a new worker to every other one. */
  #connect({ worker, thread }: Thread): void {
    const [here, there] = layWays()
    this.#deps.connect(worker, here)
    post(thread, 0, there)
    for (const other of this.#threads.values()) {
      if (other.worker === worker) continue
      const [one, two] = layWays()
      post(other.thread, worker, one)
      post(thread, other.worker, two)
    }
  }

  #hear(one: Thread, message: FromWorker): void {
    if (message.type === 'ready') one.isReady = true
    else if (message.type === 'applied') one.generation = message.generation
    else if (message.type === 'figures') one.figures = message.figures
    else if (message.type === 'idle') one.isIdle = true
    else if (message.type === 'unread') this.#deps.unread()
    else {
      one.asked.get(message.id)?.(message.answer)
      one.asked.delete(message.id)
    }
    this.#wake()
  }

  async #lost(one: Thread): Promise<void> {
    this.#threads.delete(one.worker)
    for (const answer of one.asked.values()) answer(undefined)
    this.#wake()
    await this.#deps.ended(one.worker).catch((error: unknown) => this.#deps.report({ type: 'internal-error', error }))
    if (this.#isClosing) return
    const now = performance.now()
    this.#failures = now - this.#failedAt > CALM_MS ? 0 : this.#failures + 1
    this.#failedAt = now
    const error = new Error(`worker ${one.worker} ended and is started again; its calls under way were lost`)
    this.#deps.report({ type: 'internal-error', error })
    const timer = setTimeout(
      () => {
        this.#restarts.delete(timer)
        this.#begin(one.worker)
      },
      Math.min(MAX_RESTART_MS, RESTART_MS * 2 ** this.#failures),
    )
    this.#restarts.add(timer)
  }

  #askOne(one: Thread, question: WorkerQuestion): Promise<unknown> {
    if (!one.isReady) return Promise.resolve()
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ASK_MS)
      one.asked.set(id, (answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      one.thread.postMessage({ type: 'ask', id, question } satisfies ToWorker)
    })
  }

  #wake(): void {
    for (const look of this.#waiting) look()
  }

  #until(holds: () => boolean, withinMs?: number): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(() => done(), withinMs)
      const look = (): void => {
        if (holds()) done()
      }
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
    })
  }
}

/** Both ends of the ways between two workers. */
function layWays(): readonly [PeerPorts, PeerPorts] {
  const [requests, gossip] = [new MessageChannel(), new MessageChannel()]
  return [
    { requests: requests.port1, gossip: gossip.port1 },
    { requests: requests.port2, gossip: gossip.port2 },
  ]
}

function post(thread: Worker, worker: number, { requests, gossip }: PeerPorts): void {
  thread.postMessage({ type: 'peer', worker, requests, gossip } satisfies ToWorker, [requests, gossip])
}

async function closeThread(thread: Worker): Promise<void> {
  const exit = once(thread, 'exit')
  const late = setTimeout(() => void thread.terminate(), CLOSE_MS)
  thread.postMessage({ type: 'close' } satisfies ToWorker)
  await exit
  clearTimeout(late)
}

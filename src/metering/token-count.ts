// How many tokens a text is, by o200k_base, counted in a thread of its own. Three steps: the head of the text goes to the thread, which is started
// by the first question; its answer is stretched to the length of the text; what does not come in time, or cannot be asked, is answered roughly from
// the number of bytes. It does not promise the count of any particular model, only one that is near.
import { Worker } from 'node:worker_threads'
import { workerFlags } from '../lib/worker-flags.ts'
import type { CountAnswer, CountQuestion } from './token-count.worker.ts'

/** Counts tokens; never rejects and never waits long. */
export interface TokenCounter {
  count(text: string): Promise<number>
  close(): Promise<void>
}

/** Bounds of a counter, and where its thread comes from; for tests. */
export interface TokenCounterOptions {
  readonly start?: () => Worker
  readonly lateMs?: number
  readonly queue?: number
}

const HEAD_CHARACTERS = 65_536
const QUEUE = 64
const LATE_MS = 250
/** A thread that owes an answer for this long is ended. */
const STUCK_MS = 10_000
const STARTS = 4
const BYTES_PER_TOKEN = 4

/** Makes a counter; its thread starts with the first text. */
export function createTokenCounter(options: TokenCounterOptions = {}): TokenCounter {
  return new ThreadCounter(options)
}

/** A count without a tokenizer: right within about a third for prose, more than right for most code. */
export function roughCount(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN)
}

interface Question {
  readonly since: number
  answer(tokens: number | undefined): void
}

class ThreadCounter implements TokenCounter {
  readonly #options: TokenCounterOptions
  /** What the thread has not answered yet, whether somebody still waits for it or not: this is what bounds its mailbox. */
  readonly #owed = new Map<number, Question>()
  #worker: Worker | undefined
  #starts = 0
  #lastId = 0
  #isClosed = false

  constructor(options: TokenCounterOptions) {
    this.#options = options
  }

  async count(text: string): Promise<number> {
    if (text === '') return 0
    const worker = this.#ready()
    if (worker === undefined) return roughCount(text)
    const head = text.length > HEAD_CHARACTERS ? text.slice(0, HEAD_CHARACTERS) : text
    const tokens = await this.#ask(worker, head)
    return tokens === undefined ? roughCount(text) : Math.ceil((tokens * text.length) / head.length)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const worker = this.#worker
    this.#lost()
    await worker?.terminate()
  }

  /** The thread, when it can take one more question. */
  #ready(): Worker | undefined {
    if (this.#isClosed) return undefined
    if (this.#owed.size >= (this.#options.queue ?? QUEUE)) {
      this.#endStuck()
      return undefined
    }
    if (this.#worker === undefined && this.#starts < STARTS) this.#worker = this.#begin()
    return this.#worker
  }

  #begin(): Worker {
    this.#starts += 1
    const worker = (this.#options.start ?? startWorker)()
    worker.unref()
    worker.on('message', ({ id, tokens }: CountAnswer) => {
      const question = this.#owed.get(id)
      this.#owed.delete(id)
      question?.answer(tokens)
    })
    // A thread that cannot start or breaks says so once by ending; the rough count is the answer then.
    worker.on('error', () => undefined)
    worker.on('exit', () => {
      if (this.#worker === worker) this.#lost()
    })
    return worker
  }

  #ask(worker: Worker, text: string): Promise<number | undefined> {
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    const late = setTimeout(() => resolve(undefined), this.#options.lateMs ?? LATE_MS)
    const answer = (tokens: number | undefined) => {
      clearTimeout(late)
      resolve(tokens)
    }
    const id = (this.#lastId += 1)
    this.#owed.set(id, { since: performance.now(), answer })
    worker.postMessage({ id, text } satisfies CountQuestion)
    return promise
  }

  #endStuck(): void {
    const [oldest] = this.#owed.values()
    if (oldest === undefined || performance.now() - oldest.since < STUCK_MS) return
    const worker = this.#worker
    this.#lost()
    void worker?.terminate()
  }

  #lost(): void {
    this.#worker = undefined
    const owed = [...this.#owed.values()]
    this.#owed.clear()
    for (const { answer } of owed) answer(undefined)
  }
}

function startWorker(): Worker {
  return new Worker(new URL('./token-count.worker.ts', import.meta.url), {
    // Without arguments of the parent's command line, such as a test runner's loaders, but those that confine it.
    execArgv: workerFlags(),
    name: 'token-count',
    resourceLimits: { maxOldGenerationSizeMb: 192 },
  })
}

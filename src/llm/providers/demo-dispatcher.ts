import { Dispatcher } from 'undici'
import { demoAnswer } from '../demo/answer.ts'

/** What the requests of the demo provider are sent to instead of a connection pool: it answers them itself. */
export function createDemoDispatcher(): Dispatcher {
  return new DemoDispatcher()
}

// A class, because undici gives its `request` and `stream` only to what extends Dispatcher.
class DemoDispatcher extends Dispatcher {
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const controller = new DemoController(options, handler)
    setImmediate(() => controller.start())
    return true
  }

  override close(callback: () => void): void
  override close(): Promise<void>
  override close(callback?: () => void): void | Promise<void> {
    return settled(callback)
  }

  override destroy(error: Error | null, callback: () => void): void
  override destroy(callback: () => void): void
  override destroy(error?: Error | null): Promise<void>
  override destroy(first?: Error | null | (() => void), second?: () => void): void | Promise<void> {
    return settled(typeof first === 'function' ? first : second)
  }
}

/** Nothing is open, so there is nothing to wait for. */
function settled(callback: (() => void) | undefined): void | Promise<void> {
  if (callback === undefined) return Promise.resolve()
  queueMicrotask(callback)
}

/** One answer on its way: a piece for each turn of the loop, held while paused, given up on abort. */
class DemoController implements Dispatcher.DispatchController {
  readonly #options: Dispatcher.DispatchOptions
  readonly #handler: Dispatcher.DispatchHandler
  #pieces: Iterator<string> = [].values()
  #isOver = false
  #isScheduled = false
  aborted = false
  paused = false
  reason: Error | null = null

  constructor(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) {
    this.#options = options
    this.#handler = handler
  }

  start(): void {
    const { path, body } = this.#options
    this.#handler.onRequestStart?.(this, {})
    if (this.#isOver) return
    const bytes = typeof body === 'string' || body instanceof Uint8Array ? Buffer.from(body) : Buffer.alloc(0)
    const { status, contentType, pieces } = demoAnswer(path, bytes)
    this.#pieces = pieces[Symbol.iterator]()
    this.#handler.onResponseStart?.(this, status, { 'content-type': contentType, 'x-request-id': 'demo' })
    this.#schedule()
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.#schedule()
  }

  abort(reason: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.aborted = true
    this.reason = reason
    this.#handler.onResponseError?.(this, reason)
  }

  #schedule(): void {
    if (this.#isOver || this.paused || this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#step())
  }

  #step(): void {
    this.#isScheduled = false
    if (this.#isOver || this.paused) return
    const next = this.#pieces.next()
    if (next.done === true) {
      this.#isOver = true
      this.#handler.onResponseEnd?.(this, {})
      return
    }
    this.#handler.onResponseData?.(this, Buffer.from(next.value))
    this.#schedule()
  }
}

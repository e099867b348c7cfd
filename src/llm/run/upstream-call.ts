import type { Dispatcher } from 'undici'
import type { Clocks } from '../../core/snapshot.ts'
import { EgressError } from '../../lib/egress.ts'
import type { Failure } from '../middle.ts'

const LINGER_MS = 1_000

/** Headers as they came, names in lower case. */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>

/** One HTTP request to a provider. */
export interface UpstreamRequest {
  readonly dispatcher: Dispatcher
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly clocks: Clocks
  /** Monotonic milliseconds at which the whole exchange must be over. */
  readonly deadline: number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
}

/** Who hears what comes back. Exactly one of `ended` and `failed` is called, once, as the last thing. */
export interface UpstreamListener {
  head(status: number, headers: AnswerHeaders): void
  data(chunk: Buffer): void
  ended(): void
  failed(failure: Failure): void
}

/** A request under way, with its four clocks: connect, first token, idle, total. */
export class UpstreamCall implements Dispatcher.DispatchHandler {
  readonly #request: UpstreamRequest
  readonly #listener: UpstreamListener
  readonly #startedAt: number
  #controller: Dispatcher.DispatchController | undefined
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires. */
  #armedFor = Infinity
  #lastAt: number
  #hasContent = false
  #hasHead = false
  #paused = false
  #done = false
  /** Whether the request left for the provider, so that it may have worked. */
  sent = false

  constructor(request: UpstreamRequest, listener: UpstreamListener) {
    this.#request = request
    this.#listener = listener
    this.#startedAt = request.monotonic()
    this.#lastAt = this.#startedAt
    const { dispatcher, path, headers, body } = request
    try {
      dispatcher.dispatch({ method: 'POST', path, headers, body, blocking: false }, this)
    } catch (error) {
      queueMicrotask(() => this.onResponseError(undefined, error))
    }
    this.#arm()
  }

  /** The first content arrived: from here on the idle clock runs. */
  content(): void {
    if (this.#hasContent) return
    this.#hasContent = true
    this.#arm()
  }

  /** Gives the request up; the listener hears nothing more. */
  abort(): void {
    this.#finish()
    this.#controller?.abort(new Error('given up'))
  }

  /** The answer is complete although its body has not ended: what still comes is read and dropped, so that the connection can be used again. */
  finishQuietly(): void {
    this.#finish()
    this.#controller?.resume()
    this.#timer = setTimeout(() => this.#controller?.abort(new Error('the body does not end')), LINGER_MS)
    this.#timer.unref()
  }

  /** Stops reading while the caller reads slowly; its own idle clock runs meanwhile. */
  pause(): void {
    if (this.#paused || this.#done) return
    this.#paused = true
    this.#lastAt = this.#request.monotonic()
    this.#controller?.pause()
    this.#arm()
  }

  resume(): void {
    if (!this.#paused || this.#done) return
    this.#paused = false
    this.#lastAt = this.#request.monotonic()
    this.#controller?.resume()
    this.#arm()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#done) {
      controller.abort(new Error('given up'))
      return
    }
    this.sent = true
    this.#lastAt = this.#request.monotonic()
    this.#arm()
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    if (this.#done || status < 200) return
    this.#lastAt = this.#request.monotonic()
    this.#hasHead = true
    this.#listener.head(status, headers)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#done) return
    this.#lastAt = this.#request.monotonic()
    this.#listener.data(chunk)
  }

  onResponseEnd(): void {
    if (this.#done) return clearTimeout(this.#timer)
    this.#finish()
    this.#listener.ended()
  }

  onResponseError(_controller: unknown, error: unknown): void {
    if (this.#done) return clearTimeout(this.#timer)
    this.#fail(this.#toFailure(error))
  }

  #finish(): void {
    this.#done = true
    clearTimeout(this.#timer)
  }

  #fail(failure: Failure): void {
    this.#finish()
    this.#listener.failed(failure)
  }

  /** One timer for all clocks, set anew when it fires or when another clock than the one it was set for ends earlier. */
  #arm(): void {
    if (this.#done) return
    const at = this.#nextAt()
    if (at >= this.#armedFor) return
    clearTimeout(this.#timer)
    this.#armedFor = at
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, at - this.#request.monotonic()))
  }

  #tick(): void {
    this.#armedFor = Infinity
    if (this.#request.monotonic() < this.#nextAt()) return this.#arm()
    const failure = this.#lateness()
    this.abort() // hears of itself at once, so the listener is told only now
    this.#listener.failed(failure)
  }

  #nextAt(): number {
    return Math.min(this.#stepAt(), this.#request.deadline)
  }

  /** When the clock of this step ends; the whole answer has its own. */
  #stepAt(): number {
    const { clocks } = this.#request
    if (!this.sent) return this.#startedAt + clocks.connectMs
    if (this.#paused || this.#hasContent) return this.#lastAt + clocks.idleMs
    return this.#startedAt + clocks.firstTokenMs
  }

  /** What did not come in time: of two clocks that have ended, the one that ended first. */
  #lateness(): Failure {
    const { clocks, deadline } = this.#request
    if (this.#stepAt() > deadline) return late('the whole answer', clocks.totalMs)
    if (!this.sent) return { kind: 'unreachable', message: `no connection within ${clocks.connectMs} ms` }
    if (this.#paused || this.#hasContent) return late('the next piece of the answer', clocks.idleMs)
    return late('the first token', clocks.firstTokenMs)
  }

  #toFailure(cause: unknown): Failure {
    if (cause instanceof EgressError && cause.reason === 'refused') return { kind: 'unreachable', message: cause.message }
    if (!this.sent) return { kind: 'unreachable', message: `no connection: ${codeOf(cause)}` }
    if (isParserError(cause)) return { kind: 'invalid', message: 'the answer is no correct HTTP' }
    const message = this.#hasHead ? 'the connection broke during the answer' : 'the connection broke before an answer'
    return { kind: 'server', message: `${message}: ${codeOf(cause)}` }
  }
}

function late(what: string, ms: number): Failure {
  return { kind: 'timeout', message: `${what} did not come within ${ms} ms` }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unknown reason'
}

function isParserError(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'HTTPParserError' || codeOf(cause).startsWith('UND_ERR_HEADERS'))
}

/** Headers with one value per name; a repeated one is joined by commas. */
export function singleHeaders(headers: AnswerHeaders): Readonly<Record<string, string>> {
  const result: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) result[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return result
}

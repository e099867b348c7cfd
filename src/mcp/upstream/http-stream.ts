import { backoffMs } from '../../lib/backoff.ts'
import type { OpenRequest } from './http-endpoint.ts'
import type { ExchangeListener, HttpAnswer } from './http-exchange.ts'

/** What a long-lived stream is for; it is opened again and again until it is closed or the server does not offer it. */
export interface StreamPurpose {
  open(listener: ExchangeListener, lastEventId: string | undefined): OpenRequest
  event(data: string): void
  /** The server answered without a stream: is there any use in asking again? */
  isFinal(answer: HttpAnswer): boolean
  /** The stream is open (again). */
  up(): void
  /** The stream will not be opened again. */
  over(): void
}

const BACKOFF = { minMs: 500, maxMs: 30_000 }
const CALM_RETRY_MS = 1_000

/** Keeps one event stream open: reconnects with growing waits, at the server's own pace after an orderly end. */
export class LastingStream {
  readonly #purpose: StreamPurpose
  #open: OpenRequest | undefined
  #timer: NodeJS.Timeout | undefined
  #lastEventId: string | undefined
  #retryMs = CALM_RETRY_MS
  #failures = 0
  #closed = false

  constructor(purpose: StreamPurpose) {
    this.#purpose = purpose
    this.#connect()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#open?.abort()
    this.#purpose.over()
  }

  /** The server ended it in good order: it is opened again soon. */
  again(): void {
    this.#open?.abort()
    this.#reconnect(this.#retryMs)
  }

  #connect(): void {
    this.#open = this.#purpose.open(
      {
        alive: () => undefined,
        streaming: () => {
          this.#failures = 0
          this.#purpose.up()
        },
        event: (data) => this.#closed || this.#purpose.event(data),
        eventId: (id) => (this.#lastEventId = id),
        retry: (milliseconds) => (this.#retryMs = Math.min(Math.max(milliseconds, 100), BACKOFF.maxMs)),
        answer: (answer) => (this.#purpose.isFinal(answer) ? this.close() : this.#fail()),
        ended: () => this.#reconnect(this.#retryMs),
        failed: () => this.#fail(),
      },
      this.#lastEventId,
    )
  }

  #fail(): void {
    this.#failures += 1
    this.#reconnect(backoffMs(this.#failures, BACKOFF, Math.random))
  }

  #reconnect(afterMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#closed) this.#timer = setTimeout(() => this.#connect(), afterMs).unref()
  }
}

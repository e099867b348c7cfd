import type { Dispatcher } from 'undici'
import { GatewayError } from '../../core/errors.ts'
import { EgressError } from '../../lib/egress.ts'
import { createSseParser, SseTooLargeError, type SseParser } from '../../lib/sse.ts'

/** A complete HTTP answer that was no event stream. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  /** Media type in lower case, without parameters. */
  readonly mediaType: string
  readonly body: Buffer
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Who hears what comes back. Exactly one of `answer`, `ended` and `failed` is called, as the last thing. */
export interface ExchangeListener {
  /** Bytes arrived. */
  alive(): void
  /** The answer is an event stream; events follow. */
  streaming?(headers: Headers): void
  event(data: string): void
  eventId?(id: string): void
  retry?(milliseconds: number): void
  answer(answer: HttpAnswer): void
  /** The event stream ended in good order. */
  ended(): void
  failed(error: GatewayError): void
}

/** One HTTP request, ready to go. */
export interface ExchangeOptions {
  readonly server: string
  readonly dispatcher: Dispatcher
  readonly method: 'POST' | 'GET' | 'DELETE'
  readonly path: string
  /** Names and values in turn. */
  readonly headers: string[]
  readonly body?: string | undefined
  readonly maxBodyBytes: number
  readonly maxEventBytes: number
}

const MAX_ERROR_BYTES = 65_536
const EMPTY = Buffer.alloc(0)
const notExecuted = new WeakSet<Error>()

/** Marks an error of a request that certainly did nothing at the upstream. */
export function asNotExecuted(error: GatewayError): GatewayError {
  notExecuted.add(error)
  return error
}

/** Tells whether a request that failed so may be sent again without doing anything twice. */
export function wasNotExecuted(error: unknown): boolean {
  return error instanceof Error && notExecuted.has(error)
}

/** One HTTP request to an upstream: bounds, media types and encodings are checked here, before anybody reads a byte. */
export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions
  readonly #listener: ExchangeListener
  #controller: Dispatcher.DispatchController | undefined
  #parser: SseParser | undefined
  #head: { status: number; headers: Headers; mediaType: string; limit: number } | undefined
  #first: Buffer | undefined
  /** With the first one, where there are more. */
  #chunks: Buffer[] | undefined
  #bytes = 0
  #done = false

  constructor(options: ExchangeOptions, listener: ExchangeListener) {
    this.#options = options
    this.#listener = listener
    const { dispatcher, method, path, headers, body } = options
    try {
      dispatcher.dispatch({ method, path, headers, body: body ?? null, blocking: false }, this)
    } catch (error) {
      queueMicrotask(() => this.onResponseError(undefined, error))
    }
  }

  /** Gives the request up; the listener hears nothing more. */
  abort(): void {
    this.#done = true
    this.#controller?.abort(new Error('given up'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#done) controller.abort(new Error('given up'))
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (this.#done || status < 200) return
    this.#listener.alive()
    const mediaType = (first(headers['content-type']) ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
    const encoding = first(headers['content-encoding']) ?? 'identity'
    if (status >= 300 && status < 400) return this.#fail('upstream_invalid', 'answered with a redirect')
    if (encoding.toLowerCase() !== 'identity')
      return this.#fail('upstream_invalid', 'encoded its answer although that was not accepted')
    const streams = status === 200 && mediaType === 'text/event-stream'
    const limit = status === 200 ? this.#options.maxBodyBytes : MAX_ERROR_BYTES
    this.#head = { status, headers, mediaType, limit }
    if (streams) return this.#startStream(headers)
    if (Number(first(headers['content-length']) ?? 0) > limit) this.#tooLarge(limit)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#done) return
    this.#listener.alive()
    if (this.#parser) return this.#parse(this.#parser, chunk)
    this.#bytes += chunk.length
    const limit = this.#head?.limit ?? 0
    if (this.#bytes > limit) return this.#tooLarge(limit)
    if (this.#first === undefined) this.#first = chunk
    else (this.#chunks ??= [this.#first]).push(chunk)
  }

  onResponseEnd(): void {
    if (this.#done || !this.#head) return
    this.#done = true
    if (this.#parser) return this.#listener.ended()
    const { status, headers, mediaType } = this.#head
    const body = this.#chunks === undefined ? (this.#first ?? EMPTY) : Buffer.concat(this.#chunks, this.#bytes)
    this.#listener.answer({ status, headers, mediaType, body })
  }

  onResponseError(_controller: unknown, error: unknown): void {
    if (this.#done) return
    this.#done = true
    this.#listener.failed(this.#toError(error))
  }

  #startStream(headers: Headers): void {
    const listener = this.#listener
    this.#parser = createSseParser(
      {
        // other event names than `message` are not ours
        onEvent: ({ event, data }) => void (!this.#done && event === 'message' && data !== '' && listener.event(data)),
        onId: (id) => listener.eventId?.(id),
        onRetry: (milliseconds) => listener.retry?.(milliseconds),
      },
      this.#options.maxEventBytes,
    )
    listener.streaming?.(headers)
  }

  #parse(parser: SseParser, chunk: Buffer): void {
    try {
      parser.push(chunk)
    } catch (error) {
      if (!(error instanceof SseTooLargeError)) throw error
      this.#tooLarge(this.#options.maxEventBytes)
    }
  }

  #tooLarge(limit: number): void {
    this.#fail('upstream_too_large', `sent more than ${limit} bytes`)
  }

  #fail(code: 'upstream_invalid' | 'upstream_too_large', words: string): void {
    this.abort()
    this.#listener.failed(new GatewayError(code, `server "${this.#options.server}" ${words}`))
  }

  #toError(cause: unknown): GatewayError {
    const server = `server "${this.#options.server}"`
    if (this.#controller === undefined) {
      const words = cause instanceof EgressError && cause.reason === 'refused' ? cause.message : 'no connection'
      return asNotExecuted(new GatewayError('upstream_unavailable', `${server} cannot be reached: ${words}`, { cause }))
    }
    const truncated = this.#head !== undefined && this.#parser === undefined
    const malformed = isParserError(cause)
    if (truncated || malformed) {
      return new GatewayError(
        'upstream_invalid',
        `${server} ${malformed ? 'does not speak HTTP correctly' : 'broke off its answer'}`,
        { cause },
      )
    }
    return new GatewayError('upstream_unavailable', `${server} closed the connection before it answered`, { cause })
  }
}

function isParserError(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  return cause.name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW' || code.includes('CONTENT_LENGTH_MISMATCH')
}

/** The first value of a header that may be repeated. */
export function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

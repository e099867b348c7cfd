import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Endpoint, EndpointRequest, OpenRequest } from './http-endpoint.ts'
import { first, type ExchangeListener, type HttpAnswer } from './http-exchange.ts'
import { answerOf, readMessage, toStatusError } from './http-message.ts'
import type { Outcome, ServerRequest } from './rpc-peer.ts'

/** Who hears what a posted request brings. `settle` is called once, unless the request is given up. */
export interface PostListener {
  settle(outcome: Outcome): void
  alive(): void
  notification(method: string, params: JsonObject): void
  request(request: ServerRequest): void
  /** Headers of the answer, before anything of its body. */
  headers?(headers: HttpAnswer['headers']): void
  /** The server ended the stream before its answer; it will be asked for the rest after this time. */
  suspended?(retryMs: number): void
}

/** One JSON-RPC request over one POST. */
export interface PostOptions {
  readonly endpoint: Endpoint
  readonly id: number
  readonly headers: string[]
  readonly body: string
  readonly maxResultBytes: number
  readonly maxEventBytes: number
  /** Headers of the GET that fetches the rest of a stream that ended early; undefined where there is no such thing. */
  readonly resume: (() => string[]) | undefined
  /** Looks at an answer first; an error ends the request with it. */
  readonly refuse: ((answer: HttpAnswer) => GatewayError | undefined) | undefined
}

const DEFAULT_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000
/** Streams in a row that ended without one event before we believe that the answer will never come. */
const MAX_SILENT_STREAMS = 5
/** A server gets this long to end its stream after the answer; the connection can then be used again. */
const LINGER_MS = 250

/** Sends one request and reads its answer, as JSON or as an event stream, resuming the stream where the server allows it. */
export class PostedRequest implements ExchangeListener {
  readonly #options: PostOptions
  readonly #listener: PostListener
  #open: OpenRequest
  #settled = false
  #streaming = false
  #resumed = false
  #lastEventId: string | undefined
  #retryMs = DEFAULT_RETRY_MS
  #silentStreams = 0
  #noise = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: PostOptions, listener: PostListener) {
    this.#options = options
    this.#listener = listener
    const { headers, body, maxResultBytes: maxBodyBytes, maxEventBytes } = options
    const request: EndpointRequest = { method: 'POST', headers: [...headers], body, maxBodyBytes, maxEventBytes }
    this.#open = options.endpoint.open(request, this)
  }

  /** Gives the request up; the listener hears nothing more. */
  abort(): void {
    this.#settled = true
    clearTimeout(this.#timer)
    this.#open.abort()
  }

  /** Ends the request from our side, with an error for whoever waits. */
  end(error: GatewayError): void {
    clearTimeout(this.#timer)
    this.#open.abort()
    this.#settle({ kind: 'failed', error })
  }

  alive(): void {
    if (!this.#settled) this.#listener.alive()
  }

  streaming(headers: HttpAnswer['headers']): void {
    this.#streaming = true
    this.#listener.headers?.(headers)
  }

  event(data: string): void {
    if (!this.#settled) this.#read(data)
  }

  eventId(id: string): void {
    this.#lastEventId = id
  }

  retry(milliseconds: number): void {
    this.#retryMs = Math.min(milliseconds, MAX_RETRY_MS)
  }

  answer(answer: HttpAnswer): void {
    if (!this.#settled) this.#answer(answer)
  }

  ended(): void {
    this.#cut(new GatewayError('upstream_invalid', `server "${this.#server}" ended its stream without an answer`))
  }

  failed(error: GatewayError): void {
    this.#cut(error)
  }

  get #server(): string {
    return this.#options.endpoint.server
  }

  #answer(answer: HttpAnswer): void {
    this.#listener.headers?.(answer.headers)
    const error = this.#options.refuse?.(answer) ?? (this.#resumed ? toStatusError(answer, this.#server) : undefined)
    this.#settle(error ? { kind: 'failed', error } : answerOf(answer, this.#options.id, this.#server))
  }

  #read(data: string): void {
    const bytes = Buffer.byteLength(data)
    const message = readMessage(data, bytes)
    this.#silentStreams = 0
    if (message === undefined) return this.#fail('upstream_invalid', 'sent an event that is no JSON-RPC message')
    if (message.kind === 'answer') {
      if (message.id !== this.#options.id && message.id !== null)
        return this.#fail('upstream_invalid', 'sent the answer to another request')
      return this.#settle(message.outcome)
    }
    this.#noise += bytes
    if (this.#noise > this.#options.maxResultBytes) return this.#fail('upstream_too_large', 'sends notifications without end')
    if (message.kind === 'notification') this.#listener.notification(message.method, message.params)
    else this.#listener.request({ id: message.id, method: message.method, params: message.params, bytes })
  }

  #cut(error: GatewayError): void {
    clearTimeout(this.#timer)
    if (this.#settled) return
    const { resume } = this.#options
    const wanted =
      resume !== undefined && this.#streaming && this.#lastEventId !== undefined && error.code !== 'upstream_too_large'
    this.#silentStreams += 1
    if (!wanted || this.#silentStreams > MAX_SILENT_STREAMS) return this.#settle({ kind: 'failed', error })
    this.#listener.suspended?.(this.#retryMs)
    this.#timer = setTimeout(() => this.#resume(resume()), this.#retryMs)
  }

  #resume(headers: string[]): void {
    this.#resumed = true
    const { endpoint, maxEventBytes } = this.#options
    const resumed = [...headers, 'last-event-id', this.#lastEventId ?? '']
    const request: EndpointRequest = { method: 'GET', headers: resumed, maxBodyBytes: 0, maxEventBytes }
    this.#open = endpoint.open(request, this)
  }

  #fail(code: 'upstream_invalid' | 'upstream_too_large', words: string): void {
    this.end(new GatewayError(code, `server "${this.#server}" ${words}`))
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return
    this.#settled = true
    // A stream opened by GET stays open by its nature; one opened by POST should end now by itself.
    if (this.#resumed) this.#open.abort()
    else if (this.#streaming) this.#timer = setTimeout(() => this.#open.abort(), LINGER_MS).unref()
    this.#listener.settle(outcome)
  }
}

/** The session id in the headers of an answer to `initialize`, when it is one: visible ASCII and of a sane length. */
export function sessionIdOf(headers: HttpAnswer['headers']): string | undefined {
  const value = first(headers['mcp-session-id'])
  return value !== undefined && /^[\x21-\x7e]{1,1024}$/.test(value) ? value : undefined
}

import type { Dispatcher } from 'undici'
import type { UpstreamCredential } from '../../credentials/credential.ts'
import { GatewayError } from '../../core/errors.ts'
import { asNotExecuted, HttpExchange, type ExchangeListener, type ExchangeOptions, type HttpAnswer } from './http-exchange.ts'

/** One HTTP request to the endpoint. Header names and values in turn. */
export type EndpointRequest = Pick<ExchangeOptions, 'method' | 'headers' | 'maxBodyBytes' | 'maxEventBytes'> & {
  readonly body?: string | undefined
}

/** A request under way. */
export interface OpenRequest {
  /** Gives it up; the listener hears nothing more. */
  abort(): void
}

/** The URL of one upstream with its connection pool and credential: the only place that adds the credential to a request. */
export interface Endpoint {
  readonly server: string
  open(request: EndpointRequest, listener: ExchangeListener): OpenRequest
  close(): Promise<void>
}

/** What makes an endpoint. The credential is bound to the origin of `url`, because the dispatcher connects nowhere else. */
export interface EndpointOptions {
  readonly server: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly credential: UpstreamCredential | undefined
  readonly dispatcher: Dispatcher
}

/** Makes the endpoint of one upstream. */
export function createEndpoint(options: EndpointOptions): Endpoint {
  const { server, dispatcher } = options
  const url = new URL(options.url)
  const fixed = ['accept-encoding', 'identity', ...Object.entries(options.headers).flat()]
  const path = url.pathname + url.search
  const closing = new AbortController()
  return {
    server,
    open({ method, headers, body, maxBodyBytes, maxEventBytes }, listener) {
      const base = { server, dispatcher, method, path, headers, body, maxBodyBytes, maxEventBytes }
      return new SignedRequest(base, fixed, { credential: options.credential, signal: closing.signal, listener })
    },
    async close() {
      closing.abort()
      await dispatcher.destroy()
    },
  }
}

type SignatureHeaders = Readonly<Record<string, string>>

const NO_HEADERS: SignatureHeaders = Object.freeze({})

interface Signing {
  readonly credential: UpstreamCredential | undefined
  readonly signal: AbortSignal
  readonly listener: ExchangeListener
}

/** A request with its credential; a 401 renews the credential and sends it once more, since it was not executed. */
class SignedRequest implements OpenRequest, ExchangeListener {
  readonly #options: ExchangeOptions
  readonly #fixed: readonly string[]
  readonly #signing: Signing
  #exchange: HttpExchange | undefined
  #aborted = false
  /** What it was sent with first, while a 401 may still renew it. */
  #first: SignatureHeaders | undefined
  #refused: HttpAnswer | undefined

  constructor(options: ExchangeOptions, fixed: readonly string[], signing: Signing) {
    this.#options = options
    this.#fixed = fixed
    this.#signing = signing
    if (signing.credential) this.#sign(signing.credential)
    else this.#send(NO_HEADERS)
  }

  abort(): void {
    this.#aborted = true
    this.#exchange?.abort()
  }

  alive(): void {
    this.#signing.listener.alive()
  }

  streaming(received: HttpAnswer['headers']): void {
    this.#signing.listener.streaming?.(received)
  }

  event(data: string): void {
    this.#signing.listener.event(data)
  }

  eventId(id: string): void {
    this.#signing.listener.eventId?.(id)
  }

  retry(milliseconds: number): void {
    this.#signing.listener.retry?.(milliseconds)
  }

  answer(answer: HttpAnswer): void {
    const { credential, listener } = this.#signing
    if (answer.status !== 401 || credential === undefined || this.#refused !== undefined) return listener.answer(answer)
    this.#refused = answer
    credential.rejected()
    this.#sign(credential)
  }

  ended(): void {
    this.#signing.listener.ended()
  }

  failed(error: GatewayError): void {
    this.#signing.listener.failed(error)
  }

  #sign(credential: UpstreamCredential): void {
    try {
      const headers = credential.headers(this.#signing.signal)
      if (!(headers instanceof Promise)) return this.#signed(headers)
      headers.then(
        (fetched) => this.#signed(fetched),
        (error: unknown) => this.#unsigned(error),
      )
    } catch (error) {
      this.#unsigned(error)
    }
  }

  #signed(headers: SignatureHeaders): void {
    if (this.#aborted) return
    // the same headers would be refused again
    if (this.#refused !== undefined && JSON.stringify(this.#first) === JSON.stringify(headers))
      return this.#signing.listener.answer(this.#refused)
    this.#first = headers
    this.#send(headers)
  }

  #unsigned(error: unknown): void {
    if (!this.#aborted) this.#signing.listener.failed(asNotExecuted(this.#toAuthError(error)))
  }

  #send(credential: SignatureHeaders): void {
    const { server, dispatcher, method, path, body, maxBodyBytes, maxEventBytes } = this.#options
    const headers = [...this.#options.headers, ...this.#fixed]
    for (const name in credential) headers.push(name, credential[name] ?? '')
    this.#exchange = new HttpExchange({ server, dispatcher, method, path, headers, body, maxBodyBytes, maxEventBytes }, this)
  }

  #toAuthError(cause: unknown): GatewayError {
    if (cause instanceof GatewayError) return cause
    return new GatewayError('upstream_auth', `the credential for server "${this.#options.server}" cannot be made`, { cause })
  }
}

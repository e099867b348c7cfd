import type { Dispatcher } from 'undici'
import type { UpstreamCredential } from '../../credentials/credential.ts'
import { GatewayError } from '../../core/errors.ts'
import { asNotExecuted, HttpExchange, type ExchangeListener, type ExchangeOptions, type HttpAnswer } from './http-exchange.ts'

/** One HTTP request to the endpoint. Header names and values in turn. */
export type EndpointRequest = Pick<ExchangeOptions, 'method' | 'headers' | 'maxBodyBytes' | 'maxEventBytes'> & {
  readonly body?: string
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
  const closing = new AbortController()
  return {
    server,
    open(request, listener) {
      const base = { ...request, server, dispatcher, path: url.pathname + url.search }
      return new SignedRequest(base, fixed, { credential: options.credential, signal: closing.signal, listener })
    },
    async close() {
      closing.abort()
      await dispatcher.destroy()
    },
  }
}

interface Signing {
  readonly credential: UpstreamCredential | undefined
  readonly signal: AbortSignal
  readonly listener: ExchangeListener
}

/** A request with its credential; a 401 renews the credential and sends it once more, since it was not executed. */
class SignedRequest implements OpenRequest {
  readonly #options: ExchangeOptions
  readonly #fixed: readonly string[]
  readonly #signing: Signing
  #exchange: HttpExchange | undefined
  #aborted = false

  constructor(options: ExchangeOptions, fixed: readonly string[], signing: Signing) {
    this.#options = options
    this.#fixed = fixed
    this.#signing = signing
    if (signing.credential) void this.#sign(signing.credential, undefined)
    else this.#send([], signing.listener)
  }

  abort(): void {
    this.#aborted = true
    this.#exchange?.abort()
  }

  /** `refused`: the 401 that the headers used before got. */
  async #sign(
    credential: UpstreamCredential,
    refused: { readonly answer: HttpAnswer; readonly headers: string } | undefined,
  ): Promise<void> {
    const { signal, listener } = this.#signing
    try {
      const headers = await credential.headers(signal)
      if (this.#aborted) return
      // the same headers would be refused again
      if (refused?.headers === JSON.stringify(headers)) return listener.answer(refused.answer)
      this.#send(Object.entries(headers).flat(), refused ? listener : this.#renewing(credential, JSON.stringify(headers)))
    } catch (error) {
      if (!this.#aborted) listener.failed(asNotExecuted(this.#toAuthError(error)))
    }
  }

  #renewing(credential: UpstreamCredential, headers: string): ExchangeListener {
    const { listener } = this.#signing
    return {
      alive: () => listener.alive(),
      streaming: (received) => listener.streaming?.(received),
      event: (data) => listener.event(data),
      eventId: (id) => listener.eventId?.(id),
      retry: (milliseconds) => listener.retry?.(milliseconds),
      answer: (answer) => {
        if (answer.status !== 401) return listener.answer(answer)
        credential.rejected()
        void this.#sign(credential, { answer, headers })
      },
      ended: () => listener.ended(),
      failed: (error) => listener.failed(error),
    }
  }

  #send(credential: readonly string[], listener: ExchangeListener): void {
    const headers = [...this.#options.headers, ...this.#fixed, ...credential]
    this.#exchange = new HttpExchange({ ...this.#options, headers }, listener)
  }

  #toAuthError(cause: unknown): GatewayError {
    if (cause instanceof GatewayError) return cause
    return new GatewayError('upstream_auth', `the credential for server "${this.#options.server}" cannot be made`, { cause })
  }
}

import type { Dispatcher } from 'undici'
import type { HttpServer, SseServer } from '../../config/server.ts'
import { GatewayError } from '../../core/errors.ts'
import { createSseParser, SseTooLargeError } from '../../lib/sse.ts'
import { toStatusError } from './http-message.ts'
import type { MessageLink } from './rpc-peer.ts'

/** How requests to the server are signed; made by the credentials room. */
export interface SseCredential {
  headers(signal: AbortSignal): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
  /** The server answered 401: what is cached is no good. */
  rejected(): void
}

/** What the link borrows. */
export interface SseLinkOptions {
  readonly server: string
  readonly config: SseServer | HttpServer
  /** Connects to the origin of the URL and nowhere else. The stream takes one of its connections for itself. */
  readonly dispatcher: Dispatcher
  readonly credential: SseCredential | undefined
}

const MAX_ANSWER_BYTES = 65_536

/**
 * HTTP+SSE of 2024-11-05 as one link: a GET stream on which everything arrives, and POSTs to the URL which its first event names. The
 * session lives as long as the stream; a stream that ended is not resumed.
 */
export class SseLink implements MessageLink {
  readonly #options: SseLinkOptions
  readonly #url: URL
  readonly #ending = new AbortController()
  readonly #posts = new Set<Promise<unknown>>()
  readonly #closeListeners: ((reason: string) => void)[] = []
  #onMessage: (text: string) => void = () => undefined
  #endpoint: URL | undefined
  #closed: string | undefined

  constructor(options: SseLinkOptions) {
    this.#options = options
    this.#url = new URL(options.config.url)
  }

  /** Opens the stream and waits until it says where to post. */
  async open(): Promise<void> {
    const { server, config } = this.#options
    const { firstByteMs } = config.timeouts
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const error = new GatewayError('upstream_timeout', `server "${server}" named no endpoint within ${firstByteMs} ms`)
      timer = setTimeout(reject, firstByteMs, error)
    })
    try {
      await Promise.race([this.#openStream(), late])
    } catch (error) {
      this.#close('it could not be opened')
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async send(text: string, inOrder = false): Promise<void> {
    // POSTs run side by side on several connections; what must not overtake waits for them.
    if (inOrder) await Promise.allSettled(this.#posts)
    if (this.#closed !== undefined) throw this.#gone(this.#closed)
    const post = this.#post(text)
    this.#posts.add(post)
    try {
      await post
    } finally {
      this.#posts.delete(post)
    }
  }

  onMessage(listener: (text: string) => void): void {
    this.#onMessage = listener
  }

  onClose(listener: (reason: string) => void): void {
    if (this.#closed === undefined) this.#closeListeners.push(listener)
    else listener(this.#closed)
  }

  async close(_graceMs: number, reason = 'closed by the gateway'): Promise<void> {
    // A cancellation under way gets to the server first; it is short, and the deadline of its answer bounds it.
    await Promise.race([Promise.allSettled(this.#posts), new Promise((resolve) => setTimeout(resolve, 250).unref())])
    this.#close(reason)
  }

  async #openStream(): Promise<void> {
    const { server, config } = this.#options
    const { statusCode, headers, body } = await this.#request(this.#url, { method: 'GET', accept: 'text/event-stream' })
    body.on('error', () => this.#close('its stream broke'))
    const mediaType = String(headers['content-type'] ?? '')
      .split(';', 1)[0]
      ?.trim()
      .toLowerCase()
    if (statusCode !== 200) {
      body.destroy()
      throw toStatusError({ status: statusCode, headers, mediaType: '', body: Buffer.alloc(0) }, server)
    }
    if (mediaType !== 'text/event-stream' || (headers['content-encoding'] ?? 'identity') !== 'identity') {
      body.destroy()
      throw new GatewayError('upstream_invalid', `server "${server}" answered with something that is no event stream`)
    }
    await new Promise<void>((resolve, reject) => {
      const onEvent = ({ event, data }: { readonly event: string; readonly data: string }): void => {
        if (event === 'endpoint') this.#take(data, resolve, reject)
        else if (event === 'message' && this.#endpoint !== undefined) this.#onMessage(data)
      }
      const parser = createSseParser({ onEvent }, config.bounds.eventBytes)
      body.on('data', (chunk: Buffer) => this.#push(parser, chunk))
      this.onClose((reason) => reject(this.#gone(reason)))
      body.on('end', () => this.#close('its stream ended'))
      body.on('close', () => this.#close('its stream ended'))
    })
  }

  #push(parser: ReturnType<typeof createSseParser>, chunk: Buffer): void {
    if (this.#closed !== undefined) return
    try {
      parser.push(chunk)
    } catch (error) {
      if (!(error instanceof SseTooLargeError)) throw error
      this.#close(`it sent an event over ${this.#options.config.bounds.eventBytes} bytes`)
    }
  }

  /** Messages and the credential go to the origin the operator named, whatever the server says. */
  #take(data: string, resolve: () => void, reject: (error: GatewayError) => void): void {
    if (this.#endpoint !== undefined) return
    const endpoint = URL.canParse(data, this.#url.href) ? new URL(data, this.#url) : undefined
    if (endpoint === undefined || endpoint.origin !== this.#url.origin || endpoint.username !== '' || endpoint.password !== '') {
      return reject(new GatewayError('upstream_invalid', `server "${this.#options.server}" names an endpoint of another origin`))
    }
    this.#endpoint = endpoint
    resolve()
  }

  async #post(text: string): Promise<void> {
    const { server } = this.#options
    if (this.#endpoint === undefined) throw this.#gone('it has not named its endpoint')
    const { statusCode, headers, body } = await this.#request(this.#endpoint, { method: 'POST', accept: '*/*', text })
    // The answer comes on the stream; what stands here is only an acknowledgement.
    await body.dump({ limit: MAX_ANSWER_BYTES }).catch(() => undefined)
    if (statusCode >= 200 && statusCode < 300) return
    if (statusCode === 404 || statusCode === 410) this.#close('it does not know this session any more')
    throw toStatusError({ status: statusCode, headers, mediaType: '', body: Buffer.alloc(0) }, server)
  }

  /** One request; a 401 renews the credential and asks once more. */
  async #request(url: URL, request: { readonly method: 'GET' | 'POST'; readonly accept: string; readonly text?: string }) {
    const { config, credential, dispatcher, server } = this.#options
    const once = async (): Promise<Dispatcher.ResponseData> => {
      const signed = await credential?.headers(this.#ending.signal)
      const type = request.text === undefined ? {} : { 'content-type': 'application/json' }
      return await dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: { ...config.headers, accept: request.accept, 'accept-encoding': 'identity', ...type, ...signed },
        body: request.text ?? null,
        signal: this.#ending.signal,
        headersTimeout: config.timeouts.firstByteMs,
        // The stream is silent for as long as nobody asks anything.
        bodyTimeout: request.method === 'GET' ? 0 : config.timeouts.firstByteMs,
      })
    }
    try {
      const answer = await once()
      if (answer.statusCode !== 401 || credential === undefined) return answer
      await answer.body.dump({ limit: MAX_ANSWER_BYTES }).catch(() => undefined)
      credential.rejected()
      return await once()
    } catch (cause) {
      if (cause instanceof GatewayError) throw cause
      throw new GatewayError('upstream_unavailable', `server "${server}" cannot be reached`, { cause })
    }
  }

  #close(reason: string): void {
    if (this.#closed !== undefined) return
    this.#closed = reason
    this.#ending.abort(new Error(reason))
    for (const listener of this.#closeListeners.splice(0)) listener(reason)
  }

  #gone(reason: string): GatewayError {
    return new GatewayError('upstream_unavailable', `server "${this.#options.server}" is gone: ${reason}`)
  }
}

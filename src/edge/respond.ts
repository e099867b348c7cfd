import type { ServerResponse } from 'node:http'
import type { ByteStream, EventStream, Responder } from '../core/responder.ts'

/** How answers of one request are written. */
export interface RespondOptions {
  /** Headers of every answer: exchange id, CORS, security. */
  readonly headers: Readonly<Record<string, string>>
  /** Unread bytes after which a stream is ended. */
  readonly bufferBytes: number
  readonly keepAliveMs: number
  readonly watch: AnswerWatch
}

/** Who hears how an answer goes. */
export interface AnswerWatch {
  /** Called once with the status when the head is written. */
  headWritten(status: number): void
  /** Called when the answer turns into a stream that only waits for news. */
  idle(): void
}

/** A responder as its maker has it. */
export interface OpenResponder extends Responder {
  /** To be called once the connection or the answer is over. */
  closed(): void
}

const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

/** The only writer of responses: one complete answer or one event stream, and nothing after its end. */
export function createResponder(response: ServerResponse, options: RespondOptions): OpenResponder {
  return new HttpResponder(response, options)
}

// Classes, because these are made for every request: a getter in an object literal gives each object a hidden class of its own, which lives,
// with all that the getter closes over, until the next full collection.

class HttpResponder implements OpenResponder {
  readonly #response: ServerResponse
  readonly #options: RespondOptions
  #started = false
  #hangUps: (() => void)[] | undefined

  constructor(response: ServerResponse, options: RespondOptions) {
    this.#response = response
    this.#options = options
    response.on('error', ignore)
  }

  closed(): void {
    if (this.#response.writableFinished) return
    for (const listener of this.#hangUps ?? []) listener()
    this.#hangUps = undefined
  }

  get started(): boolean {
    return this.#started
  }

  get hungUp(): boolean {
    return this.#response.destroyed && !this.#response.writableFinished
  }

  onHangUp(listener: () => void): void {
    if (this.hungUp) listener()
    else (this.#hangUps ??= []).push(listener)
  }

  send(status: number, headers: Readonly<Record<string, string>>, body?: string | Buffer): void {
    const length = body === undefined ? 0 : Buffer.byteLength(body)
    const sized = status === 204 || status === 304 ? undefined : String(length)
    if (this.#begin(status, headers, sized)) this.#response.end(body)
  }

  stream(headers: Readonly<Record<string, string>>, { idle = false }: { readonly idle?: boolean } = {}): EventStream {
    if (idle) this.#options.watch.idle()
    const open = this.#begin(200, { ...EVENT_STREAM_HEADERS, ...headers })
    if (open) this.#response.flushHeaders()
    return new HttpEventStream(this.#response, this.#options, open)
  }

  bytes(headers: Readonly<Record<string, string>>): ByteStream {
    const open = this.#begin(200, { ...EVENT_STREAM_HEADERS, ...headers })
    return new HttpByteStream(this.#response, open)
  }

  #begin(status: number, headers: Readonly<Record<string, string>>, length?: string): boolean {
    if (this.#started || this.#response.destroyed) return false
    this.#started = true
    this.#options.watch.headWritten(status)
    this.#response.writeHead(status, merged(this.#options.headers, headers, length))
    return true
  }
}

class HttpByteStream implements ByteStream {
  readonly #response: ServerResponse
  readonly #listeners: ((byCaller: boolean) => void)[] = []
  #closed: boolean

  constructor(response: ServerResponse, open: boolean) {
    this.#response = response
    this.#closed = !open
    if (open) response.on('close', () => this.#close(true))
  }

  get closed(): boolean {
    return this.#closed
  }

  write(frames: string | Buffer): boolean {
    return this.#closed || this.#response.write(frames)
  }

  end(frames?: string | Buffer): void {
    if (this.#closed) return
    this.#close(false)
    this.#response.end(frames)
  }

  onDrain(listener: () => void): void {
    this.#response.on('drain', listener)
  }

  onClose(listener: (byCaller: boolean) => void): void {
    if (this.#closed) listener(false)
    else this.#listeners.push(listener)
  }

  #close(byCaller: boolean): void {
    if (this.#closed) return
    this.#closed = true
    for (const listener of this.#listeners) listener(byCaller)
  }
}

class HttpEventStream implements EventStream {
  readonly #response: ServerResponse
  readonly #bufferBytes: number
  readonly #listeners: ((byCaller: boolean) => void)[] = []
  readonly #keepAlive: NodeJS.Timeout | undefined
  #closed: boolean

  constructor(response: ServerResponse, { bufferBytes, keepAliveMs }: RespondOptions, open: boolean) {
    this.#response = response
    this.#bufferBytes = bufferBytes
    this.#closed = !open
    if (!open) return
    response.on('close', () => this.#close(true))
    this.#keepAlive = setInterval(() => this.#write(': keep-alive\n\n'), keepAliveMs)
    this.#keepAlive.unref()
  }

  get closed(): boolean {
    return this.#closed
  }

  send(data: string, fields: { readonly id?: string; readonly retryMs?: number } = {}): void {
    const id = fields.id === undefined ? '' : `id: ${fields.id}\n`
    const retry = fields.retryMs === undefined ? '' : `retry: ${fields.retryMs}\n`
    this.#write(`${id}${retry}data: ${data}\n\n`)
  }

  comment(text: string): void {
    this.#write(`: ${text}\n\n`)
  }

  end(): void {
    if (this.#closed) return
    this.#close(false)
    this.#response.end()
  }

  onClose(listener: (byCaller: boolean) => void): void {
    if (this.#closed) listener(false)
    else this.#listeners.push(listener)
  }

  #close(byCaller: boolean): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#keepAlive)
    for (const listener of this.#listeners) listener(byCaller)
  }

  #write(text: string): void {
    if (this.#closed) return
    if (this.#response.writableLength > this.#bufferBytes) {
      this.#response.destroy() // a reader this slow would make us hold its answers without a bound
      return
    }
    this.#response.write(text)
  }
}

/** A flat list of names and values, which costs less than an object made anew for each answer. A facet's header replaces the door's. */
function merged(
  own: Readonly<Record<string, string>>,
  facets: Readonly<Record<string, string>>,
  length: string | undefined,
): string[] {
  const list: string[] = []
  for (const name in own) if (facets[name] === undefined) list.push(name, own[name] ?? '')
  for (const name in facets) list.push(name, facets[name] ?? '')
  if (length !== undefined) list.push('content-length', length)
  return list
}

/** The close that follows says all there is to say. */
function ignore(): void {}

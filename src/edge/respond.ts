import type { ServerResponse } from 'node:http'
import type { EventStream, Responder } from '../core/responder.ts'

/** How answers of one request are written. */
export interface RespondOptions {
  /** Headers of every answer: exchange id, CORS, security. */
  readonly headers: Readonly<Record<string, string>>
  /** Unread bytes after which a stream is ended. */
  readonly bufferBytes: number
  readonly keepAliveMs: number
  /** Called once with the status when the head is written. */
  onHead(status: number): void
  /** Called when the answer turns into a stream that only waits for news. */
  onIdle(): void
}

/** The only writer of responses: one complete answer or one event stream, and nothing after its end. */
export function createResponder(response: ServerResponse, options: RespondOptions): Responder {
  const hangUp = new AbortController()
  let started = false
  response.on('close', () => {
    if (!response.writableFinished) hangUp.abort()
  })
  response.on('error', () => hangUp.abort())

  const begin = (status: number, headers: Readonly<Record<string, string>>): boolean => {
    if (started || response.destroyed) return false
    started = true
    options.onHead(status)
    response.writeHead(status, { ...options.headers, ...lowerCase(headers) })
    return true
  }

  return {
    get started() {
      return started
    },
    signal: hangUp.signal,
    send(status, headers, body) {
      const length = body === undefined ? 0 : Buffer.byteLength(body)
      const sized = status === 204 || status === 304 ? headers : { ...headers, 'content-length': String(length) }
      if (begin(status, sized)) response.end(body)
    },
    stream(headers, { idle = false } = {}) {
      if (idle) options.onIdle()
      const open = begin(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
        ...lowerCase(headers),
      })
      if (open) response.flushHeaders()
      return createEventStream(response, options, open)
    },
  }
}

function createEventStream(response: ServerResponse, options: RespondOptions, open: boolean): EventStream {
  const listeners: ((byCaller: boolean) => void)[] = []
  let closed = !open
  let keepAlive: NodeJS.Timeout | undefined

  const close = (byCaller: boolean): void => {
    if (closed) return
    closed = true
    clearInterval(keepAlive)
    for (const listener of listeners) listener(byCaller)
  }
  const write = (text: string): void => {
    if (closed) return
    if (response.writableLength > options.bufferBytes) {
      response.destroy() // a reader this slow would make us hold its answers without a bound
      return
    }
    response.write(text)
  }
  if (open) {
    response.on('close', () => close(true))
    keepAlive = setInterval(() => write(': keep-alive\n\n'), options.keepAliveMs)
    keepAlive.unref()
  }

  return {
    get closed() {
      return closed
    },
    send(data, fields = {}) {
      const id = fields.id === undefined ? '' : `id: ${fields.id}\n`
      const retry = fields.retryMs === undefined ? '' : `retry: ${fields.retryMs}\n`
      write(`${id}${retry}data: ${data}\n\n`)
    },
    comment(text) {
      write(`: ${text}\n\n`)
    },
    end() {
      if (closed) return
      close(false)
      response.end()
    },
    onClose(listener) {
      if (closed) listener(false)
      else listeners.push(listener)
    },
  }
}

/** One spelling per name, so that a facet's header replaces ours instead of standing beside it. */
function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

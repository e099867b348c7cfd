import type { EventStream, Responder } from '../core/responder.ts'
import type { Accept } from './accept.ts'
import type { StreamCount } from './stream-count.ts'

/** Where the answer to one request goes, and what belongs to it before the answer. */
export interface Outlet {
  /** Sends a message ahead of the answer; false when this caller cannot be sent one. */
  push(message: string): boolean
  /** The answer: nothing can follow. Status and headers count only while nothing was streamed. */
  answer(status: number, headers: Readonly<Record<string, string>>, body: string | Buffer): void
  /** Ends without an answer, because nobody waits for one. */
  drop(): void
  /** From now on the answer may be late: a caller that takes streams gets a sign of life in time. */
  expectDelay(): void
  /** The upstream cut its own stream and asked to be asked again: a legacy caller that can is told the same. */
  suspend(retryMs: number | undefined): void
}

/** What an outlet needs besides the responder. */
export interface OutletOptions {
  readonly accept: Accept
  readonly streams: StreamCount
  readonly lateMs: number
}

/** Headers of an event stream, so that no proxy on the way holds it back. */
export const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
} as const

/** Headers of a JSON answer. */
export const JSON_HEADERS = { 'content-type': 'application/json' } as const

/** An outlet of the stateless revision: JSON, unless something has to be said before the answer or the answer is late. */
export function createModernOutlet(responder: Responder, options: OutletOptions): Outlet {
  let stream: EventStream | undefined
  let timer: NodeJS.Timeout | undefined
  let over = false
  const open = () => {
    clearTimeout(timer)
    if (stream === undefined) {
      stream = responder.stream(STREAM_HEADERS)
      options.streams.add(stream)
    }
    return stream
  }
  return {
    push(message) {
      if (over || !options.accept.stream) return false
      open().send(message)
      return true
    },
    answer(status, headers, body) {
      if (over) return
      over = true
      clearTimeout(timer)
      if (stream === undefined && (options.accept.json || status !== 200)) {
        return responder.send(status, { ...JSON_HEADERS, ...headers }, body)
      }
      const opened = open()
      opened.send(typeof body === 'string' ? body : body.toString('utf8'))
      opened.end()
    },
    drop() {
      over = true
      clearTimeout(timer)
      stream?.end()
    },
    expectDelay() {
      if (!options.accept.stream || over || stream !== undefined) return
      timer = setTimeout(() => open().comment('ka'), options.lateMs)
    },
    suspend() {
      // Stateless callers cannot resume a stream: theirs stays open.
    },
  }
}

/** An outlet that keeps the answer for whoever collects the answers of a batch; nothing can be said before it. */
export function createCollectingOutlet(collect: (body: string | undefined) => void): Outlet {
  return {
    push: () => false,
    answer: (_status, _headers, body) => collect(body.toString()),
    drop: () => collect(undefined),
    expectDelay: () => undefined,
    suspend: () => undefined,
  }
}

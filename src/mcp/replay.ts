import type { EventStream } from '../core/responder.ts'

/** A legacy event stream that survives its connection: events carry ids and the latest can be sent again. */
export interface ReplayStream {
  readonly name: string
  /** True while a connection is attached. */
  readonly attached: boolean
  /** True when the last event was sent and there is nothing more to come. */
  readonly finished: boolean
  /** Monotonic milliseconds since when nobody is attached. */
  readonly detachedAt: number
  send(data: string): void
  /** Nothing more comes. Ends the connection, if there is one. */
  finish(): void
  /** Lets the caller go and come back with `Last-Event-ID`. */
  suspend(): void
  /** Continues on a new connection after the given event. */
  attach(stream: EventStream, afterEvent?: number): void
}

/** What a replay stream needs. */
export interface ReplayOptions {
  readonly name: string
  readonly maxBytes: number
  monotonic(): number
  /** Called when the stream needs no more keeping: its last event went to an open connection. */
  delivered(): void
  /** First event without content, which gives the caller an id to come back with (2025-11-25). */
  readonly priming?: { readonly retryMs: number }
}

interface Kept {
  readonly number: number
  readonly data: string
}

/** Event ids are `<stream>.<number>`: they name their stream, and nothing else. */
export function createReplayStream(options: ReplayOptions): ReplayStream {
  let connection: EventStream | undefined
  let finished = false
  let detachedAt = options.monotonic()
  let last = 0
  let bytes = 0
  const kept: Kept[] = []
  const write = (event: Kept) => connection?.send(event.data, { id: `${options.name}.${event.number}` })
  const close = () => {
    connection?.end()
    connection = undefined
    options.delivered()
  }
  return {
    name: options.name,
    get attached() {
      return connection !== undefined
    },
    get finished() {
      return finished
    },
    get detachedAt() {
      return detachedAt
    },
    send(data) {
      if (finished) return
      last += 1
      kept.push({ number: last, data })
      bytes += data.length
      while (bytes > options.maxBytes && kept.length > 1) bytes -= kept.shift()?.data.length ?? 0
      write({ number: last, data })
    },
    finish() {
      finished = true
      if (connection !== undefined) close()
    },
    suspend() {
      const left = connection
      connection = undefined
      detachedAt = options.monotonic()
      left?.end()
    },
    attach(stream, afterEvent = 0) {
      connection = stream
      stream.onClose(() => {
        if (connection !== stream) return
        connection = undefined
        detachedAt = options.monotonic()
      })
      if (afterEvent === 0 && options.priming) stream.send('', { id: `${options.name}.0`, retryMs: options.priming.retryMs })
      for (const event of kept) if (event.number > afterEvent) write(event)
      if (finished && connection !== undefined) close()
    },
  }
}

/** Takes an event id apart; undefined when it is none of ours. */
export function readEventId(id: string): { readonly stream: string; readonly event: number } | undefined {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(id)
  return match ? { stream: match[1] ?? '', event: Number(match[2]) } : undefined
}

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
  return new KeptStream(options)
}

// A class, because one is made per streamed answer: see edge/respond.ts for what getters of object literals cost.
class KeptStream implements ReplayStream {
  readonly #options: ReplayOptions
  readonly #kept: Kept[] = []
  #connection: EventStream | undefined
  #finished = false
  #detachedAt: number
  #last = 0
  #bytes = 0

  constructor(options: ReplayOptions) {
    this.#options = options
    this.#detachedAt = options.monotonic()
  }

  get name(): string {
    return this.#options.name
  }

  get attached(): boolean {
    return this.#connection !== undefined
  }

  get finished(): boolean {
    return this.#finished
  }

  get detachedAt(): number {
    return this.#detachedAt
  }

  send(data: string): void {
    if (this.#finished) return
    this.#last += 1
    this.#kept.push({ number: this.#last, data })
    this.#bytes += data.length
    while (this.#bytes > this.#options.maxBytes && this.#kept.length > 1) this.#bytes -= this.#kept.shift()?.data.length ?? 0
    this.#write({ number: this.#last, data })
  }

  finish(): void {
    this.#finished = true
    if (this.#connection !== undefined) this.#close()
  }

  suspend(): void {
    const left = this.#connection
    this.#connection = undefined
    this.#detachedAt = this.#options.monotonic()
    left?.end()
  }

  attach(stream: EventStream, afterEvent = 0): void {
    const { name, priming } = this.#options
    this.#connection = stream
    stream.onClose(() => {
      if (this.#connection !== stream) return
      this.#connection = undefined
      this.#detachedAt = this.#options.monotonic()
    })
    if (afterEvent === 0 && priming) stream.send('', { id: `${name}.0`, retryMs: priming.retryMs })
    for (const event of this.#kept) if (event.number > afterEvent) this.#write(event)
    if (this.#finished && this.#connection !== undefined) this.#close()
  }

  #write(event: Kept): void {
    this.#connection?.send(event.data, { id: `${this.#options.name}.${event.number}` })
  }

  #close(): void {
    this.#connection?.end()
    this.#connection = undefined
    this.#options.delivered()
  }
}

/** Takes an event id apart; undefined when it is none of ours. */
export function readEventId(id: string): { readonly stream: string; readonly event: number } | undefined {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(id)
  return match ? { stream: match[1] ?? '', event: Number(match[2]) } : undefined
}

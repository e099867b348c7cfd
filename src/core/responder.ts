/** An open server-sent event stream to a caller. Writing after the end does nothing. */
export interface EventStream {
  /** Sends one event; `id` and `retryMs` become the fields of the same name (WHATWG HTML 9.2). */
  send(data: string, fields?: { readonly id?: string; readonly retryMs?: number }): void
  /** Sends a comment line, which clients ignore. */
  comment(text: string): void
  end(): void
  readonly closed: boolean
  /** Called once when the stream is over, whoever ended it; `byCaller` when the caller hung up. */
  onClose(listener: (byCaller: boolean) => void): void
}

/** An open answer whose bytes the facet writes itself, whole frames at a time. Writing after the end does nothing. */
export interface ByteStream {
  /** False when the caller reads too slowly: stop writing until `onDrain`. */
  write(frames: string | Buffer): boolean
  /** Ends the answer, with a last piece. */
  end(frames?: string | Buffer): void
  /** Called whenever the caller has read what was written after a `false`. */
  onDrain(listener: () => void): void
  /** Called once when the stream is over, whoever ended it; `byCaller` when the caller hung up. */
  onClose(listener: (byCaller: boolean) => void): void
  readonly closed: boolean
}

/** What a facet may do with the answer of one HTTP request. Names of headers are lower case. Implemented by edge/respond.ts, the only writer of responses. */
export interface Responder {
  /** One complete answer. */
  send(status: number, headers: Readonly<Record<string, string>>, body?: string | Buffer): void
  /** Starts an SSE answer with status 200. Only once, and not after `send`. `idle`: it waits for news, so it is no work under way. */
  stream(headers: Readonly<Record<string, string>>, options?: { readonly idle?: boolean }): EventStream
  /** Starts an answer of event-stream frames made by the facet, with status 200. Only once, and not after `send`. */
  bytes(headers: Readonly<Record<string, string>>): ByteStream
  /** True when something was sent or a stream was started. */
  readonly started: boolean
  /** Whether the caller hung up before the answer was complete. */
  readonly hungUp: boolean
  /** Called when the caller hangs up before the answer is complete; at once when it already did. */
  onHangUp(listener: () => void): void
}

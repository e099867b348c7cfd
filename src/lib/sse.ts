// A parser of server-sent events (WHATWG HTML, section 9.2) over raw bytes, in three steps: find line ends in each chunk as bytes
// (CR, LF and CRLF are ASCII, so a character split across chunks is never cut), collect fields, hand out an event at each blank line.
// It copies a line only when it is split over chunks, and refuses events that grow over the given size.

/** One event as dispatched. `id` is the last id seen on the stream, as the standard asks. */
export interface ServerSentEvent {
  readonly event: string
  readonly data: string
  readonly id: string
}

/** Who hears what the parser finds. */
export interface SseListener {
  onEvent(event: ServerSentEvent): void
  /** An id was set by an event with or without data, for instance the priming event of MCP. */
  onId?(id: string): void
  onRetry?(milliseconds: number): void
}

/** Feeds chunks to the parser. An unfinished event at the end of a stream is dropped by the standard: simply stop pushing. */
export interface SseParser {
  /** Throws an SseTooLargeError when an event outgrows the bound. */
  push(chunk: Buffer): void
}

/** One event was larger than the parser's bound. */
export class SseTooLargeError extends Error {
  constructor(maxEventBytes: number) {
    super(`a server-sent event is larger than ${maxEventBytes} bytes`)
    this.name = 'SseTooLargeError'
  }
}

const LF = 10
const CR = 13
const COLON = 58
const SPACE = 32

const MAX_PIECES = 1024

/** Makes a parser for one stream. */
export function createSseParser(listener: SseListener, maxEventBytes: number): SseParser {
  return new LineParser(listener, maxEventBytes)
}

class LineParser implements SseParser {
  readonly #listener: SseListener
  readonly #maxEventBytes: number
  /** Pieces of a line whose end has not come yet. */
  #rest: Buffer[] = []
  #restBytes = 0
  #eventBytes = 0
  #afterCr = false
  #started = false
  #lastId = ''
  #pendingId: string | undefined
  #name = ''
  #data: string[] = []

  constructor(listener: SseListener, maxEventBytes: number) {
    this.#listener = listener
    this.#maxEventBytes = maxEventBytes
  }

  push(chunk: Buffer): void {
    let start = 0
    if (this.#afterCr && chunk.length > 0) {
      this.#afterCr = false
      if (chunk[0] === LF) start = 1
    }
    for (let end = nextLineEnd(chunk, start); end !== -1; end = nextLineEnd(chunk, start)) {
      this.#count(end - start)
      this.#endLine(chunk.subarray(start, end))
      start = end + 1
      if (chunk[end] !== CR) continue
      if (start === chunk.length) this.#afterCr = true
      else if (chunk[start] === LF) start += 1
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
  }

  #keep(piece: Buffer): void {
    this.#count(piece.length)
    this.#rest.push(piece)
    this.#restBytes += piece.length
    // a stream cut into single bytes must not cost an object per byte
    if (this.#rest.length >= MAX_PIECES) this.#rest = [Buffer.concat(this.#rest, this.#restBytes)]
  }

  #count(bytes: number): void {
    this.#eventBytes += bytes
    if (this.#eventBytes > this.#maxEventBytes) throw new SseTooLargeError(this.#maxEventBytes)
  }

  #endLine(tail: Buffer): void {
    let line = tail
    if (this.#restBytes > 0) {
      line = Buffer.concat([...this.#rest, tail], this.#restBytes + tail.length)
      this.#rest = []
      this.#restBytes = 0
    }
    if (!this.#started) {
      this.#started = true
      if (line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) line = line.subarray(3)
    }
    if (line.length === 0) this.#dispatch()
    else this.#field(line)
  }

  #field(line: Buffer): void {
    const colon = line.indexOf(COLON)
    if (colon === 0) return
    const key = line.toString('latin1', 0, colon === -1 ? line.length : colon)
    const from = colon === -1 ? line.length : line[colon + 1] === SPACE ? colon + 2 : colon + 1
    const value = line.toString('utf8', from)
    if (key === 'data') this.#data.push(value)
    else if (key === 'event') this.#name = value
    else if (key === 'id' && !value.includes('\0')) this.#pendingId = value
    else if (key === 'retry' && /^\d{1,9}$/.test(value)) this.#listener.onRetry?.(Number(value))
  }

  #dispatch(): void {
    const [data, name] = [this.#data, this.#name]
    if (this.#pendingId !== undefined) {
      this.#lastId = this.#pendingId
      this.#listener.onId?.(this.#lastId)
    }
    this.#pendingId = undefined
    this.#name = ''
    this.#data = []
    this.#eventBytes = 0
    if (data.length === 0) return
    this.#listener.onEvent({
      event: name === '' ? 'message' : name,
      data: data.length === 1 ? (data[0] ?? '') : data.join('\n'),
      id: this.#lastId,
    })
  }
}

function nextLineEnd(chunk: Buffer, from: number): number {
  const lf = chunk.indexOf(LF, from)
  const cr = chunk.subarray(from, lf === -1 ? chunk.length : lf).indexOf(CR)
  return cr === -1 ? lf : from + cr
}

/** Writes one event, ending in its blank line. Line breaks in `data` become several data lines. */
export function formatEvent(
  data: string,
  fields: { readonly event?: string; readonly id?: string; readonly retryMs?: number } = {},
): string {
  const head =
    (fields.event === undefined ? '' : `event: ${oneLine(fields.event)}\n`) +
    (fields.id === undefined ? '' : `id: ${oneLine(fields.id)}\n`) +
    (fields.retryMs === undefined ? '' : `retry: ${Math.trunc(fields.retryMs)}\n`)
  return /[\r\n]/.test(data) ? `${head}data: ${data.split(/\r\n|\r|\n/).join('\ndata: ')}\n\n` : `${head}data: ${data}\n\n`
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\0]/g, '')
}

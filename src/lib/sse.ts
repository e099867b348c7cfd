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
    const ends = new LineEnds(chunk)
    for (let end = ends.after(start); end !== -1; end = ends.after(start)) {
      this.#count(end - start)
      this.#endLine(chunk, start, end)
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

  /** A line is a piece of `chunk`, or what was kept and that piece. Most lines make no buffer of their own: a stream may be all line ends. */
  #endLine(chunk: Buffer, start: number, end: number): void {
    if (this.#restBytes === 0) return this.#takeLine(chunk, start, end)
    const line = Buffer.concat([...this.#rest, chunk.subarray(start, end)], this.#restBytes + end - start)
    this.#rest = []
    this.#restBytes = 0
    this.#takeLine(line, 0, line.length)
  }

  #takeLine(bytes: Buffer, start: number, end: number): void {
    const hasMark =
      !this.#started && end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf
    const from = hasMark ? start + 3 : start
    this.#started = true
    if (from === end) this.#dispatch()
    else this.#field(bytes, from, end)
  }

  #field(bytes: Buffer, start: number, end: number): void {
    let colon = start
    while (colon < end && bytes[colon] !== COLON) colon += 1
    if (colon === start) return
    const key = bytes.toString('latin1', start, colon)
    const value = bytes.toString('utf8', bytes[colon + 1] === SPACE ? colon + 2 : colon + 1, end)
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

/** The line ends of a chunk, asked for from left to right; each byte is looked at once for each of the two characters. */
class LineEnds {
  readonly #chunk: Buffer
  #lf = -2
  #cr = -2

  constructor(chunk: Buffer) {
    this.#chunk = chunk
  }

  /** The place of the first line end from a place on; -1 when there is none. */
  after(from: number): number {
    if (this.#lf !== -1 && this.#lf < from) this.#lf = this.#chunk.indexOf(LF, from)
    if (this.#cr !== -1 && this.#cr < from) this.#cr = this.#chunk.indexOf(CR, from)
    if (this.#lf === -1 || this.#cr === -1) return Math.max(this.#lf, this.#cr)
    return Math.min(this.#lf, this.#cr)
  }
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

// The framing of `application/vnd.amazon.eventstream`, big-endian, in three steps: (1) the 12 bytes of a prelude tell how long a message is and
// carry a checksum of their own, (2) a message split over chunks is copied once into a buffer of its length, (3) the checksum over the whole is
// compared before anything of it is handed out. A message that is cut at the end of the body is never handed out; who needs to know that asks
// the protocol above for its sign of the end.
import { crc32 } from 'node:zlib'

/** One message: its text headers by name (headers of other types are skipped), and its payload. */
export interface EventStreamMessage {
  readonly headers: ReadonlyMap<string, string>
  readonly payload: Buffer
}

/** Feeds chunks to the parser. */
export interface EventStreamParser {
  /** Throws an EventStreamError for bytes that are no messages; nothing can be read after that. */
  push(chunk: Buffer): void
}

/** Why a stream cannot be read on. */
export class EventStreamError extends Error {
  readonly reason: 'corrupt' | 'too-large'

  constructor(reason: EventStreamError['reason'], message: string) {
    super(message)
    this.name = 'EventStreamError'
    this.reason = reason
  }
}

const PRELUDE_BYTES = 12
const CHECKSUM_BYTES = 4

/** Makes a parser for one stream. */
export function createEventStreamParser(
  onMessage: (message: EventStreamMessage) => void,
  maxMessageBytes: number,
): EventStreamParser {
  return new MessageParser(onMessage, maxMessageBytes)
}

/** The name and the text of a message: `contentBlockDelta`, or `exception:throttlingException` for what went wrong at the sender. */
export function readEvent({ headers, payload }: EventStreamMessage): { readonly event: string; readonly data: string } {
  switch (headers.get(':message-type')) {
    case 'exception':
      return { event: `exception:${headers.get(':exception-type') ?? ''}`, data: payload.toString('utf8') }
    case 'error':
      return {
        event: `exception:${headers.get(':error-code') ?? ''}`,
        data: JSON.stringify({ message: headers.get(':error-message') ?? '' }),
      }
    default:
      return { event: headers.get(':event-type') ?? '', data: payload.toString('utf8') }
  }
}

/** Writes one message whose headers are all text. */
export function encodeEventStreamMessage(headers: Readonly<Record<string, string>>, payload: Buffer | string): Buffer {
  const fields = Buffer.concat(Object.entries(headers).map(([name, value]) => encodeHeader(name, value)))
  const body = Buffer.from(payload)
  const total = PRELUDE_BYTES + fields.length + body.length + CHECKSUM_BYTES
  const message = Buffer.alloc(total)
  message.writeUInt32BE(total, 0)
  message.writeUInt32BE(fields.length, 4)
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8)
  fields.copy(message, PRELUDE_BYTES)
  body.copy(message, PRELUDE_BYTES + fields.length)
  message.writeUInt32BE(crc32(message.subarray(0, total - CHECKSUM_BYTES)), total - CHECKSUM_BYTES)
  return message
}

class MessageParser implements EventStreamParser {
  readonly #onMessage: (message: EventStreamMessage) => void
  readonly #maxMessageBytes: number
  /** The beginning of a message that was split: 12 bytes long until its prelude is complete, then as long as the message. */
  #partial = Buffer.alloc(PRELUDE_BYTES)
  #filled = 0
  #failure: EventStreamError | undefined

  constructor(onMessage: (message: EventStreamMessage) => void, maxMessageBytes: number) {
    this.#onMessage = onMessage
    this.#maxMessageBytes = maxMessageBytes
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#failure !== undefined) throw this.#failure
      at = this.#filled > 0 ? this.#fill(chunk, at) : this.#begin(chunk, at)
    }
  }

  /** Reads a message in place when the chunk holds all of it. */
  #begin(chunk: Buffer, at: number): number {
    if (chunk.length - at < PRELUDE_BYTES) {
      this.#partial = Buffer.alloc(PRELUDE_BYTES)
      return this.#fill(chunk, at)
    }
    const end = at + this.#totalOf(chunk.subarray(at, at + PRELUDE_BYTES))
    if (end <= chunk.length) {
      this.#finish(chunk.subarray(at, end))
      return end
    }
    this.#partial = Buffer.allocUnsafe(end - at)
    return this.#fill(chunk, at)
  }

  #fill(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#partial, this.#filled, at)
    this.#filled += taken
    if (this.#filled < this.#partial.length) return at + taken
    if (this.#filled === PRELUDE_BYTES) {
      const prelude = this.#partial
      this.#partial = Buffer.allocUnsafe(this.#totalOf(prelude))
      prelude.copy(this.#partial)
      return at + taken
    }
    this.#filled = 0
    this.#finish(this.#partial)
    return at + taken
  }

  #totalOf(prelude: Buffer): number {
    const total = prelude.readUInt32BE(0)
    if (crc32(prelude.subarray(0, 8)) !== prelude.readUInt32BE(8)) throw this.#fail('corrupt', 'the prelude fails its checksum')
    if (total < PRELUDE_BYTES + prelude.readUInt32BE(4) + CHECKSUM_BYTES)
      throw this.#fail('corrupt', 'the headers are longer than the message')
    if (total > this.#maxMessageBytes) throw this.#fail('too-large', `a message is larger than ${this.#maxMessageBytes} bytes`)
    return total
  }

  #finish(message: Buffer): void {
    const end = message.length - CHECKSUM_BYTES
    if (crc32(message.subarray(0, end)) !== message.readUInt32BE(end)) throw this.#fail('corrupt', 'a message fails its checksum')
    const payloadAt = PRELUDE_BYTES + message.readUInt32BE(4)
    const headers = readHeaders(message.subarray(PRELUDE_BYTES, payloadAt))
    if (headers === undefined) throw this.#fail('corrupt', 'the headers of a message cannot be read')
    this.#onMessage({ headers, payload: message.subarray(payloadAt, end) })
  }

  #fail(reason: EventStreamError['reason'], what: string): EventStreamError {
    this.#failure = new EventStreamError(reason, `event stream: ${what}`)
    return this.#failure
  }
}

const TEXT = 7
const BYTES = 6
/** How many bytes the value of a header takes, by its type: true, false, 8 to 64 bit numbers, time, UUID. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0, 0],
  [1, 0],
  [2, 1],
  [3, 2],
  [4, 4],
  [5, 8],
  [8, 8],
  [9, 16],
])

function readHeaders(bytes: Buffer): ReadonlyMap<string, string> | undefined {
  const headers = new Map<string, string>()
  let at = 0
  while (at < bytes.length) {
    const typeAt = at + 1 + bytes.readUInt8(at)
    const start = typeAt + 1
    if (start > bytes.length) return undefined
    const type = bytes.readUInt8(typeAt)
    const hasLength = type === TEXT || type === BYTES
    if (hasLength && start + 2 > bytes.length) return undefined
    const length = hasLength ? bytes.readUInt16BE(start) + 2 : FIXED_BYTES.get(type)
    if (length === undefined || start + length > bytes.length) return undefined
    if (type === TEXT) headers.set(bytes.toString('utf8', at + 1, typeAt), bytes.toString('utf8', start + 2, start + length))
    at = start + length
  }
  return headers
}

function encodeHeader(name: string, value: string): Buffer {
  const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)]
  const head = Buffer.from([nameBytes.length])
  const middle = Buffer.from([TEXT, valueBytes.length >> 8, valueBytes.length & 0xff])
  return Buffer.concat([head, nameBytes, middle, valueBytes])
}

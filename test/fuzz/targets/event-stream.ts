import { isDeepStrictEqual } from 'node:util'
import { crc32 } from 'node:zlib'
import { createEventStreamParser, encodeEventStreamMessage, EventStreamError, readEvent } from '../../../src/lib/event-stream.ts'
import { createRandom } from '../random.ts'
import { invariant, type Target } from '../target.ts'

const MAX_MESSAGE_BYTES = 8_192

/** The binary frames of AWS: as they are, and with their checksums made right, so that what lies behind them is reached. */
export function eventStream(): Target {
  return {
    name: 'event-stream',
    dictionary: [
      '\x00\x00\x00\x10',
      '\x00\x00\x00\x00',
      '\xff\xff\xff\xff',
      ':event-type',
      ':message-type',
      'exception',
      'error',
      ':error-code',
      '\x07\x00\x01',
      '\x06\x00\x00',
      '\x09',
      '\x00',
      '{"a":1}',
    ],
    seeds: () => [
      message('contentBlockDelta', '{"delta":{"text":"hi"}}'),
      Buffer.concat([message('messageStart', '{}'), message('messageStop', '{"stopReason":"end_turn"}')]),
      encodeEventStreamMessage({ ':message-type': 'exception', ':exception-type': 'throttlingException' }, '{"message":"slow"}'),
      encodeEventStreamMessage({ ':message-type': 'error', ':error-code': 'x', ':error-message': 'y' }, ''),
      encodeEventStreamMessage({}, ''),
    ],
    price: {
      parse: (input) => void parse([input]),
      honest: (bytes) =>
        Buffer.concat(
          Array.from({ length: Math.ceil(bytes / 110) }, () =>
            message('contentBlockDelta', '{"delta":{"text":"an ordinary word"}}'),
          ),
        ),
    },
    run: (input) => `${signature(input)} | ${signature(repaired(input))}`,
  }
}

function message(event: string, data: string): Buffer {
  return encodeEventStreamMessage({ ':message-type': 'event', ':event-type': event, ':content-type': 'application/json' }, data)
}

function signature(input: Buffer): string {
  const whole = parse([input])
  for (const chunks of cuts(input)) invariant(isDeepStrictEqual(parse(chunks), whole), 'cuts change nothing')
  const bytes = whole.events.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0)
  invariant(bytes <= 3 * input.length, 'no more comes out than went in')
  return `${Math.min(4, whole.events.length)} ${whole.events[0]?.event.slice(0, 12) ?? ''} ${whole.failure}`
}

interface Reading {
  readonly events: readonly { readonly event: string; readonly data: string }[]
  readonly failure: string
}

function parse(chunks: readonly Buffer[]): Reading {
  const events: Reading['events'][number][] = []
  const parser = createEventStreamParser((one) => events.push(readEvent(one)), MAX_MESSAGE_BYTES)
  try {
    for (const chunk of chunks) parser.push(chunk)
  } catch (error) {
    if (!(error instanceof EventStreamError)) throw error
    return { events, failure: error.message }
  }
  return { events, failure: '' }
}

function* cuts(input: Buffer): Generator<readonly Buffer[]> {
  yield Array.from(input, (_, at) => input.subarray(at, at + 1))
  const random = createRandom(input.length)
  const chunks: Buffer[] = []
  for (let at = 0, size = 0; at < input.length; at += size) {
    size = 1 + random.below(30)
    chunks.push(input.subarray(at, at + size))
  }
  yield chunks
}

/** Writes right checksums over what stands where they belong, as long as the lengths lead to another message. */
function repaired(input: Buffer): Buffer {
  const bytes = Buffer.from(input)
  for (let at = 0; at + 16 <= bytes.length;) {
    const total = Math.min(bytes.readUInt32BE(at), bytes.length - at)
    if (total < 16) break
    bytes.writeUInt32BE(total, at)
    bytes.writeUInt32BE(crc32(bytes.subarray(at, at + 8)), at + 8)
    bytes.writeUInt32BE(crc32(bytes.subarray(at, at + total - 4)), at + total - 4)
    at += total
  }
  return bytes
}

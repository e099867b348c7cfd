import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createEventStreamParser,
  encodeEventStreamMessage,
  EventStreamError,
  readEvent,
  type EventStreamMessage,
} from '../../../src/lib/event-stream.ts'

/** A message as Amazon Bedrock frames it, made by another implementation. */
const VECTOR = Buffer.from(
  '0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b2274657874223a224869227d7d1f944657',
  'hex',
)

function parse(chunks: readonly Buffer[], maxBytes = 1_000_000): EventStreamMessage[] {
  const seen: EventStreamMessage[] = []
  const parser = createEventStreamParser((message) => void seen.push(message), maxBytes)
  for (const chunk of chunks) parser.push(chunk)
  return seen
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((place) => Math.min(place, bytes.length)))].sort((a, b) => a - b)
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end))
}

/** A message with these raw header bytes and right checksums. */
function withHeaders(headers: Buffer): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt32BE(12 + headers.length + 4, 0)
  head.writeUInt32BE(headers.length, 4)
  head.writeUInt32BE(crc32(head.subarray(0, 8)), 8)
  const whole = Buffer.concat([head, headers])
  const tail = Buffer.alloc(4)
  tail.writeUInt32BE(crc32(whole))
  return Buffer.concat([whole, tail])
}

const named = (name: string, rest: readonly number[]) => Buffer.from([name.length, ...Buffer.from(name), ...rest])

describe('event stream', () => {
  test('the known message is read and written byte by byte', () => {
    const headers = { ':event-type': 'contentBlockDelta', ':content-type': 'application/json', ':message-type': 'event' }
    const payload = '{"contentBlockIndex":0,"delta":{"text":"Hi"}}'

    const [message] = parse([VECTOR])

    expect(message && readEvent(message)).toEqual({ event: 'contentBlockDelta', data: payload })
    expect(Object.fromEntries(message?.headers ?? [])).toEqual(headers)
    expect(encodeEventStreamMessage(headers, payload)).toEqual(VECTOR)
  })

  test.each([
    ['an event', { ':message-type': 'event', ':event-type': 'metadata' }, '{}', { event: 'metadata', data: '{}' }],
    [
      'an exception is named by its type, not by its payload',
      { ':message-type': 'exception', ':exception-type': 'throttlingException' },
      '{"message":"slow"}',
      { event: 'exception:throttlingException', data: '{"message":"slow"}' },
    ],
    [
      'an error carries its words in headers',
      { ':message-type': 'error', ':error-code': 'InternalError', ':error-message': 'oh' },
      '',
      { event: 'exception:InternalError', data: '{"message":"oh"}' },
    ],
    ['a message without headers', {}, 'é😀', { event: '', data: 'é😀' }],
  ])('%s', (_name, headers, payload, event) => {
    const [message] = parse([encodeEventStreamMessage(headers, payload)])

    expect(message && readEvent(message)).toEqual(event)
  })

  test('headers of every other type are skipped', () => {
    const headers = Buffer.concat([
      named('t', [0]),
      named('f', [1]),
      named('i8', [2, 1]),
      named('i16', [3, 0, 1]),
      named('i32', [4, 0, 0, 0, 1]),
      named('i64', [5, 0, 0, 0, 0, 0, 0, 0, 1]),
      named('b', [6, 0, 2, 7, 7]),
      named('time', [8, 0, 0, 0, 0, 0, 0, 0, 1]),
      named('uuid', [9, ...Array.from({ length: 16 }, () => 1)]),
      named(':event-type', [7, 0, 1, 0x78]),
    ])

    const [message] = parse([withHeaders(headers)])

    expect([...(message?.headers ?? [])]).toEqual([[':event-type', 'x']])
  })

  test.each([
    ['a type nobody knows', named('a', [10, 0])],
    ['a name longer than the headers', Buffer.from([200, 1])],
    ['a name without a type', named('a', [])],
    ['a value without its length', named('a', [7, 0])],
    ['a value longer than the headers', named('a', [7, 0, 9, 1])],
    ['a number cut short', named('a', [5, 0])],
  ])('headers that cannot be read are an error: %s', (_name, headers) => {
    expect(() => parse([withHeaders(headers)])).toThrow(
      new EventStreamError('corrupt', 'event stream: the headers of a message cannot be read'),
    )
  })

  test('a message over the bound is refused by its length, before it is held', () => {
    expect(() => parse([VECTOR.subarray(0, 12)], VECTOR.length - 1)).toThrow(EventStreamError)
    expect(parse([VECTOR], VECTOR.length)).toHaveLength(1)
  })

  test('headers longer than their message are refused', () => {
    const head = Buffer.alloc(16)
    head.writeUInt32BE(16, 0)
    head.writeUInt32BE(1, 4)
    head.writeUInt32BE(crc32(head.subarray(0, 8)), 8)

    expect(() => parse([head])).toThrow('the headers are longer than the message')
  })

  test('nothing is read after an error', () => {
    const seen: EventStreamMessage[] = []
    const parser = createEventStreamParser((message) => void seen.push(message), 1000)
    const broken = Buffer.from(VECTOR)
    broken.writeUInt8(0xff, 40)

    expect(() => parser.push(broken)).toThrow('a message fails its checksum')
    expect(() => parser.push(VECTOR)).toThrow('a message fails its checksum')
    expect(seen).toEqual([])
  })

  test('any chunking gives the same messages', () => {
    const message = fc
      .tuple(
        fc.dictionary(fc.string({ maxLength: 20 }), fc.string({ unit: 'grapheme', maxLength: 50 })),
        fc.uint8Array({ maxLength: 300 }),
      )
      .map(([headers, payload]) => encodeEventStreamMessage(headers, Buffer.from(payload)))
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(2500), { maxLength: 40 }), (messages, cuts) => {
        const bytes = Buffer.concat(messages)

        expect(parse(cut(bytes, cuts))).toEqual(parse([bytes]))
        expect(parse([bytes])).toHaveLength(messages.length)
      }),
    )
  })

  test('single bytes give the same messages', () => {
    const bytes = Buffer.concat([VECTOR, VECTOR])

    expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual(parse([bytes]))
  })

  test('a flipped bit anywhere is an error and never a message', () => {
    for (let bit = 0; bit < VECTOR.length * 8; bit += 1) {
      const broken = Buffer.from(VECTOR)
      broken.writeUInt8(broken.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)

      expect(() => parse([broken])).toThrow(EventStreamError)
    }
  })

  test('a message cut at the end is never handed out', () => {
    for (let length = 0; length < VECTOR.length; length += 1) expect(parse([VECTOR.subarray(0, length)])).toEqual([])
  })
})

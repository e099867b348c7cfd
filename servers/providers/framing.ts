import { crc32 } from 'node:zlib'
import type { Behaviour } from './behaviour.ts'
import type { Frame } from './wire.ts'

/** How frames become bytes. */
export interface Framing {
  readonly contentType: string
  encode(frame: Frame): Buffer
  comment?(text: string): Buffer
  readonly opening?: Buffer
  readonly closing?: Buffer
}

/** Names of the framings: server-sent events, AWS event stream, the same around Messages events (Invoke), one JSON array (Gemini without `alt=sse`). */
export type FramingName = 'sse' | 'eventstream' | 'invoke' | 'array'

/** Makes the framing of one answer; an array counts its elements. */
export function createFraming(name: FramingName, behaviour: Behaviour): Framing {
  if (name === 'eventstream') return { contentType: EVENT_STREAM, encode: encodeEvent }
  if (name === 'invoke') return { contentType: EVENT_STREAM, encode: encodeInvoked }
  if (name === 'sse') return serverSentEvents(behaviour.crlf === true ? '\r\n' : '\n')
  let count = 0
  const encode = ({ data }: Frame) => Buffer.from(count++ === 0 ? data : `,\r\n${data}`)
  return { contentType: 'application/json; charset=UTF-8', encode, opening: Buffer.from('['), closing: Buffer.from(']') }
}

const EVENT_STREAM = 'application/vnd.amazon.eventstream'

function serverSentEvents(line: string): Framing {
  return {
    contentType: 'text/event-stream; charset=utf-8',
    encode: ({ event, data }) => Buffer.from(`${event === '' ? '' : `event: ${event}${line}`}data: ${data}${line}${line}`),
    comment: (text) => Buffer.from(`: ${text}${line}${line}`),
  }
}

function encodeEvent({ event, data, kind }: Frame): Buffer {
  const type = kind === 'error' ? 'exception' : 'event'
  return eventMessage({ [`:${type}-type`]: event, ':content-type': 'application/json', ':message-type': type }, data)
}

function encodeInvoked({ event, data, kind, says }: Frame): Buffer {
  if (kind === 'error') return encodeEvent({ event: exceptionFor(data), data, kind })
  const metrics = {
    inputTokenCount: says?.input ?? 0,
    outputTokenCount: says?.output ?? 0,
    invocationLatency: 12,
    firstByteLatency: 3,
  }
  // The last event of the answer carries the measurements of the service beside its own members.
  const whole = kind === 'end' ? `${data.slice(0, -1)},"amazon-bedrock-invocationMetrics":${JSON.stringify(metrics)}}` : data
  const chunk = JSON.stringify({ bytes: Buffer.from(whole).toString('base64'), p: event })
  return eventMessage({ ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' }, chunk)
}

const exceptionFor = (data: string) => (data.includes('overloaded') ? 'serviceUnavailableException' : 'modelStreamErrorException')

const TEXT_HEADER = 7
const PRELUDE_BYTES = 12
const CRC_BYTES = 4

/** One message of the AWS event stream: lengths, checksum of the lengths, headers, payload, checksum of everything. */
export function eventMessage(headers: Readonly<Record<string, string>>, payload: string): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => eventHeader(name, value)))
  const body = Buffer.from(payload)
  const total = PRELUDE_BYTES + head.length + body.length + CRC_BYTES
  const prelude = Buffer.alloc(PRELUDE_BYTES)
  prelude.writeUInt32BE(total, 0)
  prelude.writeUInt32BE(head.length, 4)
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8)
  const front = Buffer.concat([prelude, head, body])
  const check = Buffer.alloc(CRC_BYTES)
  check.writeUInt32BE(crc32(front))
  return Buffer.concat([front, check])
}

function eventHeader(name: string, value: string): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), Buffer.from([TEXT_HEADER]), length, bytes])
}

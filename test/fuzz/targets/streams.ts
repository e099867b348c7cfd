import { isJsonObject } from '../../../src/core/json.ts'
import type { Usage } from '../../../src/core/usage.ts'
import { isDeeper } from '../../../src/lib/json-depth.ts'
import { createSseParser } from '../../../src/lib/sse.ts'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import type { Dialect, StreamDecoder, WireEvent } from '../../../src/llm/wire.ts'
import { checkOrder } from '../event-order.ts'
import { named, readHeaded } from '../headed.ts'
import { streamSeeds } from '../llm-seeds.ts'
import { decodeContext, DIALECTS, encodeContext, MODEL_WORDS, WIRES } from '../models.ts'
import { invariant, type Target } from '../target.ts'
import { checkSameTotals, checkUsage } from '../usage-identities.ts'

const READABLE_DEPTH = 200

/** Streams of every wire, written in every dialect and read back; and every tap on them. */
export function streams(): Target {
  return {
    name: 'streams',
    json: 'headed',
    dictionary: MODEL_WORDS,
    seeds: streamSeeds,
    price: { parse: convert, honest: honestStream },
    run(input) {
      const { head, json } = readHeaded(input)
      if (!Array.isArray(json)) return 'no array'
      const wire = named(WIRES, head)
      const frames = json.filter(isJsonObject).map(({ event, data }) => wireEvent(event, data))
      const events = decode(wire.createDecoder(decodeContext()), frames)
      const told = checkOrder(events)
      checkUsage(told)
      const isWhole = events.at(-1)?.type === 'end'
      for (const dialect of Object.values(DIALECTS)) checkDialect({ events, told, isWhole }, dialect)
      tapAll(frames)
      return `${wire.name} ${shapeOf(events)}`
    },
  }
}

function wireEvent(event: unknown, data: unknown): WireEvent {
  return { event: typeof event === 'string' ? event : '', data: typeof data === 'string' ? data : (JSON.stringify(data) ?? '') }
}

function decode(decoder: StreamDecoder, frames: readonly WireEvent[]): readonly ModelEvent[] {
  const events: ModelEvent[] = []
  for (const frame of frames) {
    events.push(...decoder.push(frame))
    const last = events.at(-1)?.type
    if (last === 'error' || last === 'end') return events
  }
  return [...events, ...decoder.close()]
}

interface Reading {
  readonly events: readonly ModelEvent[]
  readonly told: Usage | undefined
  readonly isWhole: boolean
}

/** Writes the events up to the first error, and reads them back. */
function checkDialect({ events, told, isWhole }: Reading, dialect: Dialect): void {
  const encoder = dialect.createEncoder(encodeContext())
  const good = events.slice(0, events.findIndex(({ type }) => type === 'error') >>> 0)
  const text = good.map((event) => encoder.encode(event)).join('')
  const failure = encoder.fail({ status: 500, type: 'api_error', message: 'broken' }, 'request')
  invariant(text === '' || text.endsWith('\n\n'), `${dialect.name} writes whole frames`)
  const frames = framesOf(text)
  for (const { data } of [...frames, ...framesOf(failure)]) invariant(isData(data), `${dialect.name} writes JSON`)
  // what nests too deep may be refused when read back; a call of no tool cannot be said, and is no use to anybody
  if (isDeeper(text, READABLE_DEPTH) || good.some((event) => event.type === 'tool-start' && event.name === '')) return
  const again = decode(WIRES[dialect.name].createDecoder(decodeContext()), frames)
  const usage = checkOrder(again)
  invariant(
    again.every(({ type }) => type !== 'error'),
    `${dialect.name} can be read back`,
  )
  // a dialect without interleaved parts holds one back until the other ends, which in a cut stream it never does
  if (!isWhole) return invariant(textOf(again).length <= textOf(good).length, `${dialect.name} says no more than was said`)
  invariant(textOf(again) === textOf(good), `${dialect.name} says the same text`)
  checkSameTotals(told, usage, dialect.name)
}

function framesOf(text: string): readonly WireEvent[] {
  const frames: WireEvent[] = []
  createSseParser({ onEvent: ({ event, data }) => frames.push({ event, data }) }, 10_000_000).push(Buffer.from(text))
  return frames
}

function isData(data: string): boolean {
  return data === '[DONE]' || isJsonObject(JSON.parse(data))
}

function tapAll(frames: readonly WireEvent[]): void {
  for (const dialect of Object.values(DIALECTS)) {
    const tap = dialect.createTap({ includeUsage: false })
    for (const { event, data } of frames) {
      if (!/[\r\n]/.test(event + data)) tap.see(Buffer.from(`${event === '' ? '' : `event: ${event}\n`}data: ${data}\n\n`))
    }
    checkUsage(tap.usage())
    tap.model()
    invariant(
      tap.fail({ status: 500, type: 'api_error', message: 'broken' }, 'request').endsWith('\n\n'),
      'a failure is a whole frame',
    )
  }
}

function convert(input: Buffer): void {
  const { head, json } = readHeaded(input)
  if (!Array.isArray(json)) return
  const frames = json.filter(isJsonObject).map(({ event, data }) => wireEvent(event, data))
  const encoder = named(DIALECTS, 'x'.repeat(input.length % 3)).createEncoder(encodeContext())
  for (const event of decode(named(WIRES, head).createDecoder(decodeContext()), frames)) encoder.encode(event)
}

function honestStream(bytes: number): Buffer {
  const events: unknown[] = []
  for (let size = 40; size < bytes; size += 78)
    events.push({ event: '', data: { id: 'c', choices: [{ index: 0, delta: { content: 'word ' } }] } })
  return Buffer.from(`chat\n${JSON.stringify(events)}`)
}

const textOf = (events: readonly ModelEvent[]) =>
  events.map((event) => (event.type === 'text-delta' || event.type === 'refusal-delta' ? event.text : '')).join('')

function shapeOf(events: readonly ModelEvent[]): string {
  const types = events
    .map((event) => (event.type === 'error' ? `error:${event.failure.kind}` : event.type))
    .filter((type, at, all) => type !== all[at - 1])
  return types.slice(0, 12).join('>')
}

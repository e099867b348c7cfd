import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import type { WireEvent } from '../../../src/llm/wire.ts'
import { createEventStreamParser, encodeEventStreamMessage, readEvent } from '../../../src/lib/event-stream.ts'
import { decode, FOLDER, read } from './converse-fixture.ts'

const event = (name: string, data: unknown): WireEvent => ({
  event: name,
  data: typeof data === 'string' ? data : JSON.stringify(data),
})
const delta = (contentBlockIndex: number, inner: unknown) => event('contentBlockDelta', { contentBlockIndex, delta: inner })
const STOP = event('messageStop', { stopReason: 'end_turn' })
const METADATA = event('metadata', { usage: { inputTokens: 1, outputTokens: 2 } })

const recorded = (name: string) =>
  read(`${name}.jsonl`)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as WireEvent) // a fixture written as one

/** The bytes a provider would send. */
function toBytes(events: readonly WireEvent[]): Buffer {
  const messages = events.map(({ event: name, data }) => {
    const [kind, exception] = name.split(':')
    const headers =
      exception === undefined
        ? { ':event-type': kind ?? '', ':content-type': 'application/json', ':message-type': 'event' }
        : { ':exception-type': exception, ':content-type': 'application/json', ':message-type': 'exception' }
    return encodeEventStreamMessage(headers, data)
  })
  return Buffer.concat(messages)
}

/** What the rules of a decoder promise. */
function checkOrder(events: readonly ModelEvent[]): void {
  const open = new Set<number>()
  let next = 0
  for (const [place, one] of events.entries()) {
    if (place === 0) expect(['start', 'error']).toContain(one.type)
    if (!('index' in one)) continue
    if (one.type.endsWith('-start')) {
      expect(one.index).toBe(next)
      open.add(one.index)
      next += 1
    } else {
      expect(open.has(one.index)).toBe(true)
      if (one.type.endsWith('-end')) open.delete(one.index)
    }
  }
  const finish = events.findIndex(({ type }) => type === 'finish')
  const end = events.findIndex(({ type }) => type === 'end')
  expect(end).toBe(finish === -1 ? -1 : events.length - 1)
  if (end !== -1) expect(open.size).toBe(0)
}

describe('a stream of Converse', () => {
  test.each(['tools', 'cited', 'throttled'])('recorded: %s', async (name) => {
    const events = decode(recorded(name), { toolNames: new Map([['get_1', 'weather.get']]) })

    checkOrder(events)
    const written = events.map((one) => JSON.stringify(one)).join('\n')
    await expect(`${written}\n`).toMatchFileSnapshot(new URL(`${name}.events.jsonl`, FOLDER).pathname)
  })

  test('any cut of the bytes gives the same events', () => {
    const bytes = toBytes(recorded('tools'))
    const whole = decode(recorded('tools'))
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const at = [...new Set(cuts)].sort((a, b) => a - b)
        const seen: WireEvent[] = []
        const parser = createEventStreamParser((message) => void seen.push(readEvent(message)), 65_536)
        for (const [index, end] of [...at, bytes.length].entries())
          parser.push(bytes.subarray(index === 0 ? 0 : at[index - 1], end))

        expect(decode(seen)).toEqual(whole)
      }),
    )
  })

  test('usage and end come after the metadata, and nothing after them', () => {
    const events = decode([
      event('messageStart', { role: 'assistant' }),
      delta(0, { text: 'a' }),
      STOP,
      METADATA,
      delta(0, { text: 'b' }),
    ])

    expect(events.map(({ type }) => type)).toEqual(['start', 'text-start', 'text-delta', 'text-end', 'usage', 'finish', 'end'])
  })

  test('metadata before the reason to stop is no end yet', () => {
    const events = decode([event('messageStart', {}), METADATA, delta(0, { text: 'a' }), STOP])

    expect(events.map(({ type }) => type)).toEqual(['start', 'usage', 'text-start', 'text-delta', 'text-end', 'finish', 'end'])
  })

  test.each([
    ['before the reason to stop', [event('messageStart', {}), delta(0, { text: 'a' })]],
    ['before the metadata', [event('messageStart', {}), delta(0, { text: 'a' }), STOP]],
    ['before anything', []],
  ])('a stream cut %s has no end', (_name, events) => {
    expect(decode(events).some(({ type }) => type === 'end' || type === 'finish')).toBe(false)
  })

  test('a stream that forgets its start still has one', () => {
    expect(decode([delta(0, { text: 'a' })])[0]).toEqual({ type: 'start', id: 'msg_1' })
  })

  test('a signature without thoughts is kept', () => {
    expect(
      decode([delta(0, { reasoningContent: { signature: 'E' } }), event('contentBlockStop', { contentBlockIndex: 0 })]),
    ).toEqual([
      { type: 'start', id: 'msg_1' },
      { type: 'reasoning-start', index: 0 },
      { type: 'reasoning-end', index: 0, signature: { family: 'anthropic', value: 'E' } },
    ])
  })

  test.each([
    ['throttlingException', 'rate_limited'],
    ['modelStreamErrorException', 'server'],
    ['internalServerException', 'server'],
    ['serviceUnavailableException', 'overloaded'],
    ['modelTimeoutException', 'timeout'],
    ['validationException', 'bad_request'],
    ['somethingNew', 'server'],
    ['constructor', 'server'],
  ])('the exception %s is %s, whatever its payload says', (name, kind) => {
    const events = decode([event(`exception:${name}`, { message: 'no', originalStatusCode: 400 })])

    expect(events).toEqual([{ type: 'error', failure: { kind, message: 'no', code: name } }])
  })

  test.each([
    ['no JSON', '{"contentBlockIndex":'],
    ['a list', '[]'],
    ['a text', '"x"'],
  ])('an event that cannot be read is an error and the last: %s', (_name, data) => {
    const events = decode([event('messageStart', {}), event('contentBlockDelta', data), STOP, METADATA])

    expect(events.map(({ type }) => type)).toEqual(['start', 'error'])
    expect(events[1]).toMatchObject({ failure: { kind: 'invalid' } })
  })

  test('a block of a new kind in the place of an open one ends it', () => {
    const events = decode([delta(0, { reasoningContent: { text: 'hm' } }), delta(0, { text: 'a' }), STOP, METADATA])

    checkOrder(events)
    expect(events.map(({ type }) => type)).toContain('reasoning-end')
  })

  test('a call that begins after the reason to stop ends before the answer does, and counts', () => {
    const start = event('contentBlockStart', { contentBlockIndex: 0, start: { toolUse: { toolUseId: 'x', name: 'f' } } })
    const events = decode([STOP, start, METADATA])

    checkOrder(events)
    expect(events).toContainEqual({ type: 'finish', stop: 'tool' })
  })

  test('whatever comes, the order of events holds', () => {
    const place = fc.nat(3)
    const anything = fc.oneof(
      fc.constant(event('messageStart', {})),
      fc.tuple(place, fc.constantFrom('', 'a')).map(([at, words]) => delta(at, { text: words })),
      fc
        .tuple(place, fc.constantFrom({ text: 'a' }, { signature: 's' }, { redactedContent: 'r' }, {}))
        .map(([at, content]) => delta(at, { reasoningContent: content })),
      fc.tuple(place, fc.constantFrom('', '{}', 1)).map(([at, input]) => delta(at, { toolUse: { input } })),
      place.map((at) => event('contentBlockStart', { contentBlockIndex: at, start: { toolUse: { toolUseId: 'x', name: 'f' } } })),
      place.map((at) => event('contentBlockStart', { contentBlockIndex: at, start: { image: {} } })),
      place.map((at) => event('contentBlockStop', { contentBlockIndex: at })),
      fc.constantFrom(
        STOP,
        METADATA,
        event('contentBlockDelta', '{'),
        event('exception:x', ''),
        event('', '{}'),
        event('__defineGetter__', '{}'),
      ),
      fc.jsonValue().map((value) => event('contentBlockDelta', value)),
      fc.jsonValue().map((value) => delta(0, value)),
    )
    fc.assert(fc.property(fc.array(anything, { maxLength: 25 }), (events) => checkOrder(decode(events))))
  })
})

// Two implementations of every wire that share no line of code, the fake providers and the gateway, must agree on what was said and what
// it cost. A difference is a mistake of one of them.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Behaviour, Counts } from '../../../servers/providers/behaviour.ts'
import { foldCounts } from '../../../servers/providers/counts.ts'
import { createFraming } from '../../../servers/providers/framing.ts'
import { createReply, type Reply } from '../../../servers/providers/reply.ts'
import { WIRES, type WireName } from '../../../servers/providers/routes.ts'
import type { Frame } from '../../../servers/providers/wire.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import type { Usage } from '../../../src/core/usage.ts'
import { createEventStreamParser, readEvent } from '../../../src/lib/event-stream.ts'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import type { DecodeContext, Wire, WireEvent } from '../../../src/llm/wire.ts'
import { chatWire } from '../../../src/llm/wires/chat.ts'
import { converseWire } from '../../../src/llm/wires/converse.ts'
import { geminiWire } from '../../../src/llm/wires/gemini.ts'
import { messagesWire } from '../../../src/llm/wires/messages.ts'
import { responsesWire } from '../../../src/llm/wires/responses.ts'

const OURS: Readonly<Record<WireName, Wire>> = {
  chat: chatWire,
  responses: responsesWire,
  messages: messagesWire,
  gemini: geminiWire,
  converse: converseWire,
}
const NAMES = Object.keys(OURS) as WireName[] // the keys of the record above

let ids = 0
const context: DecodeContext = { family: 'fake', newId: (prefix) => `${prefix}_${ids++}` }

function reply(behaviour: object): Reply {
  const parsed = Behaviour.parse(behaviour)
  return createReply({
    number: 1,
    seed: 1,
    model: 'fake',
    asked: { stream_options: { include_usage: true } },
    askedBytes: 100,
    behaviour: parsed,
  })
}

/** JSON as it would come off the wire. */
const body = (name: WireName, said: Reply): JsonObject => JSON.parse(JSON.stringify(WIRES[name].answer(said)))

/** Events as the decoder gets them: Converse through the bytes of its framing, the others as they are. */
function framed(name: WireName, frames: Iterable<Frame>): readonly WireEvent[] {
  if (name !== 'converse') return [...frames].map(({ event, data }) => ({ event, data }))
  const seen: WireEvent[] = []
  const parser = createEventStreamParser((message) => seen.push(readEvent(message)), 1_048_576)
  const { encode } = createFraming('eventstream', {})
  for (const frame of frames) parser.push(encode(frame))
  return seen
}

function decode(name: WireName, frames: Iterable<Frame>): readonly ModelEvent[] {
  const decoder = OURS[name].createDecoder(context)
  return [...framed(name, frames).flatMap((event) => [...decoder.push(event)]), ...decoder.close()]
}

const events = (name: WireName, said: Reply) => decode(name, WIRES[name].stream(said))

/** The counts that have a word on the wire, in the gateway's terms. */
function expected(name: WireName, counts: Counts): object {
  const { webSearches: _webSearches, ...kinds } = foldCounts(WIRES[name].usage, counts)
  return kinds
}

const kinds = ({ source: _source, serverTools: _tools, ...counts }: Usage): object => counts

const amount = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000_000 }))
const anyCounts = fc
  .record({
    input: amount,
    cacheRead: amount,
    cacheWrite5m: amount,
    cacheWrite1h: amount,
    inputAudio: amount,
    inputImage: amount,
    output: amount,
    reasoning: amount,
    outputAudio: amount,
  })
  .map((counts) => Counts.parse(counts))

describe.each(NAMES)('%s', (name) => {
  test('usage of a whole answer', () => {
    fc.assert(
      fc.property(anyCounts, (usage) => {
        const read = OURS[name].usageOf(body(name, reply({ text: 'x', usage })))

        expect(read && kinds(read)).toEqual(expected(name, usage))
      }),
    )
  })

  test('the last usage of a stream', () => {
    fc.assert(
      fc.property(anyCounts, (usage) => {
        const usages = events(name, reply({ text: 'abc', usage })).flatMap((event) =>
          (event.type === 'usage' || event.type === 'start') && event.usage ? [event.usage] : [],
        )

        const last = usages.at(-1)
        expect(last && kinds(last)).toEqual(expected(name, usage))
      }),
      { numRuns: 30 },
    )
  })

  test('text, thoughts and calls, whole and streamed, also with calls that interleave', () => {
    const tools = [
      { name: 'a', arguments: { city: 'Osló' } },
      { name: 'b', arguments: { n: 1 } },
      { name: 'c', arguments: {} },
    ]
    for (const interleave of [false, true]) {
      const said = reply({
        text: 'Grüezi mitenand',
        chunks: 5,
        reasoning: 'hm hm',
        signature: 'sig',
        tools,
        interleave,
        pieces: 3,
      })
      const whole = OURS[name].decodeAnswer(body(name, said), context)
      const streamed = events(name, said)

      const words = whole.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('')
      const calls = whole.parts.flatMap((part) => (part.type === 'tool-call' ? [[part.name, JSON.parse(part.arguments)]] : []))
      expect(words).toBe('Grüezi mitenand')
      expect(streamed.flatMap((event) => (event.type === 'text-delta' ? [event.text] : [])).join('')).toBe(words)
      expect(calls).toEqual(tools.map((tool) => [tool.name, tool.arguments]))
      expect(streamedCalls(streamed)).toEqual(calls)
      expect(whole.parts.some((part) => part.type === 'reasoning' && part.text === 'hm hm')).toBe(true)
      expect(streamed.flatMap((event) => (event.type === 'reasoning-delta' ? [event.text] : [])).join('')).toBe('hm hm')
      expect([whole.stop, streamed.find((event) => event.type === 'finish')?.stop]).toEqual(['tool', 'tool'])
      expect(streamed.at(-1)?.type).toBe('end')
    }
  })

  test.each([
    { finish: 'stop', stop: 'end' },
    { finish: 'length', stop: 'length' },
    { finish: 'filtered', stop: 'filtered' },
  ])('an answer that ends with $finish', ({ finish, stop }) => {
    const said = reply({ text: 'x', finish })

    expect(OURS[name].decodeAnswer(body(name, said), context).stop).toBe(stop)
    expect(events(name, said).find((event) => event.type === 'finish')?.stop).toBe(stop)
  })

  test.each([401, 403, 404, 429, 500, 503])('an error event for %i is an error and the last event', (status) => {
    const seen = decode(name, [WIRES[name].errorFrame({ status, message: 'no' }, 0)])

    expect(seen.map(({ type }) => type)).toContain('error')
    expect(seen.map(({ type }) => type)).not.toContain('end')
  })

  test('usage that is missing is not zero, and usage of wrong types is no usage', () => {
    expect(OURS[name].usageOf(body(name, reply({ text: 'x', usage: 'none' })))).toBeUndefined()
    expect(OURS[name].usageOf(body(name, reply({ text: 'x', usage: 'garbled' })))).toBeUndefined()
  })
})

test.each(['last', 'finish', 'every', 'x_groq'] as const)('chat usage is found where the stream says it: %s', (usageOn) => {
  const usage = { input: 5, cacheRead: 3, output: 2, reasoning: 4 }
  const read = events('chat', reply({ text: 'abc', usage, usageOn })).flatMap((event) =>
    event.type === 'usage' ? [event.usage] : [],
  )

  expect(read.at(-1)).toMatchObject({ source: 'provider', ...usage })
})

function streamedCalls(seen: readonly ModelEvent[]): readonly unknown[] {
  const calls = new Map<number, { name: string; text: string }>()
  for (const event of seen) {
    if (event.type === 'tool-start') calls.set(event.index, { name: event.name, text: '' })
    const call = event.type === 'tool-delta' ? calls.get(event.index) : undefined
    if (call && event.type === 'tool-delta') call.text += event.json
  }
  return [...calls.values()].map(({ name, text }) => [name, JSON.parse(text === '' ? '{}' : text) as unknown])
}

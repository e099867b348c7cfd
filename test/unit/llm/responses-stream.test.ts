import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import { responsesDialect } from '../../../src/llm/dialects/responses.ts'
import { responsesWire } from '../../../src/llm/wires/responses.ts'
import {
  bytesOf,
  collect,
  decodeAll,
  decodeContext,
  encodeContext,
  eventsOf,
  framesOf,
  goldenPath,
  STREAMS,
} from './responses-fixture.ts'

const FINISHED = ['text', 'tools', 'refusal', 'length', 'whole-items', 'last-event-only'] as const

describe('the decoder', () => {
  test.each(STREAMS)('reads %s chunk by chunk', async (name) => {
    const decoder = responsesWire.createDecoder(decodeContext())

    const steps = eventsOf([bytesOf(`${name}.sse`)]).map((event) => decoder.push(event).map((read) => JSON.stringify(read)))

    const text = steps.map((step, index) => [`# frame ${index}`, ...step].join('\n')).join('\n')
    await expect(`${text}\n`).toMatchFileSnapshot(goldenPath(`${name}.events`))
  })

  test.each(STREAMS)('gives the same events of %s whatever the chunks', (name) => {
    const bytes = bytesOf(`${name}.sse`)
    const whole = decodeAll(responsesWire.createDecoder(decodeContext()), [bytes])
    const places = fc.array(fc.nat(bytes.length), { maxLength: 8 })

    fc.assert(
      fc.property(places, (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
        const chunks = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
        expect(decodeAll(responsesWire.createDecoder(decodeContext()), chunks)).toEqual(whole)
      }),
      { numRuns: 30 },
    )
    const single = [...bytes].map((byte) => Buffer.from([byte]))
    expect(decodeAll(responsesWire.createDecoder(decodeContext()), single)).toEqual(whole)
  })

  test.each(FINISHED)('keeps the order of events in %s and ends it', (name) => {
    const answer = collect(decodeAll(responsesWire.createDecoder(decodeContext()), [bytesOf(`${name}.sse`)]))

    expect(answer.isEnded).toBe(true)
    expect(answer.usage).toBeDefined()
  })

  test('a stream that is cut anywhere has no end', () => {
    const frames = framesOf(bytesOf('tools.sse'))
    for (let count = 0; count < frames.length; count += 1) {
      const events = decodeAll(responsesWire.createDecoder(decodeContext()), [Buffer.from(frames.slice(0, count).join(''))])
      expect(events.some(({ type }) => type === 'end' || type === 'finish')).toBe(false)
    }
  })

  test('rubbish becomes an error event, and nothing follows it', () => {
    const decoder = responsesWire.createDecoder(decodeContext())

    const events = ['{"type":', '[]', '{"type":"response.completed","response":{"output":[]}}'].flatMap((data) =>
      decoder.push({ event: 'x', data }),
    )

    expect(events).toEqual([{ type: 'error', failure: { kind: 'invalid', message: 'an event of the stream is not JSON' } }])
  })

  test('an answer that opens parts without end is refused', () => {
    const decoder = responsesWire.createDecoder(decodeContext())
    const item = { type: 'function_call', name: 'f' }

    const events = Array.from({ length: 1_100 }, (_value, index) =>
      decoder.push({ event: '', data: JSON.stringify({ type: 'response.output_item.added', output_index: index, item }) }),
    ).flat()

    expect(events.filter(({ type }) => type === 'tool-start')).toHaveLength(1_000)
    expect(events.at(-1)).toEqual({ type: 'error', failure: { kind: 'invalid', message: 'the answer has too many parts' } })
  })

  test('never throws on events of odd shapes', () => {
    const types = fc.constantFrom(
      'response.created',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.function_call_arguments.delta',
      'response.reasoning_summary_text.delta',
      'response.content_part.done',
      'response.output_item.done',
      'response.refusal.delta',
      'response.completed',
      'response.failed',
      'error',
      'odd',
    )
    const item = fc.record(
      {
        type: fc.constantFrom('message', 'function_call', 'reasoning', 'web_search_call', 'odd'),
        content: fc.jsonValue(),
        arguments: fc.jsonValue(),
        summary: fc.jsonValue(),
        encrypted_content: fc.jsonValue(),
        call_id: fc.jsonValue(),
        name: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    const data = fc.record(
      {
        type: types,
        output_index: fc.oneof(fc.nat(3), fc.jsonValue()),
        content_index: fc.oneof(fc.nat(2), fc.jsonValue()),
        delta: fc.oneof(fc.string(), fc.jsonValue()),
        text: fc.jsonValue(),
        part: fc.jsonValue(),
        item: fc.oneof(item, fc.jsonValue()),
        response: fc.oneof(fc.record({ output: fc.array(item), usage: fc.jsonValue() }), fc.jsonValue()),
        error: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.array(data, { maxLength: 12 }), (stream) => {
        const decoder = responsesWire.createDecoder(decodeContext())
        const tap = responsesDialect.createTap({ includeUsage: true })
        const events: ModelEvent[] = []
        for (const event of stream) {
          const text = JSON.stringify(event)
          events.push(...decoder.push({ event: '', data: text }))
          tap.see(Buffer.from(`data: ${text}\n\n`))
        }
        expect(() => collect(events)).not.toThrow()
      }),
      { numRuns: 300 },
    )
  })
})

describe('the tap', () => {
  const KINDS: Record<string, readonly string[]> = {
    text: [
      'preamble',
      'preamble',
      'preamble',
      'preamble',
      'content',
      'content',
      'ping',
      'content',
      'content',
      'content',
      'content',
      'content',
      'end',
    ],
    'error-event': ['preamble', 'error'],
    'last-event-only': ['end'],
  }

  test.each(Object.entries(KINDS))('says what each frame of %s is', (name, kinds) => {
    const tap = responsesDialect.createTap({ includeUsage: true })

    const seen = framesOf(bytesOf(`${name}.sse`)).map((frame) => tap.see(Buffer.from(frame)).kind)

    expect(seen).toEqual(kinds)
  })

  test.each(STREAMS)('agrees with the decoder on usage, model and failure of %s', (name) => {
    const bytes = bytesOf(`${name}.sse`)
    const events = decodeAll(responsesWire.createDecoder(decodeContext()), [bytes])
    const tap = responsesDialect.createTap({ includeUsage: true })

    const sightings = framesOf(bytes).map((frame) => tap.see(Buffer.from(frame)))

    const usage = events.findLast((event) => event.type === 'usage')
    const start = events.find((event) => event.type === 'start')
    expect(tap.usage()).toEqual(usage?.usage)
    expect(tap.model()).toBe(start?.model)
    if (name === 'custom-tool') return
    expect(sightings.find(({ kind }) => kind === 'error')?.failure).toEqual(
      events.find((event) => event.type === 'error')?.failure,
    )
    expect(sightings.some(({ kind }) => kind === 'end')).toBe(events.some(({ type }) => type === 'end'))
  })

  test.each([
    ['a message item without content', 'response.output_item.added', { item: { type: 'message', content: [] } }, 'preamble'],
    [
      'thoughts that are only sealed',
      'response.output_item.added',
      { item: { type: 'reasoning', summary: [], encrypted_content: 'g' } },
      'preamble',
    ],
    ['a tool call', 'response.output_item.added', { item: { type: 'function_call', name: 'x', arguments: '' } }, 'content'],
    ['a search at the provider', 'response.output_item.added', { item: { type: 'web_search_call' } }, 'content'],
    ['an empty delta', 'response.output_text.delta', { delta: '' }, 'preamble'],
    ['a delta whose words look like an error', 'response.output_text.delta', { delta: '{"type":"error","error":{}}' }, 'content'],
    ['a delta whose words look like an empty one', 'response.output_text.delta', { delta: '"delta":""' }, 'content'],
    ['an event of another kind', 'codex.rate_limits', { limits: {} }, 'preamble'],
    ['a keep-alive event', 'keepalive', {}, 'ping'],
    ['a part that begins with words', 'response.content_part.added', { part: { type: 'output_text', text: 'x' } }, 'content'],
  ])('%s', (_name, type, members, kind) => {
    const data = JSON.stringify({ type, ...members, sequence_number: 4 })
    const unnamed = JSON.stringify({ ...members, sequence_number: 4, type })
    const see = (frame: string) => responsesDialect.createTap({ includeUsage: true }).see(Buffer.from(frame)).kind

    expect(see(`event: ${type}\ndata: ${data}\n\n`)).toBe(kind)
    expect(see(`event:${type}\r\ndata:${data}\r\n\r\n`)).toBe(kind)
    expect(see(`data: ${data}\n\n`)).toBe(kind)
    expect(see(`data: ${unnamed}\n\n`)).toBe(kind)
  })

  test('counts frames after words that look like a number', () => {
    const tap = responsesDialect.createTap({ includeUsage: true })
    const frame = (members: object) => Buffer.from(`event: response.output_text.delta\ndata: ${JSON.stringify(members)}\n\n`)
    const deltas = [
      { delta: 'a', sequence_number: 7 },
      { delta: '"sequence_number":99', sequence_number: 8 },
      { delta: 'without' },
    ]

    const kinds = deltas.map((members) => tap.see(frame(members)).kind)

    expect(kinds).toEqual(['content', 'content', 'content'])
    expect(tap.fail({ status: 502, type: 'server_error', message: 'cut' }, 'x')).toContain('"sequence_number":10,')
  })

  test('an end mark of another dialect is hidden', () => {
    expect(responsesDialect.createTap({ includeUsage: true }).see(Buffer.from('data: [DONE]\n\n'))).toEqual({
      kind: 'ping',
      hide: true,
    })
  })

  test('an end that cannot be read is an error', () => {
    const sighting = responsesDialect
      .createTap({ includeUsage: true })
      .see(Buffer.from('event: response.completed\ndata: {"resp\n\n'))

    expect(sighting).toMatchObject({ kind: 'error', failure: { kind: 'invalid' } })
  })

  test('its error frame takes the next number', () => {
    const tap = responsesDialect.createTap({ includeUsage: true })
    for (const frame of framesOf(bytesOf('text.sse')).slice(0, 6)) tap.see(Buffer.from(frame))

    const [event] = eventsOf([Buffer.from(tap.fail({ status: 502, type: 'server_error', message: 'cut' }, 'x'))])

    expect(event?.event).toBe('response.failed')
    expect(JSON.parse(event?.data ?? '')).toMatchObject({
      sequence_number: 6,
      response: { id: 'resp_0a1', status: 'failed', error: { code: 'server_error', message: 'cut' } },
    })
  })
})

describe('the encoder', () => {
  test.each(FINISHED)('writes %s chunk by chunk', async (name) => {
    const encoder = responsesDialect.createEncoder(encodeContext())
    const events = decodeAll(responsesWire.createDecoder(decodeContext()), [bytesOf(`${name}.sse`)])

    const frames = events.map((event) => `# ${event.type}\n${encoder.encode(event)}`)

    await expect(frames.join('')).toMatchFileSnapshot(goldenPath(`${name}.frames`))
  })

  test.each(FINISHED)('says of %s what was read', (name) => {
    const read = collect(decodeAll(responsesWire.createDecoder(decodeContext()), [bytesOf(`${name}.sse`)]))
    const encoder = responsesDialect.createEncoder(encodeContext())
    const events = decodeAll(responsesWire.createDecoder(decodeContext()), [bytesOf(`${name}.sse`)])

    const written = Buffer.from(events.map((event) => encoder.encode(event)).join(''))

    const again = collect(decodeAll(responsesWire.createDecoder(decodeContext()), [written]))
    const { serverTools: _serverTools, ...usage } = read.usage ?? {}
    expect(again).toEqual({ ...read, model: 'fast', usage })
  })
})

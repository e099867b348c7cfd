import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import { createSseParser } from '../../../src/lib/sse.ts'
import type { ModelEvent, Part } from '../../../src/llm/middle.ts'
import type { DecodeContext } from '../../../src/llm/wire.ts'
import { geminiWire } from '../../../src/llm/wires/gemini.ts'

const FOLDER = new URL('../../fixtures/llm/gemini/', import.meta.url)
const STREAMS = ['tools', 'signed-text', 'partial-args', 'blocked', 'overloaded']

function context(): DecodeContext {
  let made = 0
  return { family: 'gemini', newId: (prefix) => `${prefix}_${(made += 1)}` }
}

/** Decodes a stream that arrives cut at the given places. */
function decode(bytes: Buffer, cuts: readonly number[] = []): { chunks: ModelEvent[][]; events: ModelEvent[] } {
  const decoder = geminiWire.createDecoder(context())
  const chunks: ModelEvent[][] = []
  const parser = createSseParser({ onEvent: ({ event, data }) => chunks.push([...decoder.push({ event, data })]) }, 1 << 20)
  let from = 0
  for (const cut of [...cuts, bytes.length]) {
    parser.push(bytes.subarray(from, cut))
    from = cut
  }
  chunks.push([...decoder.close()])
  return { chunks, events: chunks.flat() }
}

const read = (name: string) => readFileSync(new URL(name, FOLDER))
const push = (body: unknown) => geminiWire.createDecoder(context()).push({ event: '', data: JSON.stringify(body) })

describe('recorded streams', () => {
  test.each(STREAMS)('%s gives its events, chunk by chunk', async (name) => {
    const { chunks } = decode(read(`${name}.sse`))

    const lines = chunks.map((events) => events.map((event) => JSON.stringify(event)).join('\n')).join('\n\n')
    await expect(`${lines}\n`).toMatchFileSnapshot(new URL(`${name}.events.jsonl`, FOLDER).pathname)
  })

  test.each(STREAMS)('%s gives the same events however its bytes are cut', (name) => {
    const bytes = read(`${name}.sse`)
    const { events } = decode(bytes)

    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (places) => {
        const cuts = places.toSorted((one, other) => one - other)
        expect(decode(bytes, cuts).events).toEqual(events)
      }),
      { numRuns: 100 },
    )
    expect(decode(bytes, [...bytes.keys()]).events).toEqual(events)
  })

  test.each(['tools', 'signed-text', 'partial-args', 'blocked'])('%s cut after any chunk has no end', (name) => {
    const frames = read(`${name}.sse`).toString().split('\n\n').filter(Boolean)

    for (let kept = 0; kept < frames.length; kept += 1) {
      const { events } = decode(
        Buffer.from(
          frames
            .slice(0, kept)
            .map((frame) => `${frame}\n\n`)
            .join(''),
        ),
      )
      expect(events.some(({ type }) => type === 'finish' || type === 'end')).toBe(false)
    }
  })

  test.each(['tools', 'signed-text'])('%s as one whole answer has the same parts', (name) => {
    const bytes = read(`${name}.sse`)
    const bodies = bytes
      .toString()
      .split('\n\n')
      .filter(Boolean)
      .map((frame) => JSON.parse(frame.slice('data: '.length)) as JsonObject)

    const whole = geminiWire.decodeAnswer(joined(bodies), context())

    const { events } = decode(bytes)
    expect(whole.parts.map(withoutMadeIds)).toEqual(partsOf(events).map(withoutMadeIds))
    expect(whole.stop).toBe(events.find((event) => event.type === 'finish')?.stop)
    expect(whole.usage).toEqual(events.findLast((event) => event.type === 'usage')?.usage)
  })
})

describe('the decoder', () => {
  test.each<[string, string]>([
    ['text that is no JSON', '{"candidates":'],
    ['a number', '5'],
    ['null', 'null'],
  ])('%s is an error of kind invalid, and nothing follows it', (_name, data) => {
    const decoder = geminiWire.createDecoder(context())

    const events = decoder.push({ event: '', data })

    expect(events).toMatchObject([{ type: 'error', failure: { kind: 'invalid' } }])
    expect(decoder.push({ event: '', data: '{"candidates":[{"finishReason":"STOP"}]}' })).toEqual([])
    expect(decoder.close()).toEqual([])
  })

  test.each<[string, unknown]>([
    ['candidates that are no list', { candidates: 4 }],
    ['a candidate that is null', { candidates: [null] }],
    ['content without parts', { candidates: [{ content: {} }] }],
    [
      'parts of odd types',
      { candidates: [{ content: { parts: [null, 3, { text: 5 }, { functionCall: 'x' }, { inlineData: {} }] } }] },
    ],
    ['a second candidate', { candidates: [{ index: 1, content: { parts: [{ text: 'other' }] } }] }],
    ['usage of odd types', { candidates: [], usageMetadata: { promptTokenCount: '7', totalTokenCount: {} } }],
    ['a body nobody knows', { hello: 1 }],
  ])('%s gives no content and no failure', (_name, body) => {
    expect(push(body).filter(({ type }) => type !== 'start')).toEqual([])
  })

  test('an error wrapped in a list is read', () => {
    expect(push([{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'slow down' } }])).toMatchObject([
      { type: 'error', failure: { kind: 'rate_limited', status: 429, message: 'slow down' } },
    ])
  })

  test('names that were changed on the way out come back', () => {
    const decoder = geminiWire.createDecoder({ ...context(), toolNames: new Map([['_a_b', 'a/b']]) })

    const events = decoder.push({
      event: '',
      data: JSON.stringify({ candidates: [{ content: { parts: [{ functionCall: { name: '_a_b' } }] } }] }),
    })

    expect(events).toContainEqual({ type: 'tool-start', index: 0, id: 'call_2', name: 'a/b' })
    expect(events).toContainEqual({ type: 'tool-delta', index: 0, json: '{}' })
  })

  test.each<[string, string, boolean]>([
    ['STOP', 'end', false],
    ['STOP', 'tool', true],
    ['MAX_TOKENS', 'length', true],
    ['SAFETY', 'filtered', false],
    ['RECITATION', 'filtered', false],
    ['IMAGE_SAFETY', 'filtered', false],
    ['MALFORMED_FUNCTION_CALL', 'malformed', false],
    ['UNEXPECTED_TOOL_CALL', 'malformed', true],
    ['TOO_MANY_TOOL_CALLS', 'malformed', false],
    ['CONTINUATION', 'paused', false],
    ['OTHER', 'end', false],
    ['SOMETHING_NEW', 'end', false],
  ])('%s is %s (with a call: %j)', (finishReason, stop, hasCall) => {
    const parts = hasCall ? [{ functionCall: { name: 'f', args: {} } }] : [{ text: 'x' }]
    const body = { candidates: [{ content: { parts }, finishReason }] }
    const decoder = geminiWire.createDecoder(context())

    decoder.push({ event: '', data: JSON.stringify(body) })

    expect(decoder.close()).toContainEqual({ type: 'finish', stop })
    expect(geminiWire.decodeAnswer(body, context()).stop).toBe(stop)
  })

  test('whatever is pushed, it never throws and its events are in order', () => {
    const text = fc.constantFrom('', 'a', 'b')
    const part = fc.oneof(
      fc.record({ text, thought: fc.boolean() }),
      fc.record({ text, thoughtSignature: text }),
      fc.record({ functionCall: fc.record({ name: text, willContinue: fc.boolean(), args: fc.object() }, { requiredKeys: [] }) }),
      fc.jsonValue(),
    )
    const chunk = fc.oneof(
      fc.record({
        candidates: fc.array(fc.record({ content: fc.record({ parts: fc.array(part) }), finishReason: text }), { maxLength: 2 }),
      }),
      fc.jsonValue(),
    )
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 8 }), (chunks) => {
        const decoder = geminiWire.createDecoder(context())
        const events = chunks.flatMap((body) => [...decoder.push({ event: '', data: JSON.stringify(body) ?? '' })])
        checkOrder([...events, ...decoder.close()])
      }),
      { numRuns: 300 },
    )
  })
})

function joined(bodies: readonly JsonObject[]): JsonObject {
  const candidates = bodies.flatMap((body) => body['candidates'] as JsonObject[])
  const parts = candidates.flatMap(({ content }) => (isJsonObject(content) ? (content['parts'] as JsonObject[]) : []))
  const { finishReason } = candidates.at(-1) ?? {}
  return { ...bodies.at(-1), candidates: [{ content: { role: 'model', parts }, finishReason, index: 0 }] }
}

function withoutMadeIds(part: Part): Part {
  return part.type === 'tool-call' && part.id.startsWith('call_') ? { ...part, id: 'made' } : part
}

/** Puts the parts of a stream together, as a caller would. */
function partsOf(events: readonly ModelEvent[]): Part[] {
  const parts: Part[] = []
  for (const event of events) {
    if (event.type === 'text-start') parts[event.index] = { type: 'text', text: '' }
    if (event.type === 'reasoning-start') parts[event.index] = { type: 'reasoning', text: '' }
    if (event.type === 'tool-start') parts[event.index] = { type: 'tool-call', id: event.id, name: event.name, arguments: '' }
    if (!('index' in event)) continue
    const part = parts[event.index]
    if (event.type === 'text-delta' && part?.type === 'text') parts[event.index] = { ...part, text: part.text + event.text }
    if (event.type === 'reasoning-delta' && part?.type === 'reasoning')
      parts[event.index] = { ...part, text: part.text + event.text }
    if (event.type === 'tool-delta' && part?.type === 'tool-call')
      parts[event.index] = { ...part, arguments: part.arguments + event.json }
    if ((event.type === 'tool-end' || event.type === 'reasoning-end') && event.signature && part !== undefined)
      parts[event.index] = { ...part, signature: event.signature } as Part
  }
  return parts
}

/** What every decoder promises: start first, indexes dense, parts begun before their deltas and over before finish, finish before end. */
function checkOrder(events: readonly ModelEvent[]): void {
  const open = new Set<number>()
  let next = 0
  for (const [place, event] of events.entries()) {
    expect(event.type === 'start', JSON.stringify(events)).toBe(place === 0 && event.type !== 'error')
    if ('index' in event && event.type.endsWith('-start')) {
      expect(event.index).toBe(next)
      next += 1
      open.add(event.index)
    } else if ('index' in event) expect(open.has(event.index)).toBe(true)
    if ('index' in event && event.type.endsWith('-end')) open.delete(event.index)
    if (event.type === 'finish') expect([open.size, events.slice(place + 1)]).toEqual([0, [{ type: 'end' }]])
    if (event.type === 'error') expect(events.length).toBe(place + 1)
  }
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { createSseParser } from '../../../src/lib/sse.ts'
import { messagesDialect } from '../../../src/llm/dialects/messages.ts'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import type { DecodeContext, EncodeContext } from '../../../src/llm/wire.ts'
import { messagesWire } from '../../../src/llm/wires/messages.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures/llm/messages')
const recorded = readFileSync(join(FIXTURES, 'thinking-and-tools.sse'))
const golden = (name: string) => join(FIXTURES, name)
const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
const lines = (events: readonly unknown[]) => `${events.map((event) => JSON.stringify(event)).join('\n')}\n`

const decoding: DecodeContext = { family: 'anthropic', newId: (prefix) => `${prefix}_new` }
const encoding: EncodeContext = {
  model: 'smart',
  created: 1_790_000_000,
  includeUsage: true,
  estimatedInput: 7,
  newId: (prefix) => `${prefix}_new`,
}

function decode(chunks: readonly Buffer[], context = decoding): ModelEvent[] {
  const decoder = messagesWire.createDecoder(context)
  const events: ModelEvent[] = []
  const parser = createSseParser({ onEvent: (event) => void events.push(...decoder.push(event)) }, 1_000_000)
  for (const chunk of chunks) parser.push(chunk)
  return [...events, ...decoder.close()]
}

const push = (...bodies: (JsonObject | string)[]) => {
  const decoder = messagesWire.createDecoder(decoding)
  return bodies.flatMap((body) => decoder.push({ event: '', data: typeof body === 'string' ? body : JSON.stringify(body) }))
}

function frames(text: Buffer): Buffer[] {
  return text
    .toString()
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => Buffer.from(`${frame}\n\n`))
}

function tapped(text: Buffer) {
  const tap = messagesDialect.createTap({ includeUsage: true })
  const kinds = frames(text).map((frame) => tap.see(frame).kind)
  return { tap, kinds }
}

describe('the decoder of Messages streams', () => {
  test('reads thoughts, words and three calls', async () => {
    await expect(lines(decode([recorded]))).toMatchFileSnapshot(golden('thinking-and-tools.events.jsonl'))
  })

  test('gives the same events wherever the bytes are cut', () => {
    const expected = decode([recorded])
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(recorded.length), { maxLength: 40 }), (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), recorded.length]
        const chunks = places.slice(1).map((end, index) => recorded.subarray(places[index], end))

        expect(decode(chunks)).toEqual(expected)
      }),
      { numRuns: 50 },
    )
    expect(decode([...recorded].map((byte) => Buffer.of(byte)))).toEqual(expected)
    expect(decode([Buffer.from(recorded.toString().replaceAll('\n', '\r\n'))])).toEqual(expected)
  })

  test('never throws and never breaks the order of events, whatever arrives', () => {
    const type = fc.constantFrom(
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
      'ping',
    )
    const block = fc.record(
      {
        type: fc.constantFrom('text', 'thinking', 'tool_use', 'redacted_thinking', 'image'),
        text: fc.anything(),
        input: fc.anything(),
        id: fc.anything(),
      },
      { requiredKeys: [] },
    )
    const delta = fc.record(
      {
        type: fc.constantFrom('text_delta', 'thinking_delta', 'input_json_delta', 'signature_delta', 'citations_delta'),
        text: fc.anything(),
        partial_json: fc.anything(),
        stop_reason: fc.anything(),
      },
      { requiredKeys: [] },
    )
    const event = fc.record(
      { type, index: fc.nat(3), content_block: block, delta, usage: fc.anything(), message: fc.anything() },
      { requiredKeys: ['type'] },
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (bodies) => {
        const decoder = messagesWire.createDecoder(decoding)
        const events = bodies.flatMap((body) => decoder.push({ event: '', data: JSON.stringify(body) }))

        expectOrder(events)
      }),
    )
  })

  test('a stream without a start or a stop reason is filled in', () => {
    const events = push(
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'Hi' } },
      { type: 'message_stop' },
    )

    expect(events.map(({ type }) => type)).toEqual(['start', 'text-start', 'text-delta', 'text-end', 'finish', 'end'])
  })

  test('input that comes whole with the call is its arguments', () => {
    const events = push(
      { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 'a', name: 'f', input: { x: 1 } } },
      { type: 'content_block_stop', index: 0 },
    )

    expect(events).toContainEqual({ type: 'tool-delta', index: 0, json: '{"x":1}' })
  })

  test('a tool goes by the name the caller gave it', () => {
    const decoder = messagesWire.createDecoder({ ...decoding, toolNames: new Map([['a_b_1', 'a.b']]) })
    const data = JSON.stringify({
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'tool_use', id: 'x', name: 'a_b_1' },
    })

    expect(decoder.push({ event: '', data })).toContainEqual({ type: 'tool-start', index: 0, id: 'x', name: 'a.b' })
  })

  test.each([
    [
      'an error event',
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      { kind: 'overloaded', message: 'Overloaded' },
    ],
    ['text that is no JSON', '{"type":', { kind: 'invalid', message: 'an event of the stream is not JSON' }],
    ['JSON that is no object', '[1]', { kind: 'invalid', message: 'an event of the stream is not JSON' }],
  ])('%s is the last event', (_name, body, failure) => {
    expect(push(body, { type: 'message_stop' })).toEqual([{ type: 'error', failure }])
  })

  test.each([
    ['end_turn', 'end'],
    ['stop_sequence', 'end'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['refusal', 'filtered'],
    ['pause_turn', 'paused'],
    ['tool_use', 'end'],
    ['something_new', 'end'],
  ])('%s without a call means %s', (reason, stop) => {
    const events = push({ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null } })

    expect(events).toContainEqual({ type: 'finish', stop })
  })
})

function expectOrder(events: readonly ModelEvent[]): void {
  const open = new Set<number>()
  let next = 0
  let stage = 0
  for (const event of events) {
    if (event.type === 'start') expect(stage).toBe(0)
    if (event.type === 'finish') expect(open.size).toBe(0)
    if (event.type === 'start') stage = 1
    if (event.type === 'finish') stage = 2
    if (!('index' in event)) continue
    expect(stage).toBe(1)
    if (event.type.endsWith('-start')) {
      expect(event.index).toBe(next)
      next += 1
      open.add(event.index)
    } else expect(open.has(event.index)).toBe(true)
    if (event.type.endsWith('-end')) open.delete(event.index)
  }
}

describe('usage', () => {
  const whole = (usage: JsonObject) => messagesWire.usageOf({ type: 'message', usage })
  const base = { inputAudio: 0, inputImage: 0, outputAudio: 0, source: 'provider' }

  test.each<[string, JsonObject, object | undefined]>([
    [
      'plain',
      { input_tokens: 5, output_tokens: 3 },
      { input: 5, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 3, reasoning: 0 },
    ],
    [
      'cache beside the input, split by lifetime, thoughts inside the output',
      {
        input_tokens: 5,
        cache_read_input_tokens: 100,
        cache_creation_input_tokens: 30,
        cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
        output_tokens: 50,
        output_tokens_details: { thinking_tokens: 40 },
      },
      { input: 5, cacheRead: 100, cacheWrite5m: 10, cacheWrite1h: 20, output: 10, reasoning: 40 },
    ],
    [
      'writes without a split last five minutes',
      { input_tokens: 0, cache_creation_input_tokens: 30, output_tokens: 0 },
      { input: 0, cacheRead: 0, cacheWrite5m: 30, cacheWrite1h: 0, output: 0, reasoning: 0 },
    ],
    [
      'a split without a total',
      { input_tokens: 1, cache_creation: { ephemeral_1h_input_tokens: 7 }, output_tokens: 1 },
      { input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 7, output: 1, reasoning: 0 },
    ],
    [
      'nulls are absent',
      { input_tokens: 1, cache_read_input_tokens: null, cache_creation: null, output_tokens: 1, output_tokens_details: null },
      { input: 1, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 1, reasoning: 0 },
    ],
    [
      'server tools are counted by name',
      { input_tokens: 1, output_tokens: 1, server_tool_use: { web_search_requests: 2, web_fetch_requests: 0 } },
      {
        input: 1,
        cacheRead: 0,
        cacheWrite5m: 0,
        cacheWrite1h: 0,
        output: 1,
        reasoning: 0,
        serverTools: { web_search_requests: 2 },
      },
    ],
    [
      'iterations are summed',
      {
        input_tokens: 2,
        output_tokens: 2,
        iterations: [
          { type: 'compaction', input_tokens: 100, output_tokens: 10, cache_read_input_tokens: 5 },
          { type: 'message', input_tokens: 2, output_tokens: 2, cache_creation_input_tokens: 3 },
        ],
      },
      { input: 102, cacheRead: 5, cacheWrite5m: 3, cacheWrite1h: 0, output: 12, reasoning: 0 },
    ],
    ['a count that is text', { input_tokens: '5', output_tokens: 3 }, undefined],
    ['a negative count', { input_tokens: 5, output_tokens: -3 }, undefined],
    ['a fraction', { input_tokens: 5.5, output_tokens: 3 }, undefined],
    ['no output', { input_tokens: 5 }, undefined],
    ['no counts at all', {}, undefined],
  ])('%s', (_name, usage, counts) => {
    expect(whole(usage)).toEqual(counts === undefined ? undefined : { ...base, ...counts })
  })

  test('billable input is what the provider says it is, for any counts', () => {
    const count = fc.nat(1_000_000)
    fc.assert(
      fc.property(fc.tuple(count, count, count, count, count), ([input, read, written, output, thinking]) => {
        const usage = whole({
          input_tokens: input,
          cache_read_input_tokens: read,
          cache_creation_input_tokens: written,
          output_tokens: output,
          output_tokens_details: { thinking_tokens: thinking },
        })

        expect(usage && usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h).toBe(input + read + written)
        expect(usage && usage.output + usage.reasoning).toBe(output)
      }),
    )
  })

  test('of a stream is replaced field by field, and tap and decoder agree', () => {
    const counted = decode([recorded]).findLast((event) => event.type === 'usage')?.usage

    expect(counted).toEqual({
      ...base,
      input: 12,
      cacheRead: 310,
      cacheWrite5m: 1_500,
      cacheWrite1h: 300,
      output: 44,
      reasoning: 100,
      serverTools: { web_search_requests: 1 },
    })
    expect(tapped(recorded).tap.usage()).toEqual(counted)
  })
})

describe('a whole answer', () => {
  const answer = JSON.parse(readFileSync(golden('whole.answer.json'), 'utf8')) as JsonObject

  test('is read', async () => {
    await expect(pretty(messagesWire.decodeAnswer(answer, decoding))).toMatchFileSnapshot(golden('whole.decoded.json'))
  })

  test('is written in the words of the dialect', async () => {
    const decoded = messagesWire.decodeAnswer(answer, decoding)

    await expect(pretty(messagesDialect.encodeAnswer(decoded, encoding))).toMatchFileSnapshot(golden('whole.encoded.json'))
  })

  test.each([
    ['an error body', { type: 'error', error: { type: 'api_error', message: 'x' } }],
    ['no content', { type: 'message' }],
  ])('%s is none', (_name, body) => {
    expect(() => messagesWire.decodeAnswer(body, decoding)).toThrow(expect.objectContaining({ code: 'upstream_invalid' }))
  })
})

describe('the encoder of Messages streams', () => {
  const encode = (events: readonly ModelEvent[]) => {
    const encoder = messagesDialect.createEncoder(encoding)
    return events.map((event) => encoder.encode(event)).join('')
  }
  const tool = (index: number): ModelEvent[] => [
    { type: 'tool-start', index, id: `id${index}`, name: 'f' },
    { type: 'tool-delta', index, json: `{"n":${index}}` },
  ]

  test('writes what the decoder read', async () => {
    await expect(encode(decode([recorded]))).toMatchFileSnapshot(golden('thinking-and-tools.encoded.sse'))
  })

  test('a stream that is decoded and encoded decodes to the same parts', () => {
    const once = decode([recorded])
    const twice = decode([Buffer.from(encode(once))])

    expect(toParts(twice)).toEqual(toParts(once))
    expect(twice.findLast((event) => event.type === 'usage')).toEqual(once.findLast((event) => event.type === 'usage'))
    expect(twice.find((event) => event.type === 'finish')?.stop).toBe('tool')
  })

  test('calls that interleave follow each other on the wire', () => {
    const [first, second, third] = [tool(0), tool(1), tool(2)]
    const text = encode([
      { type: 'start', id: 'msg_1' },
      first[0]!,
      second[0]!,
      third[0]!,
      third[1]!,
      first[1]!,
      { type: 'tool-end', index: 2 },
      second[1]!,
      { type: 'tool-end', index: 0 },
      { type: 'tool-end', index: 1 },
      { type: 'finish', stop: 'tool' },
      { type: 'end' },
    ])

    expect(sequence(text)).toEqual(['+0', '~0', '-0', '+1', '~1', '-1', '+2', '~2', '-2'])
    expect(toParts(decode([Buffer.from(text)])).map((part) => part.text)).toEqual(['{"n":0}', '{"n":1}', '{"n":2}'])
  })

  test('words that were interrupted go on in a new block', () => {
    const text = encode([
      { type: 'start', id: 'msg_1' },
      { type: 'text-start', index: 0 },
      { type: 'text-delta', index: 0, text: 'a' },
      ...tool(1),
      { type: 'text-delta', index: 0, text: 'b' },
      { type: 'tool-end', index: 1 },
      { type: 'text-end', index: 0 },
      { type: 'finish', stop: 'tool' },
      { type: 'end' },
    ])

    expect(sequence(text)).toEqual(['+0', '~0', '-0', '+1', '~1', '-1', '+2', '~2', '-2'])
  })

  test('what waits is bounded: then parts are written as they come', () => {
    const encoder = messagesDialect.createEncoder(encoding)
    for (const event of [...tool(0), ...tool(1)]) encoder.encode(event)

    const written = encoder.encode({ type: 'tool-delta', index: 1, json: 'x'.repeat(300_000) })
    expect(written.length).toBeGreaterThan(300_000)
    expect(sequence(encoder.encode({ type: 'tool-delta', index: 0, json: 'y' }))).toEqual(['~0'])
    expect(sequence(encoder.encode({ type: 'tool-delta', index: 1, json: 'z' }))).toEqual(['~1'])
  })

  test('keeps every part, in any order of events', () => {
    const kinds = fc.array(fc.constantFrom('text', 'reasoning', 'tool'), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(kinds, fc.array(fc.nat(4), { maxLength: 30 }), (parts, order) => {
        const events: ModelEvent[] = [
          { type: 'start', id: 'm' },
          ...woven(parts, order),
          { type: 'finish', stop: 'end' },
          { type: 'end' },
        ]
        const said = (list: readonly ModelEvent[], kind: string) =>
          toParts(list)
            .filter((part) => part.kind === kind)
            .map(({ text }) => text)
        const read = decode([Buffer.from(encode(events))])

        expect(said(read, 'tool')).toEqual(said(events, 'tool'))
        expect(said(read, 'reasoning')).toEqual(said(events, 'reasoning'))
        expect(said(read, 'text').join('').length).toBe(said(events, 'text').join('').length)
        expectSequential(encode(events))
      }),
    )
  })

  test.each<{ name: string; events: ModelEvent[]; expected: string[] }>([
    {
      name: 'an empty text is no block',
      events: [
        { type: 'text-start', index: 0 },
        { type: 'text-end', index: 0 },
      ],
      expected: [],
    },
    {
      name: 'a thought without words but with a signature is a block',
      events: [
        { type: 'reasoning-start', index: 0 },
        { type: 'reasoning-end', index: 0, signature: { family: 'anthropic', value: 'Eq' } },
      ],
      expected: [
        '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Eq"}}',
        '{"type":"content_block_stop","index":0}',
      ],
    },
    {
      name: 'a foreign signature is packed',
      events: [
        { type: 'reasoning-start', index: 0 },
        { type: 'reasoning-end', index: 0, signature: { family: 'gemini', value: 'Gs' } },
      ],
      expected: [
        '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"tg1.gemini.R3M"}}',
        '{"type":"content_block_stop","index":0}',
      ],
    },
  ])('$name', ({ events, expected }) => {
    const data = encode([{ type: 'start', id: 'm' }, ...events])
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => line.slice(6))

    expect(data.slice(1)).toEqual(expected)
  })

  test.each<[string, ModelEvent[], string]>([
    [
      'a stop sequence',
      [{ type: 'finish', stop: 'end', stopSequence: 'END' }],
      '"stop_reason":"stop_sequence","stop_sequence":"END"',
    ],
    ['length', [{ type: 'finish', stop: 'length' }], '"stop_reason":"max_tokens"'],
    ['filtered', [{ type: 'finish', stop: 'filtered' }], '"stop_reason":"refusal"'],
    ['paused', [{ type: 'finish', stop: 'paused' }], '"stop_reason":"pause_turn"'],
    [
      'words of refusal',
      [
        { type: 'refusal-start', index: 0 },
        { type: 'refusal-delta', index: 0, text: 'No.' },
        { type: 'refusal-end', index: 0 },
        { type: 'finish', stop: 'end' },
      ],
      '"stop_reason":"refusal"',
    ],
  ])('ends after %s with its reason', (_name, events, expected) => {
    expect(encode([...events, { type: 'end' }])).toContain(expected)
  })

  test('usage the provider never gave is a rough count, usage that comes last is still told', () => {
    const words: ModelEvent[] = [
      { type: 'text-start', index: 0 },
      { type: 'text-delta', index: 0, text: 'abcdefgh' },
    ]
    const usage = {
      input: 9,
      cacheRead: 1,
      cacheWrite5m: 0,
      cacheWrite1h: 0,
      inputAudio: 0,
      inputImage: 0,
      output: 4,
      reasoning: 1,
      outputAudio: 0,
      source: 'provider' as const,
    }

    expect(encode([...words, { type: 'finish', stop: 'end' }, { type: 'end' }])).toContain(
      '"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}',
    )
    expect(encode([...words, { type: 'finish', stop: 'end' }, { type: 'usage', usage }, { type: 'end' }])).toMatch(
      /message_delta.*"input_tokens":9.*"cache_read_input_tokens":1.*"output_tokens":5/,
    )
  })

  test('fails in the form of the dialect, and pings', () => {
    const error = { status: 502, type: 'api_error', message: 'the stream broke off' }

    const frame = messagesDialect.createEncoder(encoding).fail(error, 'x-1')
    expect(frame).toBe(
      'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"the stream broke off"},"request_id":"x-1"}\n\n',
    )
    expect(encode([{ type: 'ping' }])).toBe(messagesDialect.keepAlive())
    expect(messagesDialect.keepAlive()).toBe('event: ping\ndata: {"type":"ping"}\n\n')
  })
})

/** Start, deltas and end of each block, as `+0`, `~0`, `-0`; deltas of a block in a row count once. */
function sequence(text: string): string[] {
  const marks = decodeFrames(text).flatMap(({ type, index }) => {
    if (type === 'content_block_start') return [`+${index}`]
    if (type === 'content_block_delta') return [`~${index}`]
    return type === 'content_block_stop' ? [`-${index}`] : []
  })
  return marks.filter((mark, at) => mark !== marks[at - 1])
}

function decodeFrames(text: string): { type: string; index?: number }[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice(6)) as { type: string; index?: number })
}

function expectSequential(text: string): void {
  let open: number | undefined
  let next = 0
  for (const { type, index } of decodeFrames(text)) {
    if (type === 'content_block_start') {
      expect([open, index]).toEqual([undefined, next])
      open = index
      next += 1
    } else if (type.startsWith('content_block')) expect(index).toBe(open)
    if (type === 'content_block_stop') open = undefined
  }
}

/** Parts in any interleaving that keeps the rules of the middle form. */
function woven(kinds: readonly string[], order: readonly number[]): ModelEvent[] {
  const events: ModelEvent[] = kinds.map((kind, index) => startOf(kind, index))
  for (const [step, pick] of order.entries()) {
    const index = pick % kinds.length
    const kind = kinds[index]
    if (kind === 'tool') events.push({ type: 'tool-delta', index, json: `${step},` })
    else events.push({ type: kind === 'text' ? 'text-delta' : 'reasoning-delta', index, text: `${step},` })
  }
  for (const [index, kind] of kinds.entries())
    events.push(
      kind === 'tool'
        ? { type: 'tool-end', index }
        : {
            type: kind === 'text' ? 'text-end' : 'reasoning-end',
            index,
            ...(kind === 'reasoning' ? { signature: { family: 'anthropic', value: 's' } } : {}),
          },
    )
  return events
}

function startOf(kind: string, index: number): ModelEvent {
  if (kind === 'tool') return { type: 'tool-start', index, id: `id${index}`, name: 'f' }
  return { type: kind === 'text' ? 'text-start' : 'reasoning-start', index }
}

function toParts(events: readonly ModelEvent[]): { kind: string; text: string; end?: unknown }[] {
  const parts: { kind: string; text: string; end?: unknown }[] = []
  for (const event of events) {
    if (!('index' in event)) continue
    const part = (parts[event.index] ??= { kind: event.type.split('-')[0]!, text: '' })
    if ('text' in event) part.text += event.text
    if ('json' in event) part.text += event.json
    if (event.type === 'reasoning-end') part.end = [event.signature, event.redacted]
  }
  // A call without arguments may be written as nothing or as an empty object.
  return parts.map((part) => (part.kind === 'tool' && part.text === '' ? { ...part, text: '{}' } : part))
}

describe('the tap of Messages streams', () => {
  test('sees preamble, content, finish and end', () => {
    const { tap, kinds } = tapped(recorded)

    expect(kinds.slice(0, 5)).toEqual(['preamble', 'preamble', 'ping', 'content', 'content'])
    expect(kinds.slice(-3)).toEqual(['content', 'finish', 'end'])
    expect(tap.model()).toBe('claude-opus-4-6')
  })

  test('usage is the same object until it changes', () => {
    const { tap } = tapped(recorded)

    expect(tap.usage()).toBe(tap.usage())
  })

  test.each<[string, string, string]>([
    ['an error', 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n', 'error'],
    ['an error without a name', 'data: {"type":"error","error":{"type":"api_error","message":"x"}}\n\n', 'error'],
    [
      'a delta without a name',
      'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n',
      'content',
    ],
    ['a delta with CRLF', 'event: content_block_delta\r\ndata: {"type":"content_block_delta"}\r\n\r\n', 'content'],
    ['a comment', ': keep-alive\n\n', 'ping'],
    [
      'an empty text block',
      'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"text","text":""}}\n\n',
      'preamble',
    ],
    [
      'a call',
      'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}\n\n',
      'content',
    ],
    ['an event to come', 'event: later\ndata: {"type":"later"}\n\n', 'preamble'],
    ['garbage', 'event: message_start\ndata: {"type"\n\n', 'preamble'],
    [
      'a word in the text that looks like an event',
      'event: content_block_delta\ndata: {"delta":{"text":"event: error message_stop"}}\n\n',
      'content',
    ],
  ])('%s', (_name, frame, kind) => {
    expect(messagesDialect.createTap({ includeUsage: true }).see(Buffer.from(frame)).kind).toBe(kind)
  })

  test('an error carries the failure', () => {
    const frame = Buffer.from(
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    )

    expect(messagesDialect.createTap({ includeUsage: true }).see(frame).failure).toEqual({
      kind: 'overloaded',
      message: 'Overloaded',
    })
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import { createSseParser } from '../../../src/lib/sse.ts'
import { chatDialect } from '../../../src/llm/dialects/chat.ts'
import type { DecodeContext, EncodeContext } from '../../../src/llm/wire.ts'
import { chatWire } from '../../../src/llm/wires/chat.ts'
import { PROFILE_TABLE } from '../../../src/llm/providers/openai-compatible-profiles.ts'
import { decodeContext, eventsOf, framesOf, golden, parseObject, STREAMS, streamBytes } from './chat-fixtures.ts'

const encodeContext = (includeUsage: boolean): EncodeContext => ({
  model: 'smart',
  created: 1_790_000_000,
  includeUsage,
  estimatedInput: 0,
  newId: (prefix) => `${prefix}_x`,
})

const encodeAll = (events: readonly ModelEvent[], includeUsage = true) => {
  const encoder = chatDialect.createEncoder(encodeContext(includeUsage))
  return events.map((event) => encoder.encode(event)).join('')
}

/** Drops what the way through a dialect may change: ids of parts, the provider's name of the model, empty thoughts. */
function gist(events: readonly ModelEvent[]) {
  const words = (type: 'text-delta' | 'refusal-delta' | 'reasoning-delta') =>
    events.map((event) => (event.type === type ? event.text : '')).join('')
  const calls = events.flatMap((event) =>
    event.type === 'tool-start'
      ? [
          {
            id: event.id,
            name: event.name,
            json: events.map((one) => (one.type === 'tool-delta' && one.index === event.index ? one.json : '')).join('') || '{}',
          },
        ]
      : [],
  )
  const usage = events.findLast((event) => event.type === 'usage')
  return {
    text: words('text-delta'),
    refusal: words('refusal-delta'),
    reasoning: words('reasoning-delta'),
    calls,
    usage: usage?.usage,
    ends: events.filter(({ type }) => type === 'finish' || type === 'end' || type === 'error'),
  }
}

/** The promises of a decoder, as wire.ts and middle.ts make them. */
function assertOrder(events: readonly ModelEvent[]) {
  const open = new Set<number>()
  let next = 0
  let finished = false
  for (const [at, event] of events.entries()) {
    if (event.type === 'start') expect(at).toBe(0)
    if ('index' in event && event.type.endsWith('-start')) {
      expect(event.index).toBe(next)
      next += 1
      open.add(event.index)
    } else if ('index' in event) {
      expect(open.has(event.index)).toBe(true)
      expect(finished).toBe(false)
      if (event.type.endsWith('-end')) open.delete(event.index)
    }
    if (event.type === 'finish') {
      expect(open.size).toBe(0)
      finished = true
    }
    if (event.type === 'end') expect(finished).toBe(true)
  }
}

describe('a stream of the chat wire', () => {
  test.each(STREAMS)('%s gives its golden events', async (name) => {
    const events = eventsOf([streamBytes(name)])

    assertOrder(events)
    await expect(`${events.map((event) => JSON.stringify(event)).join('\n')}\n`).toMatchFileSnapshot(
      golden(`${name}.events.jsonl`),
    )
  })

  test.each(STREAMS)('%s gives the same events however it is cut', (name) => {
    const bytes = streamBytes(name)
    const whole = eventsOf([bytes])

    expect(eventsOf([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (places) => {
        const cuts = [0, ...places.toSorted((a, b) => a - b), bytes.length]
        const chunks = cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end))
        expect(eventsOf(chunks)).toEqual(whole)
      }),
      { numRuns: 30 },
    )
  })

  test.each(STREAMS)('%s with lines that end in CR LF gives the same events', (name) => {
    const bytes = Buffer.from(streamBytes(name).toString().replaceAll('\n', '\r\n'))
    const tap = chatDialect.createTap({ includeUsage: false })
    const plain = chatDialect.createTap({ includeUsage: false })

    expect(eventsOf([bytes])).toEqual(eventsOf([streamBytes(name)]))
    expect(framesOf(bytes).map((frame) => tap.see(frame))).toEqual(framesOf(streamBytes(name)).map((frame) => plain.see(frame)))
  })

  test.each(STREAMS)('%s cut at any byte never looks complete', (name) => {
    const bytes = streamBytes(name)
    const end = bytes.lastIndexOf('data: [DONE]')
    if (end === -1) return

    for (let cut = 0; cut < end; cut += 7) {
      const events = eventsOf([bytes.subarray(0, cut)])
      expect(events.some(({ type }) => type === 'end')).toBe(false)
    }
  })

  test('words for the end of a provider of its own are read', () => {
    const context: DecodeContext = decodeContext({ quirks: PROFILE_TABLE.together.quirks })
    const chunk = (finish: string) =>
      Buffer.from(`data: {"choices":[{"delta":{"content":"a"},"finish_reason":"${finish}"}]}\n\ndata: [DONE]\n\n`)

    expect(eventsOf([chunk('eos')], context).at(-2)).toMatchObject({ type: 'finish', stop: 'end' })
    expect(eventsOf([chunk('constructor')], context).at(-2)).toMatchObject({ type: 'finish', stop: 'end' })
    expect(eventsOf([chunk('content_filter')], context).at(-2)).toMatchObject({ type: 'finish', stop: 'filtered' })
  })

  test('a tool call finds its name again', () => {
    const context = decodeContext({ toolNames: new Map([['get_weather', 'get.weather']]) })

    const calls = gist(eventsOf([streamBytes('openai-three-calls')], context)).calls

    expect(calls.map(({ name }) => name)).toEqual(['get.weather', 'get_time', 'ping'])
  })

  test('whatever a chunk holds, nothing is thrown', () => {
    const value = fc.jsonValue({ maxDepth: 3 })
    const member = fc.constantFrom(
      'choices',
      'delta',
      'tool_calls',
      'function',
      'usage',
      'error',
      'content',
      'index',
      'finish_reason',
    )
    const chunk = fc.letrec((tie) => ({
      node: fc.oneof({ maxDepth: 5 }, value, fc.dictionary(member, tie('node')), fc.array(tie('node'), { maxLength: 3 })),
    })).node
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 4 }), (chunks) => {
        const decoder = chatWire.createDecoder(decodeContext())
        const tap = chatDialect.createTap({ includeUsage: false })
        for (const one of chunks) {
          decoder.push({ event: 'message', data: JSON.stringify(one) })
          tap.see(Buffer.from(`data: ${JSON.stringify(one)}\n\n`))
        }
      }),
    )
  })
})

describe('the encoder', () => {
  test.each(STREAMS)('%s written and read again is the same answer', async (name) => {
    const events = eventsOf([streamBytes(name)])

    const written = encodeAll(events)

    const failed = events.some(({ type }) => type === 'error')
    if (!failed) expect(gist(eventsOf([Buffer.from(written)]))).toEqual(gist(events))
    await expect(written).toMatchFileSnapshot(golden(`${name}.encoded.sse`))
  })

  test('usage is said once, last, and only when asked for', () => {
    const events = eventsOf([streamBytes('openai-text')])

    const [asked, unasked] = [framesOf(Buffer.from(encodeAll(events))), encodeAll(events, false)]

    expect(unasked).not.toContain('"usage"')
    const usage = parseObject(String(asked.at(-2)).slice('data: '.length))
    expect(usage).toMatchObject({ choices: [], usage: { prompt_tokens: 60, completion_tokens: 18, total_tokens: 78 } })
    expect(String(asked.at(-1))).toBe('data: [DONE]\n\n')
    expect(asked.slice(0, -2).every((frame) => frame.includes('"usage":null'))).toBe(true)
  })

  test('a failure is the last frame, in the form of OpenAI, without an end mark', () => {
    const encoder = chatDialect.createEncoder(encodeContext(true))
    const error = { status: 502, type: 'server_error', code: 'upstream_interrupted', message: 'it broke off' }

    expect(encoder.fail(error, 'id-1')).toBe(
      'data: {"error":{"message":"it broke off","type":"server_error","param":null,"code":"upstream_interrupted"},"request_id":"id-1"}\n\n',
    )
  })
})

describe('the tap', () => {
  const tapAll = (name: string, includeUsage: boolean) => {
    const tap = chatDialect.createTap({ includeUsage })
    const seen = framesOf(streamBytes(name)).map((frame) => tap.see(frame))
    return { tap, seen }
  }

  test.each(STREAMS)('%s: tap and decoder agree on usage, model, end and failure', (name) => {
    const events = eventsOf([streamBytes(name)])

    const { tap, seen } = tapAll(name, false)

    const last = events.findLast((event) => event.type === 'usage')
    expect(tap.usage()).toEqual(last?.usage)
    const start = events.find((event) => event.type === 'start')
    if (start !== undefined) expect(tap.model()).toBe(start.model)
    expect(seen.some(({ kind }) => kind === 'end')).toBe(events.some(({ type }) => type === 'end'))
    const error = events.find((event) => event.type === 'error')
    expect(seen.find(({ kind }) => kind === 'error')?.failure).toEqual(error?.failure)
  })

  test.each([
    ['openai-text', 'preamble content content finish finish- end'],
    ['openai-three-calls', 'preamble content content content content content content content finish finish- end'],
    ['azure-filter-frames', 'preamble- preamble content preamble- finish finish- end'],
    ['groq', 'preamble content content finish end'],
    ['deepseek', 'ping preamble ping content content content finish end'],
    ['vllm-continuous', 'preamble content finish finish- end'],
    ['openrouter-error-late', 'content error'],
    ['openai-error-first', 'error'],
    ['cut-after-finish', 'content finish'],
  ])('%s: %s', (name, expected) => {
    const { seen } = tapAll(name, false)

    expect(seen.map(({ kind, hide }) => (hide === true ? `${kind}-` : kind)).join(' ')).toBe(expected)
  })

  test('usage that was asked for is not hidden', () => {
    const { seen } = tapAll('openai-text', true)

    expect(seen.some(({ hide }) => hide === true)).toBe(false)
  })

  test('what a caller gets without hidden frames is the same answer', () => {
    for (const name of STREAMS) {
      const tap = chatDialect.createTap({ includeUsage: false })
      const passed = framesOf(streamBytes(name)).filter((frame) => tap.see(frame).hide !== true)
      const { usage: _usage, ...answer } = gist(eventsOf([streamBytes(name)]))
      expect(gist(eventsOf([Buffer.concat(passed)]))).toMatchObject(answer)
    }
  })

  test.each([
    [
      'blanks between names and values',
      'data: {"choices": [ { "delta" : {"content":"a"}, "finish_reason" : null } ], "usage" : null}\n\n',
      'content',
    ],
    ['no blank after data', 'data:{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n', 'finish'],
    ['an error with blanks', 'data: {"error" : {"message":"x"}}\n\n', 'error'],
    ['an error event', 'event: error\ndata: {"message":"x"}\n\n', 'error'],
    ['garbage with a word that matters', 'data: {"usage":\n\n', 'error'],
    ['data of several lines', 'data: {"choices":[{"delta":{"content":"a"},\ndata: "finish_reason":"stop"}]}\n\n', 'finish'],
  ])('after the first content, %s', (_name, frame, kind) => {
    const tap = chatDialect.createTap({ includeUsage: false })
    tap.see(Buffer.from('data: {"choices":[{"delta":{"content":"a"}}]}\n\n'))

    expect(tap.see(Buffer.from(frame)).kind).toBe(kind)
  })

  test('a frame that is only searched is judged like one that is parsed', () => {
    const words = fc.oneof(fc.string(), fc.constant('"usage": 3 "error":{} "finish_reason":"x" "delta" \\"'))
    const delta = fc.oneof(fc.constant({}), fc.record({ content: words }))
    const choice = fc.record(
      { index: fc.constant(0), delta, finish_reason: fc.constantFrom(null, 'stop') },
      { requiredKeys: ['index'] },
    )
    const usage = fc.constantFrom(null, false, '"usage":1', { prompt_tokens: 1, completion_tokens: 1 })
    const chunk = fc.record(
      { choices: fc.array(choice, { maxLength: 2 }), usage, error: fc.constantFrom(null, { message: 'x' }) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(chunk, fc.constantFrom(0, 1), (json, indent) => {
        const frame = Buffer.from(`data: ${JSON.stringify(json, null, indent).replaceAll('\n', ' ')}\n\n`)
        const [searched, parsed] = [
          chatDialect.createTap({ includeUsage: false }),
          chatDialect.createTap({ includeUsage: false }),
        ]
        for (const tap of [searched, parsed]) tap.see(Buffer.from('data: {"choices":[{"delta":{"content":"a"}}]}\n\n'))

        // a comment before the data takes the careful way
        expect(searched.see(frame)).toEqual(parsed.see(Buffer.concat([Buffer.from(': x\n'), frame])))
        expect(searched.usage()).toEqual(parsed.usage())
      }),
    )
  })

  test('the tap sees as many frames as the parser of events', () => {
    for (const name of STREAMS) {
      let events = 0
      createSseParser({ onEvent: () => (events += 1) }, 1_000_000).push(streamBytes(name))
      const frames = framesOf(streamBytes(name)).filter((frame) => !frame.toString().startsWith(':'))
      expect(frames).toHaveLength(events)
    }
  })
})

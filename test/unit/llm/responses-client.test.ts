import { createOpenAI } from '@ai-sdk/openai'
import { streamText } from 'ai'
import fc from 'fast-check'
import OpenAI from 'openai'
import { accumulateResponse } from 'openai/lib/responses/ResponseAccumulator'
import type { Response as OpenAiResponse, ResponseStreamEvent } from 'openai/resources/responses/responses'
import { describe, expect, test } from 'vitest'
import { NO_TOKENS } from '../../../src/core/usage.ts'
import { responsesDialect } from '../../../src/llm/dialects/responses.ts'
import type { ModelEvent, Part } from '../../../src/llm/middle.ts'
import { responsesWire } from '../../../src/llm/wires/responses.ts'
import { bytesOf, collect, decodeAll, decodeContext, encodeContext, eventsOf, framesOf, jsonOf } from './responses-fixture.ts'

/** A streamed answer: parts begin in order, their deltas and ends interleave. */
const answers = fc
  .record({
    parts: fc.array(
      fc.record({
        kind: fc.constantFrom('text', 'refusal', 'reasoning', 'tool'),
        pieces: fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 3 }),
        isSigned: fc.boolean(),
      }),
      { maxLength: 6 },
    ),
    dice: fc.infiniteStream(fc.nat(1_000)),
    stop: fc.constantFrom('end', 'length', 'tool', 'filtered'),
  })
  .map(({ parts, dice, stop }): ModelEvent[] => {
    const queues = parts.map(({ kind, pieces, isSigned }, index): ModelEvent[] => {
      const signature = isSigned ? { signature: { family: 'gemini', value: `s${index}` } } : {}
      if (kind === 'tool')
        return [
          { type: 'tool-start', index, id: `call_${index}`, name: 'f' },
          ...pieces.map((json): ModelEvent => ({ type: 'tool-delta', index, json })),
          { type: 'tool-end', index, ...signature },
        ]
      const deltas = pieces.map((text): ModelEvent => ({ type: `${kind}-delta`, index, text }))
      if (kind === 'reasoning')
        return [{ type: 'reasoning-start', index }, ...deltas, { type: 'reasoning-end', index, ...signature }]
      return [{ type: `${kind}-start`, index }, ...deltas, { type: `${kind}-end`, index }]
    })
    const events: ModelEvent[] = [{ type: 'start', id: 'x', model: 'm' }]
    let begun = 0
    while (queues.some((queue) => queue.length > 0)) {
      const open = queues.slice(0, begun).filter((queue) => queue.length > 0)
      const place = (dice.next().value ?? 0) % (open.length + 1)
      const queue = place < open.length ? open[place] : queues[begun]
      if (queue === queues[begun]) begun += 1
      const event = queue?.shift()
      if (event !== undefined) events.push(event)
    }
    const usage = { ...NO_TOKENS, input: 3, cacheRead: 2, output: 4, reasoning: 1, source: 'provider' } as const
    return [...events, { type: 'usage', usage }, { type: 'finish', stop }, { type: 'end' }]
  })

const clientEvents = (stream: string) =>
  // what the client is given
  eventsOf([Buffer.from(stream)]).map(({ data }) => JSON.parse(data) as ResponseStreamEvent)

const accumulate = (events: readonly ResponseStreamEvent[]) =>
  events.reduce<OpenAiResponse | undefined>((snapshot, event) => accumulateResponse(event, snapshot), undefined)

describe('any stream we write', () => {
  test('is accepted by the accumulator of the official client, which ends with what we said', () => {
    fc.assert(
      fc.property(answers, (events) => {
        const encoder = responsesDialect.createEncoder(encodeContext())
        const sent = clientEvents(events.map((event) => encoder.encode(event)).join(''))

        expect(sent.map((event) => event.sequence_number)).toEqual(sent.map((_event, index) => index))
        const before = accumulate(sent.slice(0, -1))
        const last = sent.at(-1)
        const response = last !== undefined && 'response' in last ? last.response : undefined
        expect(before?.output).toEqual(response?.output)
        expect(accumulate(sent)?.status).toBe(response?.status)
      }),
    )
  })

  test('is read back with every text, call, id and count', () => {
    fc.assert(
      fc.property(answers, (events) => {
        const encoder = responsesDialect.createEncoder(encodeContext())
        const written = Buffer.from(events.map((event) => encoder.encode(event)).join(''))

        const read = collect(decodeAll(responsesWire.createDecoder(decodeContext()), [written]))

        const sent = collect(events)
        const bare = (parts: readonly Part[]) =>
          parts
            .map((part) => {
              if (part.type === 'tool-call')
                return { ...part, signature: undefined, arguments: part.arguments === '' ? '{}' : part.arguments }
              return part.type === 'reasoning' ? { text: part.text, signature: part.signature } : part
            })
            .map((part) => JSON.stringify(part))
        expect(bare(read.parts).toSorted()).toEqual(bare(sent.parts).toSorted())
        expect(read.usage).toEqual(sent.usage)
        expect(read.isEnded).toBe(true)
      }),
    )
  })

  test('fails at any point in a way the client accepts', () => {
    fc.assert(
      fc.property(answers, fc.nat(40), (events, after) => {
        const encoder = responsesDialect.createEncoder(encodeContext())
        const begun = events.slice(0, Math.min(after, events.length - 1)).map((event) => encoder.encode(event))

        const sent = clientEvents(begun.join('') + encoder.fail({ status: 502, type: 'server_error', message: 'cut' }, 'x'))

        const response = accumulate(sent)
        expect(sent.map((event) => event.sequence_number)).toEqual(sent.map((_event, index) => index))
        expect(sent.at(-1)?.type).toBe('response.failed')
        expect(response).toMatchObject({ status: 'failed', error: { code: 'server_error', message: 'cut' } })
      }),
    )
  })

  test('is seen by the tap as the decoder reads it', () => {
    fc.assert(
      fc.property(answers, (events) => {
        const encoder = responsesDialect.createEncoder(encodeContext())
        const tap = responsesDialect.createTap({ includeUsage: true })

        const kinds = framesOf(events.map((event) => encoder.encode(event)).join('')).map(
          (frame) => tap.see(Buffer.from(frame)).kind,
        )

        expect(kinds.at(-1)).toBe('end')
        expect(kinds.filter((kind) => kind === 'end' || kind === 'error')).toHaveLength(1)
        expect(tap.usage()).toEqual(collect(events).usage)
      }),
      { numRuns: 50 },
    )
  })
})

describe('official clients', () => {
  const answering = (body: Buffer | string, type: string) => () =>
    Promise.resolve(new Response(body.toString(), { headers: { 'content-type': type } }))

  const written = () => {
    const encoder = responsesDialect.createEncoder(encodeContext())
    const events = decodeAll(responsesWire.createDecoder(decodeContext()), [bytesOf('tools.sse')])
    return events.map((event) => encoder.encode(event)).join('')
  }

  test('openai reads a stream of ours', async () => {
    const client = new OpenAI({ apiKey: 'x', baseURL: 'http://127.0.0.1:9/v1', fetch: answering(written(), 'text/event-stream') })

    const response = await client.responses.stream({ model: 'fast', input: 'x' }).finalResponse()

    expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call', 'function_call', 'function_call'])
    expect(response.usage?.total_tokens).toBe(210)
  })

  test('openai reads a whole answer of ours', async () => {
    const answer = responsesDialect.encodeAnswer(
      responsesWire.decodeAnswer(jsonOf('answer.json'), decodeContext()),
      encodeContext(),
    )
    const client = new OpenAI({
      apiKey: 'x',
      baseURL: 'http://127.0.0.1:9/v1',
      fetch: answering(JSON.stringify(answer), 'application/json'),
    })

    const response = await client.responses.create({ model: 'fast', input: 'x' })

    expect(response.output_text).toBe('Checking.')
    expect(response.usage?.output_tokens_details.reasoning_tokens).toBe(30)
  })

  test('the AI SDK reads a stream of ours', async () => {
    const openai = createOpenAI({
      apiKey: 'x',
      baseURL: 'http://127.0.0.1:9/v1',
      fetch: answering(written(), 'text/event-stream'),
    })

    const result = streamText({ model: openai.responses('fast'), prompt: 'x' })
    const types: string[] = []
    for await (const part of result.fullStream) types.push(part.type)

    expect(types).not.toContain('error')
    expect(types.filter((type) => type === 'tool-call')).toHaveLength(3)
    expect((await result.usage).outputTokens).toBe(90)
  })
})

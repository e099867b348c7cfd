import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/json.ts'
import { inputTokens, NO_TOKENS, outputTokens } from '../../../src/core/usage.ts'
import { responsesDialect } from '../../../src/llm/dialects/responses.ts'
import type { ChatAnswer, Failure, Part } from '../../../src/llm/middle.ts'
import { failureOfEvent } from '../../../src/llm/wires/responses-failure.ts'
import { responsesWire } from '../../../src/llm/wires/responses.ts'
import { decodeContext, encodeContext, goldenPath, jsonOf } from './responses-fixture.ts'

const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
const decode = (body: JsonObject) => responsesWire.decodeAnswer(body, decodeContext())
const encode = (answer: ChatAnswer) => responsesDialect.encodeAnswer(answer, encodeContext())

const message = (...content: JsonObject[]) => ({ type: 'message', role: 'assistant', content })
const text = { type: 'output_text', text: 'Hi' }
const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }

describe('a whole answer', () => {
  test('is read and written', async () => {
    const answer = decode(jsonOf('answer.json'))

    await expect(pretty(answer)).toMatchFileSnapshot(goldenPath('answer.middle'))
    await expect(pretty(encode(answer))).toMatchFileSnapshot(goldenPath('answer.written'))
  })

  test('says the same when it is written and read again', () => {
    const { usage, ...answer } = decode(jsonOf('answer.json'))

    const again = decode(encode({ ...answer, ...(usage === undefined ? {} : { usage }) }))

    const { serverTools: _serverTools, ...counts } = usage ?? {}
    expect(again).toEqual({ ...answer, usage: counts, model: 'fast' })
  })

  test.each<[string, JsonObject, ChatAnswer['stop']]>([
    ['words', { status: 'completed', output: [message(text)] }, 'end'],
    ['a call', { status: 'completed', output: [message(text), call] }, 'tool'],
    ['a refusal', { status: 'completed', output: [message({ type: 'refusal', refusal: 'No.' })] }, 'filtered'],
    ['a bound', { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [call] }, 'length'],
    ['a filter', { status: 'incomplete', incomplete_details: { reason: 'content_filter' }, output: [] }, 'filtered'],
    ['no reason', { status: 'incomplete', output: [] }, 'length'],
    ['no status', { output: [message(text)] }, 'end'],
  ])('ends by %s', (_name, body, stop) => {
    expect(decode(body).stop).toBe(stop)
  })

  test.each<[string, ChatAnswer['stop'], readonly Part[], JsonObject]>([
    ['end', 'end', [{ type: 'text', text: 'a' }], { status: 'completed', incomplete_details: null }],
    ['tool', 'tool', [], { status: 'completed' }],
    [
      'length',
      'length',
      [{ type: 'text', text: 'a' }],
      {
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        output: [expect.objectContaining({ status: 'incomplete' })],
      },
    ],
    ['a filter', 'filtered', [], { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }],
    ['a refusal', 'filtered', [{ type: 'refusal', text: 'No.' }], { status: 'completed', incomplete_details: null }],
    ['paused', 'paused', [], { status: 'completed' }],
    ['malformed', 'malformed', [], { status: 'failed', error: { code: 'server_error' } }],
  ])('writes %s', (_name, stop, parts, members) => {
    expect(encode({ id: 'x', parts, stop })).toMatchObject(members)
  })

  test('foreign signatures, an image and a signed call are kept', () => {
    const parts: Part[] = [
      { type: 'reasoning', text: 'Hm.', signature: { family: 'anthropic', value: 'sig' } },
      { type: 'reasoning', text: '', redacted: { family: 'anthropic', value: 'red' } },
      { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{}', signature: { family: 'gemini', value: 'thought' } },
      { type: 'image', source: { kind: 'base64', data: 'AAAA', mediaType: 'image/png' } },
    ]

    const output = encode({ id: 'msg_1', parts, stop: 'tool' })['output'] as JsonObject[]

    expect(output.map((item) => item['type'])).toEqual([
      'reasoning',
      'reasoning',
      'function_call',
      'reasoning',
      'image_generation_call',
    ])
    const [turn] = responsesDialect.decodeRequest({ model: 'm', input: output.slice(0, 4) }).turns
    expect(turn?.parts).toMatchObject(parts.slice(0, 3))
  })

  test.each<[string, JsonObject]>([
    ['an error body', { error: { message: 'x' } }],
    ['no list of items', { status: 'completed', output: null }],
    ['a failed response', { status: 'failed', output: [], error: { code: 'server_error', message: 'x' } }],
    ['a response under way', { status: 'in_progress', output: [] }],
    ['an item the caller must act on', { status: 'completed', output: [{ type: 'computer_call' }] }],
  ])('refuses %s', (_name, body) => {
    expect(() => decode(body)).toThrow(expect.objectContaining({ code: 'upstream_invalid' }))
  })
})

describe('usage', () => {
  const usage = (input: Json, output: Json, details: JsonObject = {}, outputDetails: JsonObject = {}): JsonObject => ({
    usage: { input_tokens: input, input_tokens_details: details, output_tokens: output, output_tokens_details: outputDetails },
  })

  test.each<[string, JsonObject, Partial<typeof NO_TOKENS>]>([
    ['plain', usage(10, 5), { input: 10, output: 5 }],
    ['zero', usage(0, 0), {}],
    [
      'cached reads and writes',
      usage(100, 50, { cached_tokens: 64, cache_write_tokens: 10 }, { reasoning_tokens: 30 }),
      { input: 26, cacheRead: 64, cacheWrite5m: 10, output: 20, reasoning: 30 },
    ],
    [
      'writes of two lifetimes',
      usage(100, 0, {
        cached_tokens: 0,
        cache_write_tokens: 30,
        cache_write_tokens_details: { ttl_12h_tokens: 20, ttl_30m_tokens: 10 },
      }),
      { input: 70, cacheWrite5m: 10, cacheWrite1h: 20 },
    ],
    [
      'more cached than there was',
      usage(10, 5, { cached_tokens: 99 }, { reasoning_tokens: 99 }),
      { cacheRead: 10, reasoning: 5 },
    ],
    ['no details', { usage: { input_tokens: 3, output_tokens: 4 } }, { input: 3, output: 4 }],
    ['an event', { type: 'response.completed', response: usage(3, 4) }, { input: 3, output: 4 }],
  ])('%s', (_name, body, counts) => {
    const read = responsesWire.usageOf(body)

    expect(read).toEqual({ ...NO_TOKENS, ...counts, source: 'provider' })
  })

  test.each<[string, JsonObject]>([
    ['missing', {}],
    ['null', { usage: null }],
    ['text', usage('3', 4)],
    ['negative', usage(-1, 4)],
    ['a fraction', usage(1.5, 4)],
    ['details of the wrong type', usage(5, 4, { cached_tokens: 'x' })],
    ['too large', usage(1e300, 4)],
  ])('%s is unknown', (_name, body) => {
    expect(responsesWire.usageOf(body)).toBeUndefined()
  })

  test('totals survive writing', () => {
    const counts = {
      ...NO_TOKENS,
      input: 1,
      cacheRead: 2,
      cacheWrite5m: 3,
      cacheWrite1h: 4,
      output: 5,
      reasoning: 6,
      source: 'provider',
    } as const

    const body = encode({ id: 'x', parts: [], stop: 'end', usage: counts })

    expect(body['usage']).toMatchObject({
      input_tokens: inputTokens(counts),
      output_tokens: outputTokens(counts),
      total_tokens: 21,
    })
  })

  test('calls of tools at the provider are counted', () => {
    const body = { ...usage(1, 1), output: [{ type: 'web_search_call' }, { type: 'web_search_call' }, { type: 'message' }, null] }

    expect(responsesWire.usageOf(body)?.serverTools).toEqual({ web_search_requests: 2 })
  })
})

test.each<[string, JsonObject, Partial<Failure>]>([
  [
    'a failed response',
    { response: { error: { code: 'rate_limit_exceeded', message: 'm' } } },
    { kind: 'rate_limited', message: 'm', code: 'rate_limit_exceeded' },
  ],
  ['a policy', { response: { error: { code: 'bio_policy', message: 'm' } } }, { kind: 'filtered' }],
  ['an image', { response: { error: { code: 'image_too_large', message: 'm' } } }, { kind: 'bad_request' }],
  ['an unknown code', { code: 'whatever', message: 'm', param: 'p' }, { kind: 'server', param: 'p' }],
  ['a nested error', { error: { type: 'invalid_request_error', message: 'm' } }, { kind: 'bad_request' }],
  ['no money', { error: { code: 'insufficient_quota', message: 'm' } }, { kind: 'billing' }],
  ['nothing', { response: { status: 'cancelled' } }, { kind: 'server', message: 'the response ended as cancelled' }],
])('the failure of %s', (_name, event, failure) => {
  expect(failureOfEvent(event)).toMatchObject(failure)
})

test('an error body has the shape of OpenAI', () => {
  expect(responsesDialect.errorBody({ status: 400, type: 'invalid_request_error', message: 'm', param: 'input' }, 'x')).toEqual({
    error: { message: 'm', type: 'invalid_request_error', param: 'input', code: null },
  })
})

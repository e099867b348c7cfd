import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/json.ts'
import { converseWire } from '../../../src/llm/wires/converse.ts'
import { context } from './converse-fixture.ts'

const USAGE = { inputTokens: 30, outputTokens: 10, totalTokens: 40 }
const answer = (content: Json, rest: JsonObject = {}): JsonObject => ({
  output: { message: { role: 'assistant', content } },
  stopReason: 'end_turn',
  usage: USAGE,
  ...rest,
})
const partsOf = (content: Json) => converseWire.decodeAnswer(answer(content), context()).parts

const COUNTS = {
  source: 'provider',
  input: 30,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  inputAudio: 0,
  inputImage: 0,
  output: 10,
  reasoning: 0,
  outputAudio: 0,
}

describe('an answer of Converse', () => {
  test('is read whole', () => {
    const body = answer(
      [
        { reasoningContent: { reasoningText: { text: 'hm', signature: 'Eq==' } } },
        { reasoningContent: { redactedContent: 'cmVk' } },
        { text: 'Looking.' },
        { toolUse: { toolUseId: 'tu_1', name: 'get_1', input: { city: 'Oslo', big: JSON.rawJSON('12345678901234567890') } } },
        { toolUse: { name: 'other' } },
      ],
      { stopReason: 'tool_use', serviceTier: { type: 'flex' }, metrics: { latencyMs: 812 } },
    )

    expect(converseWire.decodeAnswer(body, context({ toolNames: new Map([['get_1', 'weather.get']]) }))).toEqual({
      id: 'msg_2',
      parts: [
        { type: 'reasoning', text: 'hm', signature: { family: 'anthropic', value: 'Eq==' } },
        { type: 'reasoning', text: '', redacted: { family: 'anthropic', value: 'cmVk' } },
        { type: 'text', text: 'Looking.' },
        { type: 'tool-call', id: 'tu_1', name: 'weather.get', arguments: '{"city":"Oslo","big":12345678901234567890}' },
        { type: 'tool-call', id: 'call_1', name: 'other', arguments: '{}' },
      ],
      stop: 'tool',
      usage: COUNTS,
      serviceTier: 'flex',
    })
  })

  test.each<readonly [string, Json, unknown]>([
    [
      'words with citations',
      [{ citationsContent: { content: [{ text: 'a' }, { text: 'b' }], citations: [{ title: 't' }] } }],
      [{ type: 'text', text: 'ab', annotations: [{ title: 't' }] }],
    ],
    [
      'a picture',
      [{ image: { format: 'png', source: { bytes: 'YQ==' } } }],
      [{ type: 'image', source: { kind: 'base64', data: 'YQ==', mediaType: 'image/png' } }],
    ],
    [
      'thoughts without a signature',
      [{ reasoningContent: { reasoningText: { text: 'hm' } } }],
      [{ type: 'reasoning', text: 'hm' }],
    ],
    [
      'a signature without thoughts',
      [{ reasoningContent: { reasoningText: { text: '', signature: 's' } } }],
      [{ type: 'reasoning', text: '', signature: { family: 'anthropic', value: 's' } }],
    ],
    [
      'a tool the provider runs itself',
      [{ toolUse: { type: 'server_tool_use', toolUseId: 'x', name: 'search', input: {} } }, { toolResult: {} }],
      [],
    ],
    [
      'blocks nobody knows',
      [{ guardContent: {} }, 1, null, 'x', { text: 7 }, { toolUse: 1 }, { reasoningContent: {} }, { image: {} }, { text: '' }],
      [],
    ],
    ['nothing', [], []],
    ['no list', 'x', []],
  ])('blocks: %s', (_name, content, parts) => {
    expect(partsOf(content)).toEqual(parts)
  })

  test.each([
    ['end_turn', 'end'],
    ['stop_sequence', 'end'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['content_filtered', 'filtered'],
    ['guardrail_intervened', 'filtered'],
    ['malformed_model_output', 'malformed'],
    ['malformed_tool_use', 'malformed'],
    ['something_new', 'end'],
    ['constructor', 'end'],
    [undefined, 'end'],
  ])('the reason %s is %s', (stopReason, stop) => {
    expect(converseWire.decodeAnswer(answer([{ text: 'a' }], { stopReason }), context()).stop).toBe(stop)
  })

  test('calls say more than the label', () => {
    const body = answer([{ toolUse: { toolUseId: 'x', name: 'f', input: {} } }], { stopReason: 'end_turn' })

    expect(converseWire.decodeAnswer(body, context()).stop).toBe('tool')
  })

  test('the stop sequence that was met is told', () => {
    const body = answer([], { stopReason: 'stop_sequence', additionalModelResponseFields: { stop_sequence: 'END' } })

    expect(converseWire.decodeAnswer(body, context())).toMatchObject({ stop: 'end', stopSequence: 'END' })
  })

  test.each<readonly [string, JsonObject]>([
    ['nothing', {}],
    ['a message that is text', { output: { message: 'x' } }],
    ['an error', { message: 'no', __type: 'ValidationException' }],
  ])('what is no answer is an error: %s', (_name, body) => {
    expect(() => converseWire.decodeAnswer(body, context())).toThrow(expect.objectContaining({ code: 'upstream_invalid' }))
  })
})

describe('usage of Converse', () => {
  test.each<readonly [string, JsonObject, unknown]>([
    ['plain', { inputTokens: 30, outputTokens: 10 }, COUNTS],
    ['zeros are counts', { inputTokens: 0, outputTokens: 0 }, { ...COUNTS, input: 0, output: 0 }],
    [
      'the cache stands outside the input',
      { ...USAGE, cacheReadInputTokens: 5, cacheWriteInputTokens: 7 },
      { ...COUNTS, cacheRead: 5, cacheWrite5m: 7 },
    ],
    [
      'writes are told apart by their time',
      {
        ...USAGE,
        cacheWriteInputTokens: 7,
        cacheDetails: [
          { ttl: '1h', inputTokens: 3 },
          { ttl: '5m', inputTokens: 4 },
        ],
      },
      { ...COUNTS, cacheWrite5m: 4, cacheWrite1h: 3 },
    ],
    [
      'details alone',
      {
        ...USAGE,
        cacheDetails: [
          { ttl: '1h', inputTokens: 3 },
          { ttl: '5m', inputTokens: 4 },
        ],
      },
      { ...COUNTS, cacheWrite5m: 4, cacheWrite1h: 3 },
    ],
    ['details that are no list', { ...USAGE, cacheDetails: 'x', cacheWriteInputTokens: 2 }, { ...COUNTS, cacheWrite5m: 2 }],
    ['a count that is text', { inputTokens: '30', outputTokens: 10 }, undefined],
    ['a count below zero', { inputTokens: 30, outputTokens: -1 }, undefined],
    ['a count missing', { inputTokens: 30 }, undefined],
    ['a cache count of another kind', { ...USAGE, cacheReadInputTokens: {} }, undefined],
  ])('%s', (_name, usage, expected) => {
    expect(converseWire.usageOf({ usage })).toEqual(expected)
  })

  test.each<readonly [string, JsonObject]>([
    ['none', {}],
    ['no object', { usage: [] }],
    ['null', { usage: null }],
  ])('%s is unknown', (_name, body) => {
    expect(converseWire.usageOf(body)).toBeUndefined()
  })
})

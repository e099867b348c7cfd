import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { inputTokens, outputTokens } from '../../../src/core/usage.ts'
import { chatDialect } from '../../../src/llm/dialects/chat.ts'
import type { EncodeContext } from '../../../src/llm/wire.ts'
import { chatWire } from '../../../src/llm/wires/chat.ts'
import { decodeContext, eventsOf, parseObject, STREAMS, streamBytes } from './chat-fixtures.ts'

const answer = (message: JsonObject, more: JsonObject = {}, choice: JsonObject = {}): JsonObject => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-x-2026-08-01',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop', ...choice }],
  ...more,
})

const encodeContext: EncodeContext = {
  model: 'smart',
  created: 1_790_000_000,
  includeUsage: true,
  estimatedInput: 0,
  newId: (prefix) => `${prefix}_x`,
}

describe('decoding a whole answer', () => {
  test.each([
    ['text', answer({ content: 'Hi', refusal: null }), [{ type: 'text', text: 'Hi' }], 'end'],
    ['a refusal', answer({ content: null, refusal: 'No.' }), [{ type: 'refusal', text: 'No.' }], 'filtered'],
    [
      'thoughts before words',
      answer({ content: 'Hi', reasoning_content: 'Hm' }),
      [
        { type: 'reasoning', text: 'Hm' },
        { type: 'text', text: 'Hi' },
      ],
      'end',
    ],
    [
      'thoughts and words as parts',
      answer({
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] },
          { type: 'text', text: 'Hi' },
        ],
      }),
      [
        { type: 'reasoning', text: 'Hm' },
        { type: 'text', text: 'Hi' },
      ],
      'end',
    ],
    [
      'a call that the provider says ended with stop',
      answer({ content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] }),
      [{ type: 'tool-call', id: 'c', name: 'f', arguments: '{}' }],
      'tool',
    ],
    [
      'a call without an id, with arguments that are an object',
      answer({ content: null, tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }] }),
      [{ type: 'tool-call', id: 'call_1', name: 'f', arguments: '{"a":1}' }],
      'tool',
    ],
    [
      'a call of the retired form',
      answer({ content: null, function_call: { name: 'f', arguments: '{}' } }, {}, { finish_reason: 'function_call' }),
      [{ type: 'tool-call', id: 'call_1', name: 'f', arguments: '{}' }],
      'tool',
    ],
    [
      'signed and encrypted thoughts',
      answer({
        content: 'Hi',
        reasoning: 'Hm',
        reasoning_details: [
          { type: 'reasoning.text', text: 'Hm', signature: 'sig' },
          { type: 'reasoning.encrypted', data: 'enc' },
        ],
      }),
      [
        { type: 'reasoning', text: 'Hm', signature: { family: 'openai', value: 'sig' } },
        { type: 'reasoning', text: '', redacted: { family: 'openai', value: 'enc' } },
        { type: 'text', text: 'Hi' },
      ],
      'end',
    ],
    ['too long', answer({ content: 'Hi' }, {}, { finish_reason: 'length' }), [{ type: 'text', text: 'Hi' }], 'length'],
    ['filtered', answer({ content: '' }, {}, { finish_reason: 'content_filter' }), [], 'filtered'],
    ['a reason nobody knows', answer({ content: 'x' }, {}, { finish_reason: 'toString' }), [{ type: 'text', text: 'x' }], 'end'],
  ])('%s', (_name, body, parts, stop) => {
    expect(chatWire.decodeAnswer(body, decodeContext())).toMatchObject({
      id: 'chatcmpl-1',
      model: 'gpt-x-2026-08-01',
      parts,
      stop,
    })
  })

  test.each([
    ['nothing', {}],
    ['no choice', { choices: [] }],
    ['choices of a wrong type', { choices: 'x' }],
    ['no message', { choices: [{ index: 0 }] }],
    ['a call without a name', answer({ tool_calls: [{ id: 'c', function: {} }] })],
  ])('%s is no answer', (_name, body) => {
    expect(() => chatWire.decodeAnswer(body, decodeContext())).toThrow(GatewayError)
  })

  test('written again it reads the same', () => {
    const body = answer(
      {
        content: 'Hi',
        reasoning_content: 'Hm',
        annotations: [{ type: 'url_citation', url_citation: { url: 'https://example.com' } }],
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          {
            id: 'b',
            type: 'function',
            function: { name: 'g', arguments: '{}' },
            extra_content: { google: { thought_signature: 's' } },
          },
        ],
      },
      { service_tier: 'flex', usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 } },
      { finish_reason: 'tool_calls', logprobs: { content: [{ token: 'Hi', logprob: 0, bytes: null, top_logprobs: [] }] } },
    )
    const read = chatWire.decodeAnswer(body, decodeContext())

    const again = chatWire.decodeAnswer(chatDialect.encodeAnswer(read, encodeContext), decodeContext())

    expect(again).toEqual({ ...read, model: 'smart' })
  })
})

describe('usage', () => {
  const counts = (usage: JsonObject) => chatWire.usageOf({ usage })

  test.each([
    [
      'every kind is counted once',
      {
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 30, audio_tokens: 5, cache_write_tokens: 20, image_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 15, audio_tokens: 10, accepted_prediction_tokens: 3 },
      },
      { input: 41, cacheRead: 30, cacheWrite5m: 20, inputAudio: 5, inputImage: 4, output: 25, reasoning: 15, outputAudio: 10 },
    ],
    [
      'DeepSeek',
      { prompt_tokens: 30, completion_tokens: 12, prompt_cache_hit_tokens: 10, prompt_cache_miss_tokens: 20 },
      { input: 20, cacheRead: 10, output: 12 },
    ],
    [
      'reasoning beside the output, as the total says (xAI)',
      { prompt_tokens: 32, completion_tokens: 9, total_tokens: 135, completion_tokens_details: { reasoning_tokens: 94 } },
      { input: 32, output: 9, reasoning: 94 },
    ],
    [
      'thoughts nobody names, as the total says (Gemini)',
      { prompt_tokens: 7, completion_tokens: 5, total_tokens: 30 },
      { input: 7, output: 5, reasoning: 18 },
    ],
    ['embeddings', { prompt_tokens: 8, total_tokens: 8 }, { input: 8, output: 0 }],
    ['zero is a count', { prompt_tokens: 0, completion_tokens: 0 }, { input: 0, output: 0 }],
    [
      'more cached than sent',
      { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 9 } },
      { input: 0, cacheRead: 5, output: 1 },
    ],
    [
      'more thought than said',
      { prompt_tokens: 5, completion_tokens: 1, completion_tokens_details: { reasoning_tokens: 9 } },
      { reasoning: 1, output: 0 },
    ],
    [
      'details of a wrong type',
      {
        prompt_tokens: 5,
        completion_tokens: 1,
        prompt_tokens_details: 'x',
        completion_tokens_details: { reasoning_tokens: '9' },
      },
      { input: 5, output: 1 },
    ],
    ['searches', { prompt_tokens: 5, completion_tokens: 1, num_search_queries: 2 }, { serverTools: { web_search_requests: 2 } }],
  ])('%s', (_name, usage, expected) => {
    const read = counts(usage)

    expect(read).toMatchObject({ ...expected, source: 'provider' })
    if (read !== undefined) {
      const total = 'total_tokens' in usage ? usage.total_tokens : 0
      const completion = 'completion_tokens' in usage ? usage.completion_tokens : 0
      expect(inputTokens(read)).toBe(usage.prompt_tokens)
      expect(outputTokens(read)).toBe(Math.max(completion, total - usage.prompt_tokens))
    }
  })

  test.each([
    ['text', { prompt_tokens: '5', completion_tokens: 1 }],
    ['negative', { prompt_tokens: -5, completion_tokens: 1 }],
    ['a fraction', { prompt_tokens: 5, completion_tokens: 1.5 }],
    ['too large', { prompt_tokens: 1e300, completion_tokens: 1 }],
    ['missing', { total_tokens: 3 }],
  ])('a count that is %s is no count', (_name, usage) => {
    expect(counts(usage)).toBeUndefined()
  })

  test('null, absent and of a wrong type are no usage', () => {
    expect([{}, { usage: null }, { usage: 5 }, { x_groq: { id: 'x' } }].map(chatWire.usageOf)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('the official client', () => {
  const clientFor = (body: string, type: string) =>
    new OpenAI({
      apiKey: 'none',
      baseURL: 'http://127.0.0.1/v1',
      maxRetries: 0,
      fetch: () => Promise.resolve(new Response(body, { headers: { 'content-type': type } })),
    })
  const encode = (name: string) => {
    const encoder = chatDialect.createEncoder(encodeContext)
    return eventsOf([streamBytes(name)])
      .map((event) => encoder.encode(event))
      .join('')
  }

  test.each(STREAMS.filter((name) => !/error|cut|garbage/.test(name)))('reads %s as it was meant', async (name) => {
    const events = eventsOf([streamBytes(name)])
    const client = clientFor(encode(name), 'text/event-stream')

    const completion = await client.chat.completions
      .stream({ model: 'smart', messages: [{ role: 'user', content: 'x' }], stream_options: { include_usage: true } })
      .finalChatCompletion()

    const [choice] = completion.choices
    const text = events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('')
    expect(choice?.message.content ?? '').toBe(text)
    const names = events.flatMap((event) => (event.type === 'tool-start' ? [event.name] : []))
    expect((choice?.message.tool_calls ?? []).map((call) => (call.type === 'function' ? call.function.name : ''))).toEqual(names)
    for (const call of choice?.message.tool_calls ?? []) if (call.type === 'function') parseObject(call.function.arguments)
    const usage = events.findLast((event) => event.type === 'usage')?.usage
    expect(completion.usage?.prompt_tokens).toBe(usage === undefined ? undefined : inputTokens(usage))
  })

  test('reads a failure in the middle as an error', async () => {
    const encoder = chatDialect.createEncoder(encodeContext)
    const begun = encoder.encode({ type: 'start', id: 'x' })
    const failed = encoder.fail({ status: 502, type: 'server_error', code: 'upstream_interrupted', message: 'broke off' }, 'id-1')
    const client = clientFor(begun + failed, 'text/event-stream')
    const stream = await client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'x' }], stream: true })

    const read = async () => {
      for await (const _chunk of stream);
    }

    await expect(read()).rejects.toThrow('broke off')
  })
})

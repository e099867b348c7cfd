import { Anthropic } from '@anthropic-ai/sdk'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { generateText, streamText } from 'ai'
import { spawn } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { crc32, gunzipSync } from 'node:zlib'
import { OpenAI } from 'openai'
import { Client } from 'undici'
import { describe, expect, test } from 'vitest'
import type { FakeProviders } from '../../servers/providers/server.ts'
import { startFakeProviders } from '../support/fake-providers.ts'

const ASK = [{ role: 'user' as const, content: 'How is the weather in Oslo?' }]
const USAGE = { input: 11, cacheRead: 7, cacheWrite5m: 5, cacheWrite1h: 3, output: 13, reasoning: 17 }
const encoded = (behaviour: Record<string, unknown>) => {
  const said = Object.entries(behaviour).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)])
  return `fake?${new URLSearchParams(Object.fromEntries(said)).toString()}`
}

const openai = ({ url }: FakeProviders) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'test-key', maxRetries: 0 })
const anthropic = ({ url }: FakeProviders) => new Anthropic({ baseURL: url, apiKey: 'test-key', maxRetries: 0 })

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
  /** The connection ended before the body did. */
  readonly broken: boolean
}

/** One POST whose body is read as far as it comes; `enough` hangs up when it holds. */
async function post(
  { url }: FakeProviders,
  path: string,
  body: unknown,
  options: { headers?: Record<string, string>; enough?: (bytes: Buffer) => boolean } = {},
): Promise<Answer> {
  const client = new Client(url) // a connection of its own: faults cut connections
  await using _closing = { [Symbol.asyncDispose]: () => client.destroy() }
  const headers = { 'content-type': 'application/json', authorization: 'Bearer test-key', ...options.headers }
  const response = await client.request({ path, method: 'POST', headers, body: JSON.stringify(body) })
  const chunks: Buffer[] = []
  let broken = false
  try {
    for await (const chunk of response.body) {
      chunks.push(chunk as Buffer)
      if (options.enough?.(Buffer.concat(chunks))) break
    }
  } catch {
    broken = true
  }
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks), broken }
}

const chatBody = (behaviour: Record<string, unknown>, rest: object = {}) => ({
  model: encoded(behaviour),
  messages: ASK,
  ...rest,
})
const json = ({ body }: Answer): unknown => JSON.parse(body.toString('utf8'))
/** What stands at a dotted path: `choices.0.message`. */
const at = (value: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value)

describe('official clients understand the fakes', () => {
  test('openai: chat, plain and streamed, with tools, thoughts and usage of every kind', async () => {
    await using fakes = await startFakeProviders()
    const model = encoded({
      text: 'Sunny in Oslo.',
      usage: { ...USAGE, inputAudio: 2, outputAudio: 4 },
      tools: 'get_weather,get_time',
    })

    const whole = await openai(fakes).chat.completions.create({ model, messages: ASK })
    const streamed = await openai(fakes)
      .chat.completions.stream({ model, messages: ASK, stream_options: { include_usage: true } })
      .finalChatCompletion()

    for (const answer of [whole, streamed]) {
      expect(answer.model).toBe('fake')
      expect(answer.choices[0]?.message.content).toBe('Sunny in Oslo.')
      expect(answer.choices[0]?.finish_reason).toBe('tool_calls')
      expect(answer.choices[0]?.message.tool_calls).toMatchObject([
        { type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
        { type: 'function', function: { name: 'get_time', arguments: '{"city":"Oslo"}' } },
      ])
      expect(answer.usage).toMatchObject({
        prompt_tokens: 28,
        completion_tokens: 34,
        total_tokens: 62,
        prompt_tokens_details: { cached_tokens: 7, cache_write_tokens: 8, audio_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 17, audio_tokens: 4 },
      })
    }
  })

  test('openai: interleaved calls, a refusal, log-probabilities and several choices', async () => {
    await using fakes = await startFakeProviders()
    const client = openai(fakes)
    const run = (behaviour: Record<string, unknown>, rest: object = {}) =>
      client.chat.completions.stream({ ...chatBody(behaviour), ...rest }).finalChatCompletion()

    const calls = await run({ tools: 'a,b,c', interleave: true, pieces: 4 })
    const refused = await run({ refusal: 'I would rather not.' })
    const counted = await run({ text: 'ab', chunks: 2, logprobs: true })
    const several = await client.chat.completions.create({ ...chatBody({ text: 'x' }), n: 3 })

    expect(calls.choices[0]?.message.tool_calls?.map((call) => call.type === 'function' && call.function)).toEqual(
      ['a', 'b', 'c'].map((name) => expect.objectContaining({ name, arguments: '{"city":"Oslo"}' })),
    )
    expect(refused.choices[0]?.message).toMatchObject({ content: null, refusal: 'I would rather not.' })
    expect(counted.choices[0]?.logprobs?.content?.map(({ token }) => token)).toEqual(['a', 'b'])
    expect(several.choices.map(({ index }) => index)).toEqual([0, 1, 2])
  })

  test('openai: responses, plain and streamed', async () => {
    await using fakes = await startFakeProviders()
    const model = encoded({ text: 'Sunny.', reasoning: 'Oslo is in Norway.', tools: 'get_weather', usage: USAGE })

    const whole = await openai(fakes).responses.create({ model, input: 'Oslo?' })
    const streamed = await openai(fakes).responses.stream({ model, input: 'Oslo?' }).finalResponse()

    for (const answer of [whole, streamed]) {
      expect(answer.status).toBe('completed')
      expect(answer.output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'function_call'])
      expect(answer.output_text).toBe('Sunny.')
      expect(answer.usage).toMatchObject({ input_tokens: 26, output_tokens: 30, output_tokens_details: { reasoning_tokens: 17 } })
    }
  })

  test('openai: the events of a response are numbered without gaps and keep their order', async () => {
    await using fakes = await startFakeProviders()
    const types: string[] = []
    const numbers: number[] = []
    const events = await openai(fakes).responses.create({ model: encoded({ text: 'ab', chunks: 2 }), input: 'x', stream: true })
    for await (const event of events) {
      types.push(event.type)
      numbers.push(event.sequence_number)
    }

    expect(types.map((type) => type.replace('response.', ''))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ])
    expect(numbers).toEqual(numbers.map((_, index) => index))
  })

  test('openai: embeddings say the same in both encodings; models are listed', async () => {
    await using fakes = await startFakeProviders()
    const client = openai(fakes)

    const asBase64 = await client.embeddings.create({ model: 'fake', input: ['a', 'b'], dimensions: 16 })
    const asNumbers = await client.embeddings.create({
      model: 'fake',
      input: ['a', 'b'],
      dimensions: 16,
      encoding_format: 'float',
    })

    expect(asBase64.data.map(({ embedding }) => [...embedding])).toEqual(asNumbers.data.map(({ embedding }) => embedding))
    expect(asNumbers.data[0]?.embedding).toHaveLength(16)
    expect((await client.models.list()).data.map(({ id }) => id)).toContain('fake')
  })

  test('anthropic: messages, plain and streamed, with thoughts, a call and cache counts; tokens are counted', async () => {
    await using fakes = await startFakeProviders()
    const client = anthropic(fakes)
    const model = encoded({
      text: 'Sunny.',
      reasoning: 'Oslo.',
      signature: 'sig',
      redacted: 'xyz',
      tools: 'get_weather',
      usage: USAGE,
    })
    const request = { model, max_tokens: 100, messages: ASK }

    const whole = await client.messages.create(request)
    const streamed = await client.messages.stream(request).finalMessage()

    for (const answer of [whole, streamed]) {
      expect(answer.content).toMatchObject([
        { type: 'thinking', thinking: 'Oslo.', signature: 'sig' },
        { type: 'redacted_thinking', data: 'xyz' },
        { type: 'text', text: 'Sunny.' },
        { type: 'tool_use', name: 'get_weather', input: { city: 'Oslo' } },
      ])
      expect(answer.stop_reason).toBe('tool_use')
      expect(answer.usage).toMatchObject({
        input_tokens: 11,
        cache_read_input_tokens: 7,
        cache_creation_input_tokens: 8,
        output_tokens: 30,
      })
    }
    expect((await client.messages.countTokens({ model: 'fake', messages: ASK })).input_tokens).toBeGreaterThan(0)
  })

  test('ai sdk: both of its providers generate and stream', async () => {
    await using fakes = await startFakeProviders()
    const models = [
      createOpenAI({ baseURL: `${fakes.url}/v1`, apiKey: 'k' }).chat(encoded({ text: 'Hello there.' })),
      createOpenAI({ baseURL: `${fakes.url}/v1`, apiKey: 'k' }).responses(encoded({ text: 'Hello there.' })),
      createAnthropic({ baseURL: `${fakes.url}/v1`, apiKey: 'k' })(encoded({ text: 'Hello there.' })),
    ]

    for (const model of models) {
      expect((await generateText({ model, prompt: 'Hi' })).text).toBe('Hello there.')
      expect(await streamText({ model, prompt: 'Hi' }).text).toBe('Hello there.')
    }
  })
})

describe('paths of the clouds', () => {
  const GEMINI = { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }
  const CLAUDE = { max_tokens: 10, messages: ASK }
  const CONVERSE = { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }
  const model = encodeURIComponent(encoded({ text: 'Hello.' }))
  const vertex = '/v1/projects/p/locations/europe-west1/publishers'
  const vertexClaude = { ...CLAUDE, anthropic_version: 'vertex-2023-10-16' }
  const bedrockClaude = { ...CLAUDE, anthropic_version: 'bedrock-2023-05-31' }

  test.each([
    { name: 'gemini', path: `/v1beta/models/${model}:generateContent`, body: GEMINI },
    { name: 'gemini, streamed', path: `/v1beta/models/${model}:streamGenerateContent?alt=sse`, body: GEMINI },
    { name: 'gemini, streamed as an array', path: `/v1beta/models/${model}:streamGenerateContent`, body: GEMINI },
    { name: 'gemini on vertex', path: `${vertex}/google/models/${model}:generateContent`, body: GEMINI },
    { name: 'claude on vertex', path: `${vertex}/anthropic/models/${model}:rawPredict`, body: vertexClaude },
    { name: 'claude on vertex, streamed', path: `${vertex}/anthropic/models/${model}:streamRawPredict`, body: vertexClaude },
    {
      name: 'azure, classic',
      path: `/openai/deployments/${model}/chat/completions?api-version=2024-10-21`,
      body: { messages: ASK },
    },
    { name: 'azure, v1', path: '/openai/v1/chat/completions', body: { model: decodeURIComponent(model), messages: ASK } },
    { name: 'bedrock converse', path: `/model/${model}/converse`, body: CONVERSE },
    { name: 'bedrock converse, streamed', path: `/model/${model}/converse-stream`, body: CONVERSE },
    { name: 'bedrock invoke', path: `/model/${model}/invoke`, body: bedrockClaude },
  ])('$name answers', async ({ path, body }) => {
    await using fakes = await startFakeProviders()

    const answer = await post(fakes, path, body)

    expect({ status: answer.status, broken: answer.broken }).toEqual({ status: 200, broken: false })
    expect(fakes.bill().lines[0]).toMatchObject({ model: 'fake', complete: true, said: { output: 2 } })
  })

  test('gemini says running totals on every chunk and ends with the body', async () => {
    await using fakes = await startFakeProviders()
    const path = `/v1beta/models/${encodeURIComponent(encoded({ text: 'abcdef', chunks: 3, reasoning: 'hm', usage: USAGE }))}`

    const answer = await post(fakes, `${path}:streamGenerateContent?alt=sse`, GEMINI)
    const chunks = answer.body
      .toString('utf8')
      .split('\n\n')
      .filter(Boolean)
      .map((text): unknown => JSON.parse(text.slice('data: '.length)))

    expect(chunks.map((chunk) => at(chunk, 'usageMetadata.candidatesTokenCount'))).toEqual(
      [0, 2, 5, 7, 10, 13].slice(0, chunks.length),
    )
    expect(chunks.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 26, cachedContentTokenCount: 7, thoughtsTokenCount: 17, totalTokenCount: 56 },
    })
  })

  test('batches of embeddings and counts of tokens', async () => {
    await using fakes = await startFakeProviders()
    const requests = [{ content: { parts: [{ text: 'a' }] } }, { content: { parts: [{ text: 'b' }] } }]

    const embedded = json(await post(fakes, '/v1beta/models/fake:batchEmbedContents', { requests }))
    const gemini = json(await post(fakes, '/v1beta/models/fake:countTokens', GEMINI))
    const bedrock = json(await post(fakes, '/model/fake/count-tokens', { input: { converse: CONVERSE } }))

    expect(embedded).toMatchObject({ embeddings: [{}, {}] })
    expect(at(gemini, 'totalTokens')).toBeGreaterThan(0)
    expect(at(bedrock, 'inputTokens')).toBeGreaterThan(0)
  })

  test('a bedrock stream is framed with checksums that hold', async () => {
    await using fakes = await startFakeProviders()
    const path = `/model/${encodeURIComponent(encoded({ text: 'Hi', chunks: 1, usage: USAGE }))}/converse-stream`

    const messages = readEventStream((await post(fakes, path, CONVERSE)).body)

    expect(messages.map(({ headers }) => headers[':event-type'])).toEqual([
      'messageStart',
      'contentBlockDelta',
      'contentBlockStop',
      'messageStop',
      'metadata',
    ])
    expect(messages.at(-1)?.payload).toMatchObject({
      usage: { inputTokens: 11, outputTokens: 30, totalTokens: 56, cacheReadInputTokens: 7, cacheWriteInputTokens: 8 },
    })
  })

  test('claude streamed by invoke is messages inside event-stream chunks', async () => {
    await using fakes = await startFakeProviders()

    const { body } = await post(fakes, `/model/${model}/invoke-with-response-stream`, bedrockClaude)
    const events = readEventStream(body).map(({ payload }) =>
      JSON.parse(Buffer.from(String(at(payload, 'bytes')), 'base64').toString('utf8')),
    )

    expect(events[0]).toMatchObject({ type: 'message_start' })
    expect(events.at(-1)).toMatchObject({ type: 'message_stop', 'amazon-bedrock-invocationMetrics': { outputTokenCount: 2 } })
  })

  test('a message of the stream has the bytes of the test vector', async () => {
    const { eventMessage } = await import('../../servers/providers/framing.ts')
    const headers = {
      ':event-type': 'contentBlockDelta',
      ':content-type': 'application/json',
      ':message-type': 'event',
    }

    expect(eventMessage(headers, '{"contentBlockIndex":0,"delta":{"text":"Hi"}}').toString('hex')).toBe(
      '0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b2274657874223a224869227d7d1f944657',
    )
  })
})

describe('credentials', () => {
  const CONVERSE = { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }
  const none = { authorization: '' }

  test.each([
    { name: 'anthropic', path: '/v1/messages', body: {}, status: 401 },
    { name: 'gemini', path: '/v1beta/models/fake:generateContent', body: {}, status: 401 },
    { name: 'azure', path: '/openai/v1/chat/completions', body: {}, status: 401 },
    { name: 'bedrock', path: '/model/fake/converse', body: CONVERSE, status: 403 },
  ])('$name refuses a request without one', async ({ path, body, status }) => {
    await using fakes = await startFakeProviders()

    expect((await post(fakes, path, body, { headers: none })).status).toBe(status)
  })

  test.each([
    { name: 'a true signature', change: (text: string) => text, status: 200 },
    { name: 'another signature', change: (text: string) => text.replace(/Signature=..../, 'Signature=0000'), status: 403 },
    { name: 'headers out of order', change: (text: string) => text.replace('host;x-amz-date', 'x-amz-date;host'), status: 403 },
    { name: 'another service', change: (text: string) => text.replace('/bedrock/', '/bedrock-runtime/'), status: 403 },
    { name: 'another day', change: (text: string) => text.replace('20260102', '20260103'), status: 403 },
  ])('SigV4: $name gives $status', async ({ change, status }) => {
    await using fakes = await startFakeProviders({ awsSecret: 'test-secret' })
    const path = '/model/us.fake%3A0/converse'
    const authorization = change(sign(fakes.url, path, JSON.stringify(CONVERSE), 'test-secret'))

    const answer = await post(fakes, path, CONVERSE, { headers: { authorization, 'x-amz-date': '20260102T030405Z' } })

    expect(answer.status, answer.body.toString()).toBe(status)
  })

  test.each([
    {
      name: 'AWS STS',
      path: '/',
      form: { Action: 'AssumeRole', RoleArn: 'arn:aws:iam::1:role/r', RoleSessionName: 's' },
      says: '<AccessKeyId>',
    },
    {
      name: 'a service account of Google',
      path: '/token',
      form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: 'a.b.c' },
      says: 'access_token',
    },
    {
      name: 'Google STS',
      path: '/v1/token',
      form: { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 'x' },
      says: 'access_token',
    },
    {
      name: 'Entra ID',
      path: '/tenant/oauth2/v2.0/token',
      form: { grant_type: 'client_credentials', client_id: 'c', client_secret: 'top' },
      says: 'access_token',
    },
  ])('$name gives a fake token and shows no secret', async ({ path, form, says }) => {
    await using fakes = await startFakeProviders()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }

    const response = await fetch(fakes.url + path, { method: 'POST', headers, body: new URLSearchParams(form) })

    expect(response.status).toBe(200)
    expect(await response.text()).toContain(says)
    expect(JSON.stringify(fakes.requests())).not.toMatch(/"(top|a\.b\.c)"/)
  })

  test('what arrived is told with a fingerprint instead of the key', async () => {
    await using fakes = await startFakeProviders()
    await post(fakes, '/v1/chat/completions', chatBody({}))

    const requests = await (await fetch(`${fakes.url}/__requests`)).json()

    expect(at(requests, '0')).toMatchObject({
      path: '/v1/chat/completions',
      wire: 'chat',
      model: 'fake',
      status: 200,
      outcome: 'complete',
    })
    expect(at(requests, '0.headers.authorization')).toMatch(/^Bearer sha256:[0-9a-f]{12}$/)
    expect(at(requests, '0.body.messages')).toEqual(ASK)
  })
})

describe('failures', () => {
  const CHAT = '/v1/chat/completions'
  const streamed = { stream: true, stream_options: { include_usage: true } }

  test.each([
    { path: CHAT, body: { messages: ASK }, shape: { error: { type: 'requests', code: 'rate_limit_exceeded' } } },
    {
      path: '/v1/messages',
      body: { max_tokens: 1, messages: ASK },
      shape: { type: 'error', error: { type: 'rate_limit_error' } },
    },
    { path: '/v1/responses', body: { input: 'x' }, shape: { error: { code: 'rate_limit_exceeded' } } },
  ])('429 on $path has the shape of the wire and Retry-After', async ({ path, body, shape }) => {
    await using fakes = await startFakeProviders()
    const headers = { 'anthropic-version': '2023-06-01' }

    const answer = await post(fakes, path, { model: encoded({ status: 429, retryAfter: 7 }), ...body }, { headers })

    expect(answer.status).toBe(429)
    expect(answer.headers['retry-after']).toBe('7')
    expect(json(answer)).toMatchObject(shape)
  })

  test('an exception of bedrock is named in a header, inside a stream in the frame', async () => {
    await using fakes = await startFakeProviders()
    const body = { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }
    const path = (behaviour: object, verb: string) => `/model/${encodeURIComponent(encoded({ ...behaviour }))}/${verb}`

    const before = await post(fakes, path({ status: 429 }, 'converse'), body)
    const inside = readEventStream((await post(fakes, path({ status: 503, errorAt: 1 }, 'converse-stream'), body)).body)

    expect(before.headers['x-amzn-errortype']).toBe('ThrottlingException')
    expect(inside.at(-1)?.headers).toMatchObject({
      ':message-type': 'exception',
      ':exception-type': 'serviceUnavailableException',
    })
  })

  test.each([
    {
      name: 'an error event before content',
      behaviour: { errorAt: 0 },
      broken: false,
      has: /"error"/,
      lacks: /amber|\[DONE\]|xxx/,
    },
    {
      name: 'an error event after content',
      behaviour: { text: 'abc', chunks: 3, errorAt: 2 },
      broken: false,
      has: /"b".*"error"/s,
      lacks: /"c"|\[DONE\]/,
    },
    {
      name: 'a cut after a chunk',
      behaviour: { text: 'abc', chunks: 3, cutChunk: 2 },
      broken: true,
      has: /"content":"b"/,
      lacks: /"content":"c"|\[DONE\]/,
    },
    { name: 'a cut after a byte', behaviour: { cutByte: 50 }, broken: true, has: /^data: .{44}$/s, lacks: /\n/ },
    { name: 'no mark of the end', behaviour: { noEnd: true }, broken: false, has: /"finish_reason":"stop"/, lacks: /\[DONE\]/ },
    {
      name: 'nothing after the content',
      behaviour: { noFinish: true },
      broken: false,
      has: /"content"/,
      lacks: /"finish_reason":"stop"|\[DONE\]/,
    },
    {
      name: 'a chunk cut short',
      behaviour: { text: 'abc', chunks: 3, invalidJsonAt: 1 },
      broken: false,
      has: /"content":"b"[^\n]*[^\]]\}\n\n.*DONE/s,
      lacks: /^$/,
    },
    { name: 'garbage', behaviour: { garbageByte: 10 }, broken: false, has: /garbage/, lacks: /^$/ },
    {
      name: 'CR LF, comments and pings',
      behaviour: { crlf: true, comments: true, pings: 1 },
      broken: false,
      has: /: fake comment\r\n\r\n.*: ping\r\n\r\n.*\[DONE\]\r\n\r\n$/s,
      lacks: /[^\r]\n/,
    },
    {
      name: 'a first chunk without choices',
      behaviour: { empty: 'first' },
      broken: false,
      has: /^data: [^\n]*"choices":\[\],"prompt_filter_results"/,
      lacks: /^$/,
    },
    {
      name: 'one byte at a time',
      behaviour: { text: 'ok', chunks: 1, oneByte: true },
      broken: false,
      has: /"content":"ok".*\[DONE\]\n\n$/s,
      lacks: /^$/,
    },
    { name: 'status 200 with an error', behaviour: { error200: true }, broken: false, has: /^data: \{"error"/, lacks: /choices/ },
  ])('chat stream: $name', async ({ behaviour, broken, has, lacks }) => {
    await using fakes = await startFakeProviders()

    const answer = await post(fakes, CHAT, chatBody(behaviour, streamed))

    expect(answer.body.toString('latin1')).toMatch(has)
    expect(answer.body.toString('latin1')).not.toMatch(lacks)
    expect({ status: answer.status, broken: answer.broken }).toEqual({ status: 200, broken })
  })

  test('a whole answer: cut, longer and shorter than its header says, no choices, 50 MB', async () => {
    await using fakes = await startFakeProviders()
    const run = async (behaviour: Record<string, unknown>) => await post(fakes, CHAT, chatBody(behaviour))

    expect(await run({ cutByte: 20 })).toMatchObject({ broken: true, body: { length: 20 } })
    expect((await run({ lengthOff: 10 })).broken).toBe(true)
    expect(at(json(await run({ empty: 'all' })), 'choices')).toEqual([])
    expect((await run({ size: 52_428_800 })).body.length).toBeGreaterThan(52_428_800)
    await expect(run({ drop: true })).rejects.toThrow()
  })

  test('a stalled stream stays open until the caller leaves; the journal says who left', async () => {
    await using fakes = await startFakeProviders()

    const answer = await post(fakes, CHAT, chatBody({ stallByte: 30 }, streamed), { enough: (bytes) => bytes.length >= 30 })
    await fakes.until(() => fakes.requests()[0]?.outcome !== 'open')

    expect(answer.body).toHaveLength(30)
    expect(['stalled', 'hung_up']).toContain(fakes.requests()[0]?.outcome)
  })

  test.each([{ stream: false }, { stream: true }])('compressed although nobody asked, stream $stream', async ({ stream }) => {
    await using fakes = await startFakeProviders()

    const answer = await post(fakes, CHAT, chatBody({ text: 'Hello', gzip: true }, { stream }))

    expect(answer.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(answer.body).toString('utf8')).toContain('"content":"H')
  })

  test.each([
    { name: 'none', body: { usage: 'none' }, says: undefined },
    { name: 'zero', body: { usage: 'zero' }, says: { prompt_tokens: 0, completion_tokens: 0 } },
    { name: 'of wrong types', body: { usage: 'garbled' }, says: { prompt_tokens: 'many', completion_tokens: null } },
  ])('usage $name', async ({ body, says }) => {
    await using fakes = await startFakeProviders()

    const usage = at(json(await post(fakes, CHAT, chatBody(body))), 'usage')

    if (says === undefined) expect(usage).toBeUndefined()
    else expect(usage).toMatchObject(says)
  })

  test.each([
    { name: 'a chat without messages', path: CHAT, body: { model: 'fake' } },
    {
      name: 'a tool result without its call',
      path: CHAT,
      body: { model: 'fake', messages: [{ role: 'tool', tool_call_id: 'x', content: '' }] },
    },
    { name: 'messages without max_tokens', path: '/v1/messages', body: { model: 'fake', messages: ASK } },
    {
      name: 'converse with two user turns',
      path: '/model/fake/converse',
      body: { messages: [{ role: 'user' }, { role: 'user' }] },
    },
    {
      name: 'gemini with a text as response',
      path: '/v1beta/models/fake:generateContent',
      body: { contents: [{ role: 'user', parts: [{ functionResponse: { name: 'a', response: 'b' } }] }] },
    },
  ])('$name is refused as the real provider would', async ({ path, body }) => {
    await using fakes = await startFakeProviders()

    expect((await post(fakes, path, body, { headers: { 'anthropic-version': '2023-06-01' } })).status).toBe(400)
  })
})

describe('scripts and bills', () => {
  test('the header wins over the model name, a rule over both; a rule with a count runs out', async () => {
    await using fakes = await startFakeProviders()
    fakes.script({ model: 'fake', times: 1, behaviour: { text: 'rule' } })
    const headers = { 'x-fake': '{"text":"header"}' }
    const say = async (rest: object) =>
      at(json(await post(fakes, '/v1/chat/completions', chatBody({ text: 'name' }), rest)), 'choices.0.message.content')

    expect([await say({ headers }), await say({ headers }), await say({})]).toEqual(['rule', 'header', 'name'])
  })

  test('a behaviour with a slip of the pen is refused with words', async () => {
    await using fakes = await startFakeProviders()

    const answer = await post(fakes, '/v1/chat/completions', { model: 'fake?chunk=3', messages: ASK })

    expect(answer.status).toBe(422)
    expect(answer.body.toString()).toContain('chunk')
  })

  test('the bill is exact, and on a cut it is what was said last', async () => {
    await using fakes = await startFakeProviders()
    fakes.setPrices({ fake: { input: '3', cacheRead: '0.3', cacheWrite5m: '3.75', cacheWrite1h: '6', output: '15' } })
    const ask = (behaviour: object) =>
      post(
        fakes,
        '/v1/messages',
        { ...chatBody({ usage: USAGE, text: 'abc', ...behaviour }), max_tokens: 9, stream: true },
        {
          headers: { 'anthropic-version': '2023-06-01' },
        },
      )

    await ask({})
    await ask({ cutChunk: 1 })
    await fakes.until(() => fakes.requests().every(({ outcome }) => outcome !== 'open'))
    const [whole, cut] = fakes.bill().lines

    // 11 x 3 + 7 x 0.3 + 5 x 3.75 + 3 x 6 + 30 x 15 dollars per million tokens
    expect(whole).toMatchObject({ complete: true, nanoUsd: '521850', said: { output: 13, reasoning: 17 } })
    // the same input, and the one token that message_start spoke of
    expect(cut).toMatchObject({ complete: false, nanoUsd: '86850', said: { output: 1, reasoning: 0 }, whole: { output: 13 } })
    expect(fakes.bill().nanoUsd).toBe('608700')
  })

  test('the same requests get the same bytes', async () => {
    const run = async () => {
      await using fakes = await startFakeProviders({ seed: 7 })
      return (await post(fakes, '/v1/chat/completions', chatBody({ chunks: 20 }, { stream: true }))).body.toString()
    }

    expect(await run()).toBe(await run())
  })

  test('the program says its URL as JSON, takes a script over HTTP and ends when it is told to', async () => {
    const child = spawn(process.execPath, ['servers/providers/main.ts', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const { url } = JSON.parse(line.toString()) as { url: string }
      const rule = JSON.stringify({ path: '/v1/chat', behaviour: { text: 'scripted' } })

      expect((await fetch(`${url}/__script`, { method: 'POST', body: rule })).status).toBe(200)
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ model: 'm', messages: ASK }),
      })
      expect(at(await answer.json(), 'choices.0.message.content')).toBe('scripted')
    } finally {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      expect(await ended).toEqual([0, null])
    }
  })
})

interface EventMessage {
  readonly headers: Record<string, string>
  readonly payload: unknown
}

/** A reader of its own, so that writer and reader cannot share a mistake with the gateway's. */
function readEventStream(bytes: Buffer): EventMessage[] {
  const messages: EventMessage[] = []
  for (let from = 0; from < bytes.length;) {
    const total = bytes.readUInt32BE(from)
    const headerBytes = bytes.readUInt32BE(from + 4)
    expect(bytes.readUInt32BE(from + 8)).toBe(crc32(bytes.subarray(from, from + 8)))
    expect(bytes.readUInt32BE(from + total - 4)).toBe(crc32(bytes.subarray(from, from + total - 4)))
    const headers: Record<string, string> = {}
    for (let place = from + 12; place < from + 12 + headerBytes;) {
      const name = bytes.subarray(place + 1, place + 1 + bytes.readUInt8(place)).toString()
      place += 1 + name.length
      const length = bytes.readUInt16BE(place + 1)
      headers[name] = bytes.subarray(place + 3, place + 3 + length).toString()
      place += 3 + length
    }
    messages.push({ headers, payload: JSON.parse(bytes.subarray(from + 12 + headerBytes, from + total - 4).toString()) })
    from += total
  }
  return messages
}

/** Signs by the book, step by step; the path is the one in the URL, encoded once more. */
function sign(url: string, path: string, body: string, secret: string): string {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const host = new URL(url).host
  const canonicalPath = path.replaceAll('%', '%25')
  const canonical = `POST\n${canonicalPath}\n\nhost:${host}\nx-amz-date:20260102T030405Z\n\nhost;x-amz-date\n${sha256(body)}`
  const scope = '20260102/eu-central-1/bedrock/aws4_request'
  const key = ['20260102', 'eu-central-1', 'bedrock', 'aws4_request'].reduce<string | Buffer>(
    (made, part) => hmac(made, part),
    `AWS4${secret}`,
  )
  const signature = hmac(key, `AWS4-HMAC-SHA256\n20260102T030405Z\n${scope}\n${sha256(canonical)}`).toString('hex')
  return `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/${scope}, SignedHeaders=host;x-amz-date, Signature=${signature}`
}

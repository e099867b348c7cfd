import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { parseJson } from '../../../src/lib/json-numbers.ts'
import { scanMembers } from '../../../src/llm/body.ts'
import type { ChatRequest, Failure } from '../../../src/llm/middle.ts'
import type { ProviderCall, RequestBody } from '../../../src/llm/provider.ts'
import { bedrock } from '../../../src/llm/providers/bedrock.ts'
import { messagesWire } from '../../../src/llm/wires/messages.ts'
import { CLAUDE, context, LLAMA, request, target, text, user } from './converse-fixture.ts'

const CREDENTIALS = { type: 'static', accessKeyId: 'env:A', secretAccessKey: 'env:B' } as const
const COMMON = {
  type: 'bedrock',
  enabled: true,
  connections: 1,
  headers: {},
  region: 'us-east-1',
  credentials: CREDENTIALS,
} as const
const provider = bedrock(COMMON)
const ARN = 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0'
const TITAN = 'amazon.titan-embed-text-v2:0'
const COHERE = 'cohere.embed-multilingual-v3'

const middle = (changes: Partial<ChatRequest> = {}): RequestBody => ({ kind: 'middle', request: request(changes) })
const same = (body: string): RequestBody => ({ kind: 'same', bytes: Buffer.from(body), members: scanMembers(Buffer.from(body)) })

function call(changes: Partial<ProviderCall> & { readonly model?: string } = {}): ProviderCall {
  const { model = LLAMA, ...rest } = changes
  return { operation: 'chat', wire: 'converse', target: target(model), stream: false, body: middle(), passed: {}, ...rest }
}

const bodyOf = (changes: Parameters<typeof call>[0]) =>
  parseJson(provider.toProvider(call(changes)).body.toString('utf8')) as JsonObject // every body here is an object

describe('Bedrock', () => {
  test.each([
    ['meta.llama3-3-70b-instruct-v1:0', ['converse'], 'bedrock'],
    ['anthropic.claude-opus-4-7', ['messages', 'converse'], 'anthropic'],
    [CLAUDE, ['messages', 'converse'], 'anthropic'],
    [ARN, ['messages', 'converse'], 'anthropic'],
    [TITAN, ['converse'], 'bedrock'],
  ])('wires of %s', (model, wires, family) => {
    expect(provider.wires(model)).toEqual(wires)
    expect(provider.family(model)).toBe(family)
  })

  test.each<readonly [string, Parameters<typeof call>[0], string]>([
    ['converse', {}, '/model/meta.llama3-3-70b-instruct-v1%3A0/converse'],
    ['converse, streamed', { stream: true }, '/model/meta.llama3-3-70b-instruct-v1%3A0/converse-stream'],
    ['Claude', { model: CLAUDE, wire: 'messages' }, `/model/${encodeURIComponent(CLAUDE)}/invoke`],
    [
      'Claude, streamed',
      { model: CLAUDE, wire: 'messages', stream: true },
      `/model/${encodeURIComponent(CLAUDE)}/invoke-with-response-stream`,
    ],
    ['an ARN is one segment', { model: ARN }, `/model/${encodeURIComponent(ARN)}/converse`],
    [
      'a count is for the base model',
      { model: CLAUDE, operation: 'count_tokens' },
      '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens',
    ],
    [
      'a count is for the base model of a profile',
      { model: ARN, operation: 'count_tokens' },
      '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens',
    ],
    [
      'a base model stays',
      { model: 'anthropic.claude-opus-4-7', operation: 'count_tokens' },
      '/model/anthropic.claude-opus-4-7/count-tokens',
    ],
    [
      'embeddings',
      { model: TITAN, operation: 'embeddings', body: { kind: 'json', json: { input: 'a' } } },
      '/model/amazon.titan-embed-text-v2%3A0/invoke',
    ],
  ])('the URL: %s', (_name, changes, path) => {
    expect(provider.toProvider(call(changes)).url).toBe(`https://bedrock-runtime.us-east-1.amazonaws.com${path}`)
  })

  test.each([
    [
      'the region of the call picks the host',
      COMMON,
      'eu-west-1',
      'https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse',
    ],
    ['China has hosts of its own', COMMON, 'cn-north-1', 'https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/m/converse'],
    [
      'a configured endpoint stays',
      { ...COMMON, baseUrl: 'http://127.0.0.1:1/' },
      'eu-west-1',
      'http://127.0.0.1:1/model/m/converse',
    ],
  ])('%s', (_name, config, region, url) => {
    expect(bedrock(config).toProvider(call({ model: 'm', region })).url).toBe(url)
  })

  test.each(['a/../b', '..', 'a/b', 'a\nb', '', 'arn:aws:bedrock:x/../y', 'arn:aws:bedrock:x//y'])(
    'a model name that is no name is refused: %j',
    (model) => {
      expect(() => provider.toProvider(call({ model }))).toThrow(expect.objectContaining({ code: 'invalid_params' }))
    },
  )

  test.each([
    [false, 'application/json'],
    [true, 'application/vnd.amazon.eventstream'],
  ])('headers, streamed %s', (stream, accept) => {
    expect(provider.toProvider(call({ stream })).headers).toEqual({ 'content-type': 'application/json', accept })
  })

  test('a request of the middle form is a body of Converse, with what it could not say', () => {
    const written = provider.toProvider(call({ body: middle({ seed: 1 }) }))

    expect(written.body.toString('utf8')).toBe('{"messages":[{"role":"user","content":[{"text":"hi"}]}]}')
    expect(written.dropped).toEqual(['seed'])
  })

  test('Claude’s own bytes keep their order; the model and the stream leave, version and betas enter', () => {
    const body = '{"model":"fast","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"hi"}],"odd":1.0}'
    const written = provider.toProvider(
      call({
        model: CLAUDE,
        wire: 'messages',
        stream: true,
        body: same(body),
        passed: { 'anthropic-beta': 'a-1, b-2', 'anthropic-version': '2023-06-01' },
      }),
    )

    expect(written.body.toString('utf8')).toContain('"max_tokens":5,"messages":[{"role":"user","content":"hi"}],"odd":1.0')
    expect(JSON.parse(written.body.toString('utf8'))).toEqual({
      max_tokens: 5,
      messages: [{ role: 'user', content: 'hi' }],
      odd: 1,
      anthropic_version: 'bedrock-2023-05-31',
      anthropic_beta: ['a-1', 'b-2'],
    })
    expect(written.headers).not.toHaveProperty('anthropic-beta')
  })

  test('a count carries the whole request, for Claude with a bound', () => {
    const counted = { model: CLAUDE, operation: 'count_tokens' } as const
    const { input } = bodyOf({ ...counted, wire: 'messages', body: same('{"model":"m","messages":[]}') })
    const { invokeModel } = input as { invokeModel: { body: string } } // the provider under test wrote it

    expect(JSON.parse(Buffer.from(invokeModel.body, 'base64').toString('utf8'))).toEqual({
      messages: [],
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 1,
    })
    expect(bodyOf({ ...counted, body: middle({ maxTokens: 9, system: [{ type: 'text', text: 's' }] }) })).toEqual({
      input: { converse: { messages: [{ role: 'user', content: [{ text: 'hi' }] }], system: [{ text: 's' }] } },
    })
    expect(provider.toAnswer?.(call(counted), { inputTokens: 7 })).toEqual({ input_tokens: 7 })
    expect(provider.usageOf(call(counted), { inputTokens: 7 })).toBeUndefined()
  })

  test('an answer of Claude is read as Anthropic’s', () => {
    const claude = call({ model: CLAUDE, wire: 'messages' })

    expect(provider.fromProvider(claude)).toMatchObject({ wire: messagesWire, framing: 'eventstream' })
    expect(provider.fromProvider(call())).toMatchObject({ wire: { name: 'converse' }, framing: 'eventstream' })
    expect(provider.usageOf(claude, { usage: { input_tokens: 3, output_tokens: 4 } })).toMatchObject({ input: 3, output: 4 })
    expect(provider.usageOf(call(), { usage: { inputTokens: 3, outputTokens: 4 } })).toMatchObject({ input: 3, output: 4 })
  })
})

describe('frames of Invoke', () => {
  const reading = provider.fromProvider(call({ model: CLAUDE, wire: 'messages' }))
  const unwrap = (event: string, data: string) => reading.unwrap?.({ event, data })
  const chunk = (inner: unknown) =>
    unwrap('chunk', JSON.stringify({ bytes: Buffer.from(JSON.stringify(inner)).toString('base64'), p: 'abcd' }))

  test('hold one event of Anthropic each', () => {
    expect(chunk({ type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: 9 } })).toEqual({
      event: 'message_stop',
      data: '{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":9}}',
    })
    expect(chunk({ index: 0, type: 'content_block_stop' })).toMatchObject({ event: 'content_block_stop' })
  })

  test.each([
    ['exception:throttlingException', 'rate_limit_error'],
    ['exception:modelStreamErrorException', 'api_error'],
    ['exception:serviceUnavailableException', 'overloaded_error'],
    ['exception:modelTimeoutException', 'timeout_error'],
    ['exception:validationException', 'invalid_request_error'],
  ])('%s is an error event of Anthropic', (name, type) => {
    expect(unwrap(name, '{"message":"no"}')).toEqual({
      event: 'error',
      data: JSON.stringify({ type: 'error', error: { type, message: 'no' } }),
    })
  })

  test.each([
    ['another kind', 'initial-response', '{}'],
    ['no bytes', 'chunk', '{}'],
    ['no JSON', 'chunk', '<'],
  ])('a frame without an event is a ping: %s', (_name, event, data) => {
    expect(unwrap(event, data)).toEqual({ event: 'ping', data: '{"type":"ping"}' })
  })

  test('a whole stream is read, and the metrics do not count twice', () => {
    const usage = { input_tokens: 3, cache_read_input_tokens: 5, output_tokens: 1 }
    const inner = [
      { type: 'message_start', message: { id: 'msg_x', role: 'assistant', content: [], model: 'claude-x', usage } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } },
      { type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: 900, outputTokenCount: 900 } },
    ]
    const decoder = messagesWire.createDecoder(context())

    const events = inner.flatMap((one) => decoder.push(chunk(one) ?? { event: '', data: '' }))

    expect(events.findLast((one) => one.type === 'usage')).toMatchObject({ usage: { input: 3, cacheRead: 5, output: 2 } })
    expect(events.at(-1)).toEqual({ type: 'end' })
  })
})

describe('refusals of Bedrock', () => {
  const refuse = (status: number, body: string, headers: Record<string, string> = {}): Failure =>
    provider.errorOf({ status, headers, body: Buffer.from(body) })

  test.each([
    ['ValidationException', 400, 'bad_request'],
    ['ConflictException', 400, 'bad_request'],
    ['ServiceQuotaExceededException', 400, 'bad_request'],
    ['AccessDeniedException', 403, 'auth'],
    ['UnrecognizedClientException', 403, 'auth'],
    ['ExpiredTokenException', 403, 'auth'],
    ['InvalidSignatureException', 403, 'auth'],
    ['ResourceNotFoundException', 404, 'not_found'],
    ['ThrottlingException', 429, 'rate_limited'],
    ['ModelNotReadyException', 429, 'rate_limited'],
    ['ModelTimeoutException', 408, 'timeout'],
    ['ServiceUnavailableException', 503, 'overloaded'],
    ['InternalServerException', 500, 'server'],
    ['ModelErrorException', 424, 'server'],
    ['ModelStreamErrorException', 424, 'server'],
  ])('%s is %s: %s', (name, status, kind) => {
    const failure = refuse(status, '{"message":"why"}', { 'x-amzn-errortype': `${name}:http://internal.amazon.com/coral/` })

    expect(failure).toEqual({ kind, status, code: name, message: kind === 'auth' ? `the provider answered ${status}` : 'why' })
    expect(refuse(status, JSON.stringify({ __type: `com.amazon.coral#${name}` })).kind).toBe(kind)
  })

  test.each([
    [400, 'bad_request'],
    [401, 'auth'],
    [403, 'auth'],
    [404, 'not_found'],
    [408, 'timeout'],
    [413, 'too_large'],
    [424, 'server'],
    [429, 'rate_limited'],
    [500, 'server'],
    [502, 'server'],
    [503, 'overloaded'],
    [504, 'timeout'],
  ])('status %s without a name is %s', (status, kind) => {
    expect(refuse(status, '<html>').kind).toBe(kind)
  })

  test.each([
    ['The provided model identifier is invalid.', 'not_found'],
    ['Invocation of model ID x with on-demand throughput isn’t supported.', 'not_found'],
    ['Input is too long for requested model.', 'too_large'],
    ['Output blocked by content filtering policy', 'filtered'],
    ['messages: text content blocks must be non-empty', 'bad_request'],
  ])('the words of a ValidationException tell: %s', (message, kind) => {
    expect(refuse(400, JSON.stringify({ message }), { 'x-amzn-errortype': 'ValidationException' }).kind).toBe(kind)
  })

  test.each([
    ['3', 3_000],
    ['999999', 60_000],
    ['soon', undefined],
  ])('Retry-After %s', (header, retryAfterMs) => {
    expect(refuse(429, '', { 'retry-after': header }).retryAfterMs).toBe(retryAfterMs)
  })
})

describe('embeddings of Bedrock', () => {
  const ask = (model: string, json: JsonObject) => call({ model, operation: 'embeddings', body: { kind: 'json', json } })
  const sent = (model: string, json: JsonObject) => {
    const { body, dropped } = provider.toProvider(ask(model, json))
    return { json: JSON.parse(body.toString('utf8')) as unknown, dropped }
  }

  test.each<readonly [string, string, JsonObject, unknown, readonly string[]]>([
    ['Titan', TITAN, { model: 'e', input: ['a'], dimensions: 256, user: 'u' }, { inputText: 'a', dimensions: 256 }, ['user']],
    [
      'the first Titan has one size',
      'amazon.titan-embed-text-v1',
      { input: 'a', dimensions: 256 },
      { inputText: 'a' },
      ['dimensions'],
    ],
    ['Cohere', COHERE, { input: ['a', 'b'] }, { texts: ['a', 'b'], input_type: 'search_document' }, []],
    [
      'Cohere for a question',
      'cohere.embed-v4:0',
      { input: 'a', input_type: 'search_query', dimensions: 512 },
      { texts: ['a'], input_type: 'search_query', output_dimension: 512 },
      [],
    ],
  ])('%s is asked in its own shape', (...[, model, json, body, dropped]) => {
    expect(sent(model, json)).toEqual({ json: body, dropped })
  })

  test.each<readonly [string, string, JsonObject]>([
    ['two texts for Titan', TITAN, { input: ['a', 'b'] }],
    ['no text', COHERE, { input: [] }],
    ['token ids', COHERE, { input: [1, 2] }],
    ['an empty text', COHERE, { input: '' }],
    ['another format', COHERE, { input: 'a', encoding_format: 'hex' }],
    ['a model for chats', LLAMA, { input: 'a' }],
  ])('%s is refused', (_name, model, json) => {
    expect(() => provider.toProvider(ask(model, json))).toThrow(expect.objectContaining({ code: 'invalid_params' }))
  })

  const vectors = (model: string, body: JsonObject, json: JsonObject = {}) =>
    provider.toAnswer?.(ask(model, { input: 'a', ...json }), body)

  test.each<readonly [string, string, JsonObject, number]>([
    ['Titan', TITAN, { embedding: [1, 0.5], inputTextTokenCount: 3 }, 3],
    ['Cohere, a list', COHERE, { embeddings: [[1, 0.5]] }, 0],
    ['Cohere, by type', COHERE, { embeddings: { float: [[1, 0.5]] } }, 0],
  ])('an answer of %s has the shape of OpenAI', (_name, model, body, tokens) => {
    expect(vectors(model, body)).toEqual({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [1, 0.5] }],
      model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    })
  })

  test('vectors go as base64 where that was asked for', () => {
    const answer = vectors(TITAN, { embedding: [1, 0.5] }, { encoding_format: 'base64' })

    expect(answer).toMatchObject({ data: [{ embedding: 'AACAPwAAAD8=' }] })
  })

  test.each<readonly [string, JsonObject]>([
    ['nothing', {}],
    ['text', { embedding: 'x' }],
    ['a list of texts', { embedding: ['x'] }],
  ])('an answer without vectors is an error: %s', (_name, body) => {
    expect(() => vectors(TITAN, body)).toThrow(expect.objectContaining({ code: 'upstream_invalid' }))
  })

  test('usage is Titan’s count; Cohere’s is unknown, not zero', () => {
    expect(provider.usageOf(ask(TITAN, {}), { inputTextTokenCount: 3 })).toMatchObject({
      input: 3,
      output: 0,
      source: 'provider',
    })
    expect(provider.usageOf(ask(COHERE, {}), { embeddings: [] })).toBeUndefined()
  })

  test('the words of a chat stay out of embeddings', () => {
    expect(() =>
      provider.toProvider(call({ operation: 'embeddings', model: TITAN, body: middle({ turns: [user(text('a'))] }) })),
    ).toThrow()
  })
})

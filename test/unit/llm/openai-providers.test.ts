import { describe, expect, test } from 'vitest'
import { PROFILES, PROFILES_WITHOUT_ADDRESS, Provider as ProviderConfig } from '../../../src/config/provider.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { scanMembers } from '../../../src/llm/body.ts'
import type { Provider, ProviderCall } from '../../../src/llm/provider.ts'
import { azure } from '../../../src/llm/providers/azure.ts'
import { openaiCompatible } from '../../../src/llm/providers/openai-compatible.ts'
import { openai } from '../../../src/llm/providers/openai.ts'
import { PROFILE_TABLE } from '../../../src/llm/providers/openai-compatible-profiles.ts'
import { parseObject } from './chat-fixtures.ts'

function make(settings: JsonObject): Provider {
  const config = ProviderConfig.parse(settings)
  if (config.type === 'openai') return openai(config)
  if (config.type === 'azure') return azure(config)
  if (config.type === 'openai_compatible') return openaiCompatible(config)
  throw new Error('not OpenAI-shaped')
}

const key = 'env:KEY'
const OPENAI = { type: 'openai', key, organization: 'org', project: 'proj' }
const AZURE = { type: 'azure', baseUrl: 'https://res.openai.azure.com/', credentials: { type: 'key', key } }
const compatible = (profile: string) => make({ type: 'openai_compatible', profile, baseUrl: 'http://127.0.0.1:1/v1/' })

function same(text: string, more: Partial<ProviderCall> = {}): ProviderCall {
  const bytes = Buffer.from(text)
  return {
    operation: 'chat',
    wire: 'chat',
    target: { model: 'target-model', family: 'openai' },
    stream: false,
    passed: {},
    body: { kind: 'same', bytes, members: scanMembers(bytes) },
    ...more,
  }
}

const HELLO = '{ "model":"smart", "messages":[{"role":"user","content":"Hi"}],"odd":{"a":1.0} }'

describe('where requests go', () => {
  const classic = { ...AZURE, apiVersion: '2024-10-21' }

  test.each([
    ['openai chat', make(OPENAI), {}, 'https://api.openai.com/v1/chat/completions'],
    ['openai responses', make(OPENAI), { wire: 'responses' }, 'https://api.openai.com/v1/responses'],
    ['openai embeddings', make(OPENAI), { operation: 'embeddings' }, 'https://api.openai.com/v1/embeddings'],
    ['azure v1', make(AZURE), {}, 'https://res.openai.azure.com/openai/v1/chat/completions'],
    [
      'azure v1, written out',
      make({ ...AZURE, baseUrl: 'https://res.openai.azure.com/openai/v1' }),
      { wire: 'responses' },
      'https://res.openai.azure.com/openai/v1/responses',
    ],
    [
      'azure classic',
      make(classic),
      {},
      'https://res.openai.azure.com/openai/deployments/target-model/chat/completions?api-version=2024-10-21',
    ],
    [
      'azure classic embeddings',
      make(classic),
      { operation: 'embeddings' },
      'https://res.openai.azure.com/openai/deployments/target-model/embeddings?api-version=2024-10-21',
    ],
    ['a compatible one', compatible('generic'), {}, 'http://127.0.0.1:1/v1/chat/completions'],
    ['a compatible one, embeddings', compatible('ollama'), { operation: 'embeddings' }, 'http://127.0.0.1:1/v1/embeddings'],
  ] as const)('%s', (_name, provider, more, url) => {
    expect(provider.toProvider(same(HELLO, more)).url).toBe(url)
  })

  test('a deployment cannot leave its path', () => {
    const call = same(HELLO, { target: { model: '../../admin', family: 'openai' } })

    expect(() => make(classic).toProvider(call)).toThrow('model name')
  })

  test('every profile but those with no address of their own has one', () => {
    for (const profile of PROFILES) {
      const without = () => make({ type: 'openai_compatible', profile })
      expect(PROFILE_TABLE[profile].baseUrl === undefined).toBe(PROFILES_WITHOUT_ADDRESS.has(profile))
      if (PROFILES_WITHOUT_ADDRESS.has(profile)) expect(without).toThrow('baseUrl')
      else expect(without().toProvider(same(HELLO)).url).toMatch(/^https?:\/\/.+\/chat\/completions$/)
    }
  })

  test('headers are those of the provider, and nothing of the caller but its beta', () => {
    const call = same(HELLO, { stream: true, passed: { 'openai-beta': 'x=1', 'anthropic-beta': 'y' } })

    expect(make(OPENAI).toProvider(call).headers).toEqual({
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'openai-organization': 'org',
      'openai-project': 'proj',
      'openai-beta': 'x=1',
    })
  })

  test('models that only the Responses wire serves', () => {
    const { wires } = make(OPENAI)

    expect(
      ['gpt-5', 'gpt-5-pro', 'o3-pro-2025-06-10', 'gpt-5.1-codex', 'gpt-4o-project'].map((model) => wires(model)[0]),
    ).toEqual(['chat', 'responses', 'responses', 'responses', 'chat'])
    expect(make({ ...AZURE, apiVersion: '2024-10-21' }).wires('x')).toEqual(['chat'])
  })
})

describe('the same dialect', () => {
  const sent = (provider: Provider, text: string, more: Partial<ProviderCall> = {}) => {
    const { body, dropped } = provider.toProvider(same(text, more))
    return { text: body.toString(), dropped }
  }
  const stream = { stream: true }

  test.each([
    ['only the model changes', 'generic', HELLO, {}, HELLO.replace('smart', 'target-model'), []],
    [
      'usage is asked for',
      'generic',
      '{"model":"a","stream":true}',
      stream,
      '{"model":"target-model","stream":true,"stream_options":{"include_usage":true}}',
      [],
    ],
    [
      'other options of the stream are kept',
      'generic',
      '{"model":"a","stream_options":{"include_obfuscation":false,"include_usage":false}}',
      stream,
      '{"model":"target-model","stream_options":{"include_obfuscation":false,"include_usage":true}}',
      [],
    ],
    [
      'usage that was asked for stays as it was',
      'generic',
      '{"model":"a","stream_options":{ "include_usage":true }}',
      stream,
      '{"model":"target-model","stream_options":{ "include_usage":true }}',
      [],
    ],
    [
      'stream options that are null',
      'generic',
      '{"model":"a","stream_options":null}',
      stream,
      '{"model":"target-model","stream_options":{"include_usage":true}}',
      [],
    ],
    [
      'a provider that refuses stream options',
      'databricks',
      '{"model":"a","stream_options":{"include_usage":true}}',
      stream,
      '{"model":"target-model"}',
      [],
    ],
    [
      'what would be refused is left out and listed',
      'groq',
      '{"model":"a","logprobs":true,"n":3}',
      {},
      '{"model":"target-model"}',
      ['logprobs', 'n'],
    ],
    [
      'what says nothing is not listed',
      'groq',
      '{"model":"a","logprobs":false,"n":1,"logit_bias":null}',
      {},
      '{"model":"target-model"}',
      [],
    ],
    [
      'another name for the same',
      'mistral',
      '{"model":"a","seed":12345678901234567890}',
      {},
      '{"model":"target-model","random_seed":12345678901234567890}',
      [],
    ],
    [
      'the newer bound of the answer',
      'ollama',
      '{"max_completion_tokens":5,"model":"a"}',
      {},
      '{"model":"target-model","max_tokens":5}',
      [],
    ],
    [
      'another word for a required tool',
      'mistral',
      '{"model":"a","tool_choice":"required"}',
      {},
      '{"model":"target-model","tool_choice":"any"}',
      [],
    ],
    [
      'a role it does not know',
      'deepseek',
      '{"model":"a","messages":[{"role":"developer","content":"\\"developer\\""}]}',
      {},
      '{"model":"target-model","messages":[{"role":"system","content":"\\"developer\\""}]}',
      [],
    ],
    [
      'messages are not touched without need',
      'deepseek',
      '{"model":"a","messages":[{"role": "user"}]}',
      {},
      '{"model":"target-model","messages":[{"role": "user"}]}',
      [],
    ],
  ] as const)('%s', (...[, profile, text, more, expected, dropped]) => {
    expect(sent(compatible(profile), text, more)).toEqual({ text: expected, dropped })
  })

  test('call ids of another provider become ones Mistral takes, and stay pairs', () => {
    const text =
      '{"model":"a","messages":[{"role":"assistant","tool_calls":[{"id":"call_1","x":1}]},{"role":"tool","tool_call_id":"call_1"},{"role":"tool","tool_call_id":"abcDEF123"}]}'

    const messages = parseObject(sent(compatible('mistral'), text).text)['messages']

    const [id] = /[a-f0-9]{9}/.exec(JSON.stringify(messages)) ?? []
    expect(messages).toEqual([
      { role: 'assistant', tool_calls: [{ id, x: 1 }] },
      { role: 'tool', tool_call_id: id },
      { role: 'tool', tool_call_id: 'abcDEF123' },
    ])
  })

  test('embeddings keep everything but the model', () => {
    const text = '{"input":["a"],"model":"smart","dimensions":256}'

    const json = make(OPENAI).toProvider(same('{}', { operation: 'embeddings', body: { kind: 'json', json: parseObject(text) } }))

    expect(sent(make(OPENAI), text, { operation: 'embeddings' }).text).toBe(text.replace('smart', 'target-model'))
    expect(parseObject(json.body.toString())).toEqual({ input: ['a'], model: 'target-model', dimensions: 256 })
    expect(
      make(OPENAI).usageOf(same(text, { operation: 'embeddings' }), { usage: { prompt_tokens: 3, total_tokens: 3 } }),
    ).toMatchObject({ input: 3, output: 0 })
  })
})

describe('refusals', () => {
  const { errorOf } = make(OPENAI)
  const error = (members: JsonObject) => JSON.stringify({ error: members })

  test.each([
    [
      'bad request',
      400,
      error({ message: 'no', type: 'invalid_request_error', param: 'stop', code: null }),
      { kind: 'bad_request', message: 'no', param: 'stop' },
    ],
    [
      'context length',
      400,
      error({ message: 'long', code: 'context_length_exceeded' }),
      { kind: 'bad_request', code: 'context_length_exceeded' },
    ],
    [
      'a filter of Azure',
      400,
      error({ message: 'f', code: 'content_filter', innererror: { code: 'ResponsibleAIPolicyViolation' } }),
      { kind: 'filtered' },
    ],
    [
      'a filter named only inside',
      400,
      error({ message: 'f', code: null, innererror: { code: 'ResponsibleAIPolicyViolation' } }),
      { kind: 'filtered' },
    ],
    [
      'a wrong key',
      401,
      error({ message: 'Incorrect API key provided: sk-abc', code: 'invalid_api_key' }),
      { kind: 'auth', message: 'the provider answered 401' },
    ],
    [
      'no right',
      403,
      error({ message: 'key sk-abc has no access' }),
      { kind: 'forbidden', message: 'the provider answered 403' },
    ],
    [
      'flagged by OpenRouter',
      403,
      error({ message: 'flagged', code: 403, metadata: { reasons: ['violence'] } }),
      { kind: 'filtered' },
    ],
    ['no credit', 402, error({ message: 'pay' }), { kind: 'billing' }],
    ['no quota', 429, error({ message: 'quota', type: 'insufficient_quota', code: 'insufficient_quota' }), { kind: 'billing' }],
    ['no quota by type', 429, error({ message: 'quota', type: 'insufficient_quota', code: null }), { kind: 'billing' }],
    ['too many', 429, error({ message: 'slow', type: 'tokens', code: 'rate_limit_exceeded' }), { kind: 'rate_limited' }],
    ['too many at Azure', 429, error({ message: 'slow', code: '429' }), { kind: 'rate_limited', code: '429' }],
    ['no such model', 404, error({ message: 'x', code: 'model_not_found' }), { kind: 'not_found' }],
    ['no such deployment', 404, error({ message: 'x', code: 'DeploymentNotFound' }), { kind: 'not_found' }],
    ['too large', 413, '', { kind: 'too_large', message: 'the provider answered 413' }],
    [
      'unprocessable, as Mistral says it',
      422,
      '{"object":"error","message":{"detail":[]},"type":"invalid_request_error"}',
      { kind: 'bad_request' },
    ],
    [
      'unprocessable, as FastAPI says it',
      422,
      '{"detail":[{"loc":["body"],"msg":"x"}]}',
      { kind: 'bad_request', message: '[{"loc":["body"],"msg":"x"}]' },
    ],
    [
      'the body itself, as vLLM says it',
      400,
      '{"object":"error","message":"bad","type":"BadRequestError","code":400}',
      { kind: 'bad_request', message: 'bad' },
    ],
    ['timeout', 408, '', { kind: 'timeout' }],
    ['gateway timeout', 504, '<html>', { kind: 'timeout' }],
    ['overloaded', 503, error({ message: 'x', type: 'server_error' }), { kind: 'overloaded' }],
    ['unavailable', 503, '', { kind: 'overloaded' }],
    ['server', 500, error({ message: 'x', type: 'server_error' }), { kind: 'server' }],
    ['a proxy', 502, '<html>', { kind: 'server', message: 'the provider answered 502' }],
    ['an error with a good status', 200, error({ message: 'x', code: 502 }), { kind: 'server', status: 502 }],
    ['an error text with a good status', 200, '{"error":"rate limited"}', { kind: 'server', message: 'rate limited' }],
    [
      'a key inside other words',
      400,
      error({ message: 'your header Bearer abcdefgh and sk-proj-abcdef123' }),
      { message: 'your header *** and ***' },
    ],
  ])('%s', (_name, status, body, expected) => {
    const failure = errorOf({ status, headers: {}, body: Buffer.from(body) })

    expect(failure).toMatchObject({ ...(status === 200 ? {} : { status }), ...expected })
  })

  test.each([
    ['seconds', { 'retry-after': '7' }, { retryAfterMs: 7_000 }],
    ['milliseconds first', { 'retry-after': '7', 'retry-after-ms': '250.5' }, { retryAfterMs: 251 }],
    [
      'a date, by the clock of the provider',
      { date: 'Mon, 23 Nov 2026 10:00:00 GMT', 'retry-after': 'Mon, 23 Nov 2026 10:00:09 GMT' },
      { retryAfterMs: 9_000 },
    ],
    [
      'a date that has passed',
      { date: 'Mon, 23 Nov 2026 10:00:00 GMT', 'retry-after': 'Mon, 23 Nov 2026 09:00:00 GMT' },
      { retryAfterMs: 0 },
    ],
    ['never more than a minute', { 'retry-after': '86400' }, { retryAfterMs: 60_000 }],
    ['what cannot be read', { 'retry-after': 'soon' }, {}],
    ['a negative number', { 'retry-after': '-5x' }, {}],
    ['its word on retrying', { 'x-should-retry': 'false' }, { shouldRetry: false }],
  ])('when to come back: %s', (_name, headers, expected) => {
    const { retryAfterMs, shouldRetry } = errorOf({ status: 429, headers, body: Buffer.alloc(0) })

    expect(JSON.parse(JSON.stringify({ retryAfterMs, shouldRetry }))).toEqual(expected)
  })
})

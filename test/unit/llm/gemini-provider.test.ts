import { describe, expect, test } from 'vitest'
import { Provider as ProviderSchema } from '../../../src/config/provider.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import type { ChatRequest, Failure } from '../../../src/llm/middle.ts'
import type { ProviderCall } from '../../../src/llm/provider.ts'
import { gemini } from '../../../src/llm/providers/gemini.ts'

const config = ProviderSchema.parse({ type: 'gemini', key: 'env:KEY' })
if (config.type !== 'gemini') throw new Error('not gemini')
const provider = gemini(config)
const BASE = 'https://generativelanguage.googleapis.com/v1beta/models'

const request: ChatRequest = {
  dialect: 'chat',
  model: 'fast',
  system: [{ type: 'text', text: 'be' }],
  turns: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  maxTokens: 5,
  user: 'u',
  stream: false,
  includeUsage: false,
  extras: {},
}

function call(changes: Partial<ProviderCall> = {}): ProviderCall {
  const target = { model: 'gemini-2.5-flash', family: 'gemini' }
  return { operation: 'chat', wire: 'gemini', target, stream: false, body: { kind: 'middle', request }, passed: {}, ...changes }
}

const embedding = (json: JsonObject) =>
  call({ operation: 'embeddings', body: { kind: 'json', json }, target: { model: 'gemini-embedding-001', family: 'gemini' } })
const bodyOf = (one: ProviderCall): unknown => JSON.parse(provider.toProvider(one).body.toString())

describe('requests', () => {
  test.each<[string, Partial<ProviderCall>, string]>([
    ['whole', {}, `${BASE}/gemini-2.5-flash:generateContent`],
    ['streamed', { stream: true }, `${BASE}/gemini-2.5-flash:streamGenerateContent?alt=sse`],
    ['counted', { operation: 'count_tokens' }, `${BASE}/gemini-2.5-flash:countTokens`],
    ['named as a resource', { target: { model: 'models/gemini-x', family: 'gemini' } }, `${BASE}/gemini-x:generateContent`],
    ['with an odd name', { target: { model: 'a?b#c', family: 'gemini' } }, `${BASE}/a%3Fb%23c:generateContent`],
  ])('%s', (_name, changes, url) => {
    const written = provider.toProvider(call(changes))

    expect(written.url).toBe(url)
    expect(written.dropped).toEqual(['user'])
    expect(Object.keys(written.headers)).toEqual(['content-type', 'accept'])
  })

  test('a name that would leave its place in the path is refused', () => {
    expect(() => provider.toProvider(call({ target: { model: '../x', family: 'gemini' } }))).toThrow(
      expect.objectContaining({ code: 'invalid_params' }),
    )
  })

  test('a count wraps the whole request', () => {
    expect(bodyOf(call({ operation: 'count_tokens' }))).toEqual({
      generateContentRequest: {
        model: 'models/gemini-2.5-flash',
        contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
        systemInstruction: { parts: [{ text: 'be' }] },
        generationConfig: { maxOutputTokens: 5 },
      },
    })
    expect(provider.toAnswer?.(call({ operation: 'count_tokens' }), { totalTokens: 7 })).toEqual({ input_tokens: 7 })
    expect(provider.usageOf(call({ operation: 'count_tokens' }), { totalTokens: 7 })).toBeUndefined()
  })
})

describe('embeddings', () => {
  test('go out as one batch and come back in the OpenAI shape', () => {
    const one = embedding({ model: 'e', input: ['a', 'b'], dimensions: 2, user: 'u' })
    const answer = { embeddings: [{ values: [0.5, 1] }, { values: [2, 3] }], usageMetadata: { promptTokenCount: 4 } }

    expect(provider.toProvider(one)).toMatchObject({ url: `${BASE}/gemini-embedding-001:batchEmbedContents`, dropped: ['user'] })
    expect(bodyOf(one)).toEqual({
      requests: ['a', 'b'].map((text) => ({
        model: 'models/gemini-embedding-001',
        content: { parts: [{ text }] },
        outputDimensionality: 2,
      })),
    })
    expect(provider.toAnswer?.(one, answer)).toEqual({
      object: 'list',
      model: 'gemini-embedding-001',
      data: [
        { object: 'embedding', index: 0, embedding: [0.5, 1] },
        { object: 'embedding', index: 1, embedding: [2, 3] },
      ],
      usage: { prompt_tokens: 4, total_tokens: 4 },
    })
    expect(provider.usageOf(one, answer)).toMatchObject({ input: 4, output: 0, source: 'provider' })
  })

  test('an answer that counts nothing has no usage, and base64 is little-endian floats', () => {
    const one = embedding({ model: 'e', input: 'a', encoding_format: 'base64' })
    const answer = { embeddings: [{ values: [0.5, 1] }] }

    expect(provider.toAnswer?.(one, answer)).toEqual({
      object: 'list',
      model: 'gemini-embedding-001',
      data: [{ object: 'embedding', index: 0, embedding: 'AAAAPwAAgD8=' }],
    })
    expect(provider.usageOf(one, answer)).toBeUndefined()
  })

  test.each<[string, JsonObject]>([
    ['no input', { model: 'e' }],
    ['no texts', { input: [] }],
    ['an empty text', { input: [''] }],
    ['token ids', { input: [1, 2] }],
    ['odd dimensions', { input: 'a', dimensions: '5' }],
    ['no dimensions', { input: 'a', dimensions: 0 }],
    ['an odd encoding', { input: 'a', encoding_format: 'hex' }],
  ])('%s is refused', (_name, json) => {
    expect(() => provider.toProvider(embedding(json))).toThrow(expect.objectContaining({ code: 'invalid_params' }))
  })

  test.each<[string, JsonObject]>([
    ['nothing', {}],
    ['no list', { embeddings: {} }],
    ['no vectors', { embeddings: [{}] }],
    ['an empty vector', { embeddings: [{ values: [] }] }],
  ])('an answer with %s is invalid', (_name, body) => {
    expect(() => provider.toAnswer?.(embedding({ input: 'a' }), body)).toThrow(
      expect.objectContaining({ code: 'upstream_invalid' }),
    )
  })
})

describe('refusals', () => {
  const google = (code: number, status: string, message: string, details: unknown[] = []) => ({
    error: { code, status, message, details },
  })
  const refused = (status: number, body: unknown, headers: Record<string, string> = {}): Failure =>
    provider.errorOf({ status, headers, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) })
  const info = (type: string, members: JsonObject) => ({ '@type': `type.googleapis.com/google.rpc.${type}`, ...members })

  test.each<[string, number, unknown, Partial<Failure>]>([
    [
      'bad argument',
      400,
      google(400, 'INVALID_ARGUMENT', 'no'),
      { kind: 'bad_request', status: 400, message: 'no', code: 'INVALID_ARGUMENT' },
    ],
    [
      'a prompt too long',
      400,
      google(400, 'INVALID_ARGUMENT', 'The input token count (9) exceeds the maximum number of tokens allowed (8).'),
      { kind: 'too_large' },
    ],
    [
      'a wrong key',
      400,
      google(400, 'INVALID_ARGUMENT', 'API key not valid: AIzaSy', [info('ErrorInfo', { reason: 'API_KEY_INVALID' })]),
      { kind: 'auth', message: 'the provider answered INVALID_ARGUMENT' },
    ],
    [
      'a token that ended',
      401,
      google(401, 'UNAUTHENTICATED', 'Bearer ya29.x'),
      { kind: 'auth', message: 'the provider answered UNAUTHENTICATED' },
    ],
    [
      'forbidden',
      403,
      google(403, 'PERMISSION_DENIED', 'project secret-1 may not'),
      { kind: 'forbidden', message: 'the provider answered PERMISSION_DENIED' },
    ],
    [
      'words that quote a key',
      400,
      google(400, 'INVALID_ARGUMENT', 'key AIzaSyAbcdefgh is odd'),
      { kind: 'bad_request', message: 'key *** is odd' },
    ],
    [
      'no billing',
      403,
      google(403, 'PERMISSION_DENIED', 'no', [info('ErrorInfo', { reason: 'BILLING_DISABLED' })]),
      { kind: 'billing' },
    ],
    ['no such model', 404, google(404, 'NOT_FOUND', 'no'), { kind: 'not_found' }],
    [
      'rate limit',
      429,
      google(429, 'RESOURCE_EXHAUSTED', 'slow', [info('RetryInfo', { retryDelay: '12.5s' })]),
      { kind: 'rate_limited', retryAfterMs: 12_500 },
    ],
    [
      'rate limit, long',
      429,
      google(429, 'RESOURCE_EXHAUSTED', 'slow', [info('RetryInfo', { retryDelay: '3600s' })]),
      { kind: 'rate_limited', retryAfterMs: 60_000 },
    ],
    ['server', 500, google(500, 'INTERNAL', 'oh'), { kind: 'server' }],
    ['overloaded', 503, google(503, 'UNAVAILABLE', 'busy'), { kind: 'overloaded' }],
    ['deadline', 504, google(504, 'DEADLINE_EXCEEDED', 'late'), { kind: 'timeout' }],
    ['an error in a list', 429, [google(429, 'RESOURCE_EXHAUSTED', 'slow')], { kind: 'rate_limited' }],
    ['an error with status 200', 200, google(503, 'UNAVAILABLE', 'busy'), { kind: 'overloaded', status: 503 }],
    ['an error that says nothing', 200, { error: {} }, { kind: 'server' }],
    ['a page of a proxy', 502, '<html>', { kind: 'server', status: 502, message: 'the provider answered 502' }],
    ['too large, from a proxy', 413, '', { kind: 'too_large' }],
    ['odd members', 400, { error: { code: 'x', status: 4, message: {}, details: 'no' } }, { kind: 'bad_request', status: 400 }],
  ])('%s', (_name, status, body, failure) => {
    expect(refused(status, body)).toMatchObject(failure)
  })

  test.each<[string, Record<string, string>, number | undefined]>([
    ['seconds', { 'retry-after': '7' }, 7_000],
    ['a date', { 'retry-after': 'Mon, 23 Nov 2026 20:00:05 GMT', date: 'Mon, 23 Nov 2026 20:00:00 GMT' }, 5_000],
    ['a date long ago', { 'retry-after': 'Mon, 23 Nov 2020 20:00:05 GMT', date: 'Mon, 23 Nov 2026 20:00:00 GMT' }, 0],
    ['a date without a clock', { 'retry-after': 'Mon, 23 Nov 2026 20:00:05 GMT' }, 60_000],
    ['a day', { 'retry-after': '86400' }, 60_000],
    ['words', { 'retry-after': 'soon' }, undefined],
  ])('Retry-After as %s', (_name, headers, retryAfterMs) => {
    expect(refused(429, {}, headers).retryAfterMs).toBe(retryAfterMs)
  })
})

import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { scanMembers } from '../../../src/llm/body.ts'
import type { ChatRequest } from '../../../src/llm/middle.ts'
import type { ProviderCall } from '../../../src/llm/provider.ts'
import { anthropic } from '../../../src/llm/providers/anthropic.ts'
import { claudeEnvelope } from '../../../src/llm/wires/messages-envelope.ts'

const provider = anthropic({
  type: 'anthropic',
  baseUrl: 'https://api.anthropic.com/v1/',
  key: 'env:ANTHROPIC_API_KEY',
  enabled: true,
  connections: 1,
  headers: {},
})

const request: ChatRequest = {
  dialect: 'chat',
  model: 'smart',
  system: [],
  turns: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  stream: true,
  includeUsage: false,
  seed: 1,
  extras: {},
}

function call(members: Partial<ProviderCall> = {}): ProviderCall {
  const target = { model: 'claude-sonnet-4-5', family: 'anthropic' }
  return { operation: 'chat', wire: 'messages', target, stream: true, body: { kind: 'middle', request }, passed: {}, ...members }
}

function same(text: string): ProviderCall['body'] {
  const bytes = Buffer.from(text)
  return { kind: 'same', bytes, members: scanMembers(bytes) }
}

const jsonOf = (body: Buffer) => JSON.parse(body.toString()) as JsonObject

describe('the Anthropic provider', () => {
  test('writes a translated request', () => {
    const written = provider.toProvider(call())

    expect(written).toMatchObject({
      url: 'https://api.anthropic.com/v1/messages',
      headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      dropped: ['seed'],
    })
    expect(jsonOf(written.body)).toEqual({
      model: 'claude-sonnet-4-5',
      max_tokens: 4_096,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      stream: true,
    })
  })

  test('changes only the model of a request in its own dialect', () => {
    const text = '{ "model" : "smart",  "max_tokens":5,"messages":[], "later": {"a": 1e3 } }'
    const passed = { 'anthropic-version': '2024-01-01', 'anthropic-beta': 'a-1, b-2' }
    const { body, headers } = provider.toProvider(call({ body: same(text), passed }))

    expect(body.toString()).toBe(text.replace('"smart"', '"claude-sonnet-4-5"'))
    expect(headers).toMatchObject(passed)
  })

  test('counts tokens without what only an answer needs', () => {
    const written = provider.toProvider(call({ operation: 'count_tokens' }))

    expect(written.url).toBe('https://api.anthropic.com/v1/messages/count_tokens')
    expect(Object.keys(jsonOf(written.body)).toSorted()).toEqual(['messages', 'model'])
    expect(provider.usageOf(call({ operation: 'count_tokens' }), { input_tokens: 5 })).toBeUndefined()
  })

  test('has no embeddings', () => {
    expect(() => provider.toProvider(call({ operation: 'embeddings' }))).toThrow(
      expect.objectContaining({ code: 'invalid_params' }),
    )
  })

  test('gives the usage of an answer', () => {
    expect(provider.usageOf(call(), { usage: { input_tokens: 5, output_tokens: 2 } })).toMatchObject({ input: 5, output: 2 })
  })

  test.each<[number, string, string, string]>([
    [400, 'invalid_request_error', 'max_tokens: Field required', 'bad_request'],
    [400, 'invalid_request_error', 'prompt is too long: 250000 tokens > 200000 maximum', 'too_large'],
    [400, 'invalid_request_error', 'Output blocked by content filtering policy', 'filtered'],
    [400, 'invalid_request_error', 'Your credit balance is too low to access the API', 'billing'],
    [401, 'authentication_error', 'invalid x-api-key', 'auth'],
    [402, 'billing_error', 'pay', 'billing'],
    [403, 'permission_error', 'no', 'forbidden'],
    [404, 'not_found_error', 'model: x', 'not_found'],
    [409, 'conflict_error', 'busy', 'bad_request'],
    [413, 'request_too_large', 'too large', 'too_large'],
    [429, 'rate_limit_error', 'slow down', 'rate_limited'],
    [500, 'api_error', 'Internal server error', 'server'],
    [502, '', '', 'server'],
    [503, '', '', 'overloaded'],
    [504, 'timeout_error', 'timed out', 'timeout'],
    [529, 'overloaded_error', 'Overloaded', 'overloaded'],
  ])('%i %s "%s" is %s', (status, type, message, kind) => {
    const body =
      type === ''
        ? Buffer.from('<html>bad gateway</html>')
        : Buffer.from(JSON.stringify({ type: 'error', error: { type, message } }))

    expect(provider.errorOf({ status, headers: {}, body })).toMatchObject({ kind, status })
  })

  test.each<[string, Record<string, string>, object]>([
    ['seconds', { 'retry-after': '7' }, { retryAfterMs: 7_000 }],
    ['milliseconds first', { 'retry-after-ms': '150', 'retry-after': '7' }, { retryAfterMs: 150 }],
    [
      'a date, by the clock of the provider',
      { 'retry-after': 'Mon, 23 Nov 2026 10:00:05 GMT', date: 'Mon, 23 Nov 2026 10:00:00 GMT' },
      { retryAfterMs: 5_000 },
    ],
    ['not longer than a minute', { 'retry-after': '86400' }, { retryAfterMs: 60_000 }],
    ['not what cannot be read', { 'retry-after': 'soon' }, {}],
    ['its word on retrying', { 'x-should-retry': 'false' }, { shouldRetry: false }],
  ])('hears %s', (_name, headers, expected) => {
    const failure = provider.errorOf({ status: 429, headers, body: Buffer.from('{}') })

    expect(failure).toEqual({ kind: 'rate_limited', status: 429, message: 'the provider answered 429', ...expected })
  })

  test('an error in a body with a good status has no status', () => {
    const body = Buffer.from('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')

    expect(provider.errorOf({ status: 200, headers: {}, body })).toEqual({ kind: 'overloaded', message: 'Overloaded' })
  })

  test('repeats nothing that looks like a key', () => {
    const told = (status: number, type: string) => {
      const error = { type, message: 'the key sk-ant-api03-abcdef is not valid' }
      return provider.errorOf({ status, headers: {}, body: Buffer.from(JSON.stringify({ type: 'error', error })) }).message
    }

    expect(told(401, 'authentication_error')).toBe('the provider answered 401')
    expect(told(400, 'invalid_request_error')).toBe('the key *** is not valid')
  })
})

describe('the envelope of clouds that serve Claude', () => {
  const passed = { 'anthropic-beta': 'a-1, b-2' }
  const text = '{"model":"smart","stream":true,"max_tokens":5,"messages":[]}'

  test('names the version and not the model, in the bytes of the caller', () => {
    const { body, dropped } = claudeEnvelope(call({ body: same(text), passed }), 'bedrock-2023-05-31', { betas: 'body' })

    expect(body.toString()).toBe(
      '{"max_tokens":5,"messages":[],"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a-1","b-2"]}',
    )
    expect(dropped).toEqual([])
  })

  test('leaves betas to the header where the cloud reads them there', () => {
    const { body } = claudeEnvelope(call({ body: same(text), passed }), 'vertex-2023-10-16')

    expect(jsonOf(body)).toEqual({ max_tokens: 5, messages: [], anthropic_version: 'vertex-2023-10-16' })
  })

  test('writes a translated request the same way', () => {
    const { body, dropped } = claudeEnvelope(call(), 'bedrock-2023-05-31', { betas: 'body' })

    expect(Object.keys(jsonOf(body)).toSorted()).toEqual(['anthropic_version', 'max_tokens', 'messages'])
    expect(dropped).toEqual(['seed'])
  })
})

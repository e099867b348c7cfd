import { describe, expect, test } from 'vitest'
import { Provider as ProviderSchema } from '../../../src/config/provider.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { scanMembers } from '../../../src/llm/body.ts'
import type { ChatRequest } from '../../../src/llm/middle.ts'
import type { ProviderCall } from '../../../src/llm/provider.ts'
import { vertex } from '../../../src/llm/providers/vertex.ts'

function providerOf(settings: JsonObject = {}) {
  const config = ProviderSchema.parse({
    type: 'vertex',
    project: 'p-1',
    credentials: { type: 'token', token: 'env:T' },
    ...settings,
  })
  if (config.type !== 'vertex') throw new Error('not vertex')
  return vertex(config)
}

const request: ChatRequest = {
  dialect: 'chat',
  model: 'fast',
  system: [],
  turns: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [{ name: 'f', schema: { type: 'object' } }],
  toolChoice: { type: 'auto' },
  stream: false,
  includeUsage: false,
  extras: {},
}

const GOOGLE = { model: 'gemini-2.5-flash', family: 'gemini' }
const CLAUDE = { model: 'claude-sonnet-4-5@20250929', family: 'anthropic' }

function call(changes: Partial<ProviderCall> = {}): ProviderCall {
  return {
    operation: 'chat',
    wire: 'gemini',
    target: GOOGLE,
    stream: false,
    body: { kind: 'middle', request },
    passed: {},
    ...changes,
  }
}

function claude(json: JsonObject, changes: Partial<ProviderCall> = {}): ProviderCall {
  const bytes = Buffer.from(JSON.stringify(json))
  const body = { kind: 'same', bytes, members: scanMembers(bytes) } as const
  return call({ wire: 'messages', target: CLAUDE, body, ...changes })
}

const bodyOf = (one: ProviderCall): unknown => JSON.parse(providerOf().toProvider(one).body.toString())

describe('addresses', () => {
  const path = (location: string) =>
    `/v1/projects/p-1/locations/${location}/publishers/google/models/gemini-2.5-flash:generateContent`

  test.each<[string, JsonObject, string | undefined, string]>([
    ['global', {}, undefined, `https://aiplatform.googleapis.com${path('global')}`],
    [
      'a region',
      { location: 'europe-west1' },
      undefined,
      `https://europe-west1-aiplatform.googleapis.com${path('europe-west1')}`,
    ],
    [
      'a region of the target',
      { location: 'europe-west1' },
      'us-east5',
      `https://us-east5-aiplatform.googleapis.com${path('us-east5')}`,
    ],
    ['a group of regions', { location: 'eu' }, undefined, `https://aiplatform.eu.rep.googleapis.com${path('eu')}`],
    ["an address of one's own", { baseUrl: 'http://127.0.0.1:9/' }, 'us-east5', `http://127.0.0.1:9${path('us-east5')}`],
  ])('%s', (_name, settings, region, url) => {
    expect(providerOf(settings).toProvider(call(region === undefined ? {} : { region })).url).toBe(url)
  })

  test.each<[string, ProviderCall, string]>([
    ['streamed', call({ stream: true }), 'google/models/gemini-2.5-flash:streamGenerateContent?alt=sse'],
    ['counted', call({ operation: 'count_tokens' }), 'google/models/gemini-2.5-flash:countTokens'],
    ['Claude', claude({}), 'anthropic/models/claude-sonnet-4-5%4020250929:rawPredict'],
    ['Claude, streamed', claude({}, { stream: true }), 'anthropic/models/claude-sonnet-4-5%4020250929:streamRawPredict'],
    ['Claude, counted', claude({}, { operation: 'count_tokens' }), 'anthropic/models/count-tokens:rawPredict'],
  ])('%s', (_name, one, end) => {
    expect(providerOf().toProvider(one).url.split('/publishers/')[1]).toBe(end)
  })

  test.each([
    ['gemini-3-pro-preview', ['gemini'], 'gemini'],
    ['text-embedding-005', ['gemini'], 'gemini'],
    ['claude-opus-4-1@20250805', ['messages'], 'anthropic'],
    ['llama-4-maverick', [], 'gemini'],
  ])('%s speaks %j', (model, wires, family) => {
    expect(providerOf().wires(model)).toEqual(wires)
    expect(providerOf().family(model)).toBe(family)
  })
})

describe('Gemini', () => {
  test('calls and results go without ids', () => {
    const turns: ChatRequest['turns'] = [
      ...request.turns,
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'x', name: 'f', arguments: '{}' }] },
      { role: 'user', parts: [{ type: 'tool-result', callId: 'x', parts: [] }] },
    ]

    expect(bodyOf(call({ body: { kind: 'middle', request: { ...request, turns } } }))).toMatchObject({
      contents: [
        {},
        { role: 'model', parts: [{ functionCall: { name: 'f', args: {} } }] },
        { role: 'user', parts: [{ functionResponse: { name: 'f', response: { result: '' } } }] },
      ],
    })
  })

  test('a count has the request at the top, without the choice of tools', () => {
    const body = bodyOf(call({ operation: 'count_tokens' }))

    expect(body).toEqual({
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
      tools: [{ functionDeclarations: [{ name: 'f', description: 'f', parametersJsonSchema: { type: 'object' } }] }],
    })
    expect(providerOf().toAnswer?.(call({ operation: 'count_tokens' }), { totalTokens: 3 })).toEqual({ input_tokens: 3 })
  })

  test('embeddings are predictions, counted one by one', () => {
    const one = call({ operation: 'embeddings', body: { kind: 'json', json: { input: ['a', 'b'], dimensions: 2 } } })
    const predictions = [1, 2].map((count) => ({
      embeddings: { values: [count, 0], statistics: { token_count: count, truncated: false } },
    }))

    expect(bodyOf(one)).toEqual({ instances: [{ content: 'a' }, { content: 'b' }], parameters: { outputDimensionality: 2 } })
    expect(providerOf().toProvider(one).url).toMatch(/:predict$/)
    expect(providerOf().toAnswer?.(one, { predictions })).toMatchObject({
      data: [
        { index: 0, embedding: [1, 0] },
        { index: 1, embedding: [2, 0] },
      ],
      usage: { prompt_tokens: 3, total_tokens: 3 },
    })
    expect(providerOf().usageOf(one, { predictions })).toMatchObject({ input: 3 })
    expect(providerOf().usageOf(one, { predictions: [{ embeddings: { values: [1] } }] })).toBeUndefined()
  })
})

describe('Claude', () => {
  const json = { model: 'fast', max_tokens: 5, stream: true, messages: [{ role: 'user', content: 'hi' }], top_k: 3 }

  test('gets the version in the body, the stream in both places, and no model', () => {
    expect(bodyOf(claude(json, { stream: true }))).toEqual({
      max_tokens: 5,
      stream: true,
      messages: json.messages,
      top_k: 3,
      anthropic_version: 'vertex-2023-10-16',
    })
    expect(bodyOf(claude({ ...json, stream: false }))).not.toHaveProperty('stream')
  })

  test('is asked in Messages when the caller speaks something else', () => {
    const body = bodyOf(call({ wire: 'messages', target: CLAUDE }))

    expect(body).toMatchObject({
      anthropic_version: 'vertex-2023-10-16',
      messages: [{ role: 'user' }],
      max_tokens: expect.any(Number),
    })
    expect(body).not.toHaveProperty('model')
  })

  test('counts by the name in the body', () => {
    const one = claude(json, { operation: 'count_tokens' })

    expect(bodyOf(one)).toEqual({ model: CLAUDE.model, messages: json.messages })
    expect(providerOf().toAnswer?.(one, { input_tokens: 4 })).toEqual({ input_tokens: 4 })
  })

  test('has no embeddings', () => {
    const one = call({ operation: 'embeddings', wire: 'messages', target: CLAUDE, body: { kind: 'json', json: { input: 'a' } } })

    expect(() => providerOf().toProvider(one)).toThrow(expect.objectContaining({ code: 'invalid_params' }))
  })

  test('betas stay in their header, and nothing else of the caller passes', () => {
    const passed = { 'anthropic-beta': 'a,b', 'anthropic-version': '2023-06-01' }

    expect(providerOf().toProvider(claude(json, { passed, stream: true })).headers).toEqual({
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'anthropic-beta': 'a,b',
    })
  })

  test('answers are read as Messages', () => {
    expect(providerOf().fromProvider(claude(json)).wire.name).toBe('messages')
    expect(providerOf().fromProvider(call()).wire.name).toBe('gemini')
    expect(providerOf().usageOf(claude(json), { usage: { input_tokens: 3, output_tokens: 4 } })).toMatchObject({
      input: 3,
      output: 4,
    })
  })

  test.each<[string, number, JsonObject, JsonObject]>([
    ['the model', 529, { type: 'error', error: { type: 'overloaded_error', message: 'busy' } }, { kind: 'overloaded' }],
    [
      'the platform',
      429,
      { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'quota' } },
      { kind: 'rate_limited', code: 'RESOURCE_EXHAUSTED' },
    ],
  ])('a refusal of %s is read', (_name, status, body, failure) => {
    expect(providerOf().errorOf({ status, headers: {}, body: Buffer.from(JSON.stringify(body)) })).toMatchObject(failure)
  })
})

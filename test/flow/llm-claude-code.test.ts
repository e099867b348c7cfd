// The protocol Claude Code speaks to a gateway: a base URL without /v1, a bearer token, headers and unknown members that pass unchanged,
// discovery of models, counting of tokens.
import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'
import { type RawProvider, startRawProvider } from '../support/raw-provider.ts'

const BETAS = 'claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14'
/** What the program sends beside the dialect: attribution and its own traces. Made up as it may be, none of it is the provider's. */
const OWN = {
  'user-agent': 'claude-cli/2.9.9 (external, cli)',
  'x-app': 'cli',
  'anthropic-dangerous-direct-browser-access': 'true',
  'x-stainless-lang': 'js',
  'x-stainless-retry-count': '0',
  'x-claude-code-session-id': '9f3c',
  'x-claude-code-user': 'mallory',
  'x-tenant': 'other-team',
  cookie: 'a=b',
}

let models: ModelGateway
let raw: RawProvider

beforeAll(async () => {
  raw = await startRawProvider((path, isStream) =>
    path.includes('count_tokens') ? '{"input_tokens":42}' : isStream ? STREAM : ANSWER,
  )
  models = await startModelGateway({
    file: {
      providers: { raw: { type: 'anthropic', baseUrl: `${raw.url}/v1`, key: 'env:FAKE_KEY' } },
      routes: { 'claude-sonnet-4-5': { targets: [{ provider: 'raw', model: 'claude-sonnet-4-5-20250929' }] } },
    },
    catalog: { models: [{ route: 'claude-sonnet-4-5' }] },
  })
})
afterAll(async () => {
  await models[Symbol.asyncDispose]()
  await raw[Symbol.asyncDispose]()
})
beforeEach(() => raw.seen.splice(0))

const BODY = `{ "model":"claude-sonnet-4-5",  "max_tokens": 32000,
  "system":[{"type":"text","text":"You are Claude Code.","cache_control":{"type":"ephemeral","ttl":"1h"}}],
  "messages":[{"role":"user","content":[{"type":"text","text":"h\\u00e4 \\ud83c\\udfd4 hä","cache_control":{"type":"ephemeral"}}]}],
  "tools":[{"name":"Bash","description":"d","input_schema":{"type":"object","properties":{"n":{"const":1.0}}},"eager_input_streaming":true}],
  "metadata":{"user_id":"user_abc_session_9f3c"}, "thinking":{"type":"adaptive"}, "context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},
  "a_member_of_next_year":{"n":1e400,"deep":[[{}]]} , "temperature":1}`

const post = (path: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(models.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${models.token}`,
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': BETAS,
      ...OWN,
      ...headers,
    },
    body,
  })

test.each(['/v1/messages', '/v1/messages?beta=true'])('%s reaches the provider byte for byte but for the model', async (path) => {
  const answer = await post(path, BODY)

  expect(answer.status).toBe(200)
  const [seen] = raw.seen
  expect(seen?.body).toBe(BODY.replace('"claude-sonnet-4-5"', '"claude-sonnet-4-5-20250929"'))
  expect(seen?.path).toMatch(/^\/v1\/messages(?:\?beta=true)?$/)
  expect(seen?.headers).toMatchObject({
    'anthropic-version': '2023-06-01',
    'anthropic-beta': BETAS,
    'x-api-key': 'sk-fake-0123456789',
  })
})

test('what the program says of itself reaches neither the provider nor the ledger', async () => {
  await post('/v1/messages', BODY)

  const names = Object.keys(raw.seen[0]?.headers ?? {})
  expect(names.filter((name) => name in OWN && name !== 'user-agent')).toEqual([])
  expect(raw.seen[0]?.headers['user-agent'] ?? '').not.toContain('claude-cli')
  expect(JSON.stringify(raw.seen[0]?.headers)).not.toContain(models.token)
  const line = (await models.entries()).at(-1)
  expect(line).toMatchObject({ team: 'research', model: 'claude-sonnet-4-5-20250929', target: 'claude-sonnet-4-5' })
  expect(JSON.stringify(line)).not.toMatch(/mallory|other-team/)
})

test('a whole answer comes back as it is, unknown members and all', async () => {
  const answer = await post('/v1/messages', BODY)

  expect(await answer.text()).toBe(ANSWER)
  expect(answer.headers.get('request-id')).toMatch(/\S/)
})

test('a stream comes back as it is, event names, pings and unknown events and all', async () => {
  const answer = await post('/v1/messages?beta=true', BODY.replace('{ ', '{ "stream":true, '))

  expect(answer.headers.get('content-type')).toContain('text/event-stream')
  expect(await answer.text()).toBe(STREAM)
  expect((await models.entries()).at(-1)).toMatchObject({
    status: 'ok',
    inputTokens: 3,
    cacheWrite1hTokens: 20,
    cacheReadTokens: 5,
    outputTokens: 9,
    usageSource: 'provider',
  })
})

test('the client as the program sets it up: a base URL without /v1 and a token', async () => {
  const client = new Anthropic({ baseURL: models.url, authToken: models.token, apiKey: null, maxRetries: 0 })

  const message = await client.beta.messages.create({
    model: 'claude-sonnet-4-5',
    max_tokens: 10,
    betas: ['interleaved-thinking-2025-05-14'],
    messages: [{ role: 'user', content: 'hi' }],
  })

  expect(message.content[0]).toMatchObject({ type: 'text', text: 'yes' })
  expect(raw.seen[0]?.headers['anthropic-beta']).toBe('interleaved-thinking-2025-05-14')
})

test.each(['/v1/messages/count_tokens', '/v1/messages/count_tokens?beta=true'])('%s counts', async (path) => {
  const answer = await post(path, '{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}],"tools":[]}')

  expect(await answer.json()).toEqual({ input_tokens: 42 })
  expect(raw.seen[0]?.path).toMatch(/^\/v1\/messages\/count_tokens/)
})

test.each(['/v1/models', '/v1/models?limit=1000', '/v1/models?beta=true&after_id=x'])('discovery by GET %s', async (path) => {
  const answer = await fetch(models.url + path, {
    headers: { authorization: `Bearer ${models.token}`, 'anthropic-version': '2023-06-01', 'x-api-key': models.token },
  })

  expect(await answer.json()).toMatchObject({
    data: [{ id: 'claude-sonnet-4-5', type: 'model', display_name: 'claude-sonnet-4-5' }],
    has_more: false,
  })
})

test.each([
  { method: 'GET', path: '/v1/messages', status: 405, type: 'invalid_request_error' },
  { method: 'DELETE', path: '/v1/messages', status: 405, type: 'invalid_request_error' },
  { method: 'POST', path: '/v1/nothing', status: 404, type: 'not_found_error' },
  { method: 'POST', path: '/v1/models', status: 405, type: 'invalid_request_error' },
])('$method $path is refused in the words of the dialect', async ({ method, path, status, type }) => {
  const answer = await fetch(models.url + path, {
    method,
    headers: { authorization: `Bearer ${models.token}`, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' },
    ...(method === 'POST' ? { body: '{}' } : {}),
  })

  expect(answer.status).toBe(status)
  expect(await answer.json()).toMatchObject({ type: 'error', error: { type } })
})

test.each(['/', '/v1/messages', '/v1/models'])(
  'HEAD %s, a look whether somebody is there, is answered without a body',
  async (path) => {
    const answer = await fetch(models.url + path, { method: 'HEAD', headers: { authorization: `Bearer ${models.token}` } })

    expect(answer.status).toBeLessThan(500)
    expect(await answer.text()).toBe('')
  },
)

test('no credential is an authentication error of the dialect', async () => {
  const answer = await fetch(`${models.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: BODY,
  })

  expect(answer.status).toBe(401)
  expect(await answer.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } })
})

const USAGE = `"cache_creation_input_tokens":20,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":20}`
const ANSWER = `{"id":"msg_1","type":"message", "role":"assistant","model":"claude-sonnet-4-5-20250929","content":[{"type":"text","text":"yes"},{"type":"block_of_next_year","n":1.0}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,${USAGE},"output_tokens":9},"context_management":{"applied_edits":[]}}`
const STREAM = [
  `event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,${USAGE},"output_tokens":1}}}`,
  'event: ping\ndata: {"type":"ping"}',
  'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
  'event: content_block_delta\ndata: {"type": "content_block_delta","index":0,"delta":{"type":"text_delta","text":"y\\u00e9s"}}',
  'event: event_of_next_year\ndata: {"type":"event_of_next_year","x":[1.0]}',
  'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}',
  'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9},"context_management":{}}',
  'event: message_stop\ndata: {"type":"message_stop"}',
]
  .map((frame) => `${frame}\n\n`)
  .join('')

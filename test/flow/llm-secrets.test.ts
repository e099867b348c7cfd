import { afterAll, beforeAll, expect, test } from 'vitest'
import { gatewayFile, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { type RawProvider, startRawProvider } from '../support/raw-provider.ts'

const KEY = 'sk-fake-0123456789'
const OPENED =
  'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
const FAILED = `data: {"error":{"message":"unsupported value: '${KEY}'","type":"invalid_request_error","code":null}}\n\n`

let provider: RawProvider
let gateway: TestGateway

beforeAll(async () => {
  provider = await startRawProvider((path) => (path.includes('late') ? OPENED + FAILED : FAILED))
  const target = (id: string) => ({ type: 'openai_compatible', baseUrl: `${provider.url}/${id}`, key: 'env:FAKE_KEY' })
  gateway = await startTestGateway(
    {
      'tollgate.json': gatewayFile({
        providers: { early: target('early'), late: target('late') },
        routes: {
          early: { targets: [{ provider: 'early', model: 'm' }] },
          late: { targets: [{ provider: 'late', model: 'm' }] },
        },
      }),
      'catalogs/research.json': {
        title: 'Research',
        for: { teams: ['research'] },
        models: [{ route: 'early' }, { route: 'late' }],
      },
    },
    { FAKE_KEY: KEY },
  )
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

test.each([
  ['chat', 'early', '/v1/chat/completions'],
  ['chat', 'late', '/v1/chat/completions'],
  ['messages', 'early', '/v1/messages'],
  ['messages', 'late', '/v1/messages'],
])('J02: a key repeated in an error on a %s stream, %s, never reaches the caller', async (_dialect, model, path) => {
  const body = { model, stream: true, max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] }

  const answer = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${await gateway.token('research')}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await answer.text()

  expect(text).toContain('error')
  expect(text).not.toContain(KEY)
})

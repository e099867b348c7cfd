// Group D where it needs the whole way through: what of a caller, and of a server's credentials, reaches which upstream.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import {
  answer,
  modern,
  startFakeUpstream,
  tool,
  type Behaviour,
  type FakeUpstream,
  type SeenRequest,
} from '../support/fake-upstream.ts'
import { modernRequest } from '../support/raw-mcp.ts'

let first: FakeUpstream
let second: FakeUpstream
let trap: FakeUpstream
let gateway: TestGateway

/** A modern server with one tool that answers what it is called. */
async function recording(name: string): Promise<FakeUpstream> {
  const answering: Behaviour = (request, response) =>
    answer(response, request, { resultType: 'complete', content: [{ type: 'text', text: name }] })
  return await startFakeUpstream(modern(() => [tool(name)], answering))
}

beforeAll(async () => {
  first = await recording('first')
  second = await recording('second')
  trap = await startFakeUpstream((_request, response) => void response.writeHead(200).end('{}'))
  gateway = await startTestGateway(
    {
      'servers/first.json': {
        type: 'http',
        url: first.url,
        credential: { type: 'bearer', token: 'env:FIRST' },
        headers: { 'x-fixed': 'yes' },
      },
      'servers/second.json': {
        type: 'http',
        url: second.url,
        credential: { type: 'header', name: 'x-api-key', value: 'env:SECOND' },
      },
      'catalogs/all.json': {
        title: 'All',
        for: {},
        tools: [
          { server: 'first', allow: ['*'] },
          { server: 'second', allow: ['*'] },
        ],
      },
    },
    { FIRST: 'canary-first', SECOND: 'canary-second' },
  )
  await gateway.until((snapshot) => [...snapshot.servers.values()].every(({ status }) => status.state === 'ready'))
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const server of [first, second, trap]) await server[Symbol.asyncDispose]()
})

async function call(name: string, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${await gateway.token('research')}`
  return {
    authorization,
    answer: await modernRequest(
      `${gateway.url}/mcp`,
      'tools/call',
      { name, arguments: {} },
      { headers: { authorization, ...headers } },
    ),
  }
}

const lastCall = (server: FakeUpstream): SeenRequest | undefined => server.called('tools/call').at(-1)

it('D03 each server sees its own credential and no other', async () => {
  await Promise.all([call('first'), call('second')])

  expect(
    first.requests.every(({ headers }) => headers.authorization === 'Bearer canary-first' && headers['x-api-key'] === undefined),
  ).toBe(true)
  expect(
    second.requests.every(({ headers }) => headers['x-api-key'] === 'canary-second' && headers.authorization === undefined),
  ).toBe(true)
})

it('D14 D15 no header of the caller reaches an upstream but the trace context', async () => {
  const sent = {
    cookie: 'a=b',
    'x-mcp-auth': 'secret',
    'user-agent': 'caller/1',
    'x-forwarded-for': '10.0.0.1',
    'x-custom': 'mine',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }
  const { authorization } = await call('second', sent)

  const seen = lastCall(second)
  const known = [
    'accept',
    'accept-encoding',
    'connection',
    'content-length',
    'content-type',
    'host',
    'mcp-method',
    'mcp-name',
    'mcp-protocol-version',
    'traceparent',
    'x-api-key',
  ]
  expect(Object.keys(seen?.headers ?? {}).filter((name) => !known.includes(name))).toEqual([])
  expect(seen?.headers['accept-encoding']).toBe('identity')
  expect(seen?.headers['traceparent']).toContain('0af7651916cd43dd8448eb211c80319c')
  expect(JSON.stringify([seen?.headers, seen?.body])).not.toContain(authorization.slice('Bearer '.length))
})

it('D16 a challenge of an upstream is neither passed on nor followed', async () => {
  first.become(
    (_request, response) =>
      void response.writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${trap.url}/.well-known/x"` }).end(),
  )

  const { answer: refused } = await call('first')

  expect(refused.message?.error?.message).toContain('first')
  expect(refused.headers.get('www-authenticate')).toBeNull()
  expect(refused.text).not.toContain(trap.url)
  expect(trap.requests).toEqual([])
})

it('J01 no credential of an upstream stands in a log line, the status or the metrics', async () => {
  const headers = { authorization: `Bearer ${await gateway.token('ops', { roles: ['admin'] })}` }
  const texts = await Promise.all(
    ['/admin/v1/status', '/metrics', '/admin/v1/entries'].map(async (path) =>
      (await fetch(gateway.adminUrl + path, { headers })).text(),
    ),
  )

  expect(JSON.stringify([gateway.logs(), texts])).not.toContain('canary-')
})

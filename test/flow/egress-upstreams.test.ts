// What the gateway sends out for callers and takes from upstreams, end to end: redirects and foreign URLs lead nowhere, secrets stay with the
// origin they were configured for, headers made of callers' words are harmless, and a media type is what it says. A canary server that must
// never be asked stands for every place an attacker would like the gateway to go.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { honest, hostileTool, startHostileMcp } from '../kit/hostile-mcp.ts'
import { right, startHostileProvider } from '../kit/hostile-provider.ts'
import { gatewayFile, startTestGateway, type AdminFiles, type TestGateway } from '../support/gateway.ts'
import { createDoorRequests } from '../support/door-requests.ts'
import { encodePart, makeKey, signToken } from '../support/issuer.ts'
import { modernRequest } from '../support/raw-mcp.ts'
import { talk } from '../support/raw-http.ts'

const stack: (() => unknown)[] = []
afterEach(async () => {
  for (const close of stack.splice(0).toReversed()) await close()
})

function keep<T extends AsyncDisposable>(one: T): T {
  stack.push(() => one[Symbol.asyncDispose]())
  return one
}

interface Server {
  readonly url: string
  readonly port: number
  readonly seen: IncomingMessage[]
}

async function serve(answer: RequestListener): Promise<Server> {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    request.resume()
    response.on('error', () => undefined)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return { url: `http://127.0.0.1:${port}`, port, seen }
}

const startCanary = () =>
  serve((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"keys":[]}'))

const CATALOG = { title: 'Research', for: { teams: ['research'] } }
const KEYS = { FAKE_KEY: 'sk-fake-0123456789', CLIENT_SECRET: 'word-0123456789' }

async function start(files: AdminFiles, own: Readonly<Record<string, unknown>> = {}): Promise<TestGateway> {
  return keep(await startTestGateway({ 'tollgate.json': gatewayFile(own), ...files }, KEYS))
}

const compatible = (url: string) => ({ type: 'openai_compatible', baseUrl: `${url}/v1`, key: 'env:FAKE_KEY' })

async function chat(
  gateway: TestGateway,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  const token = await gateway.token('research')
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...body }),
  })
  return { status: response.status, text: await response.text() }
}

const models = (url: string) => ({
  providers: { p: compatible(url) },
  routes: { m: { targets: [{ provider: 'p', model: 'fake' }] } },
})
const ROUTED = { 'catalogs/research.json': { ...CATALOG, models: [{ route: 'm' }] } }

async function callTool(gateway: TestGateway, name: string, args: object = {}, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${await gateway.token('research')}`
  return await modernRequest(
    `${gateway.url}/mcp`,
    'tools/call',
    { name, arguments: args },
    { headers: { authorization, ...headers } },
  )
}

describe('redirects', () => {
  test.each([302, 307])('K07: a provider, a server and a token endpoint that answer %i lead nowhere', async (status) => {
    const canary = await startCanary()
    const moved = await serve((_request, response) =>
      response.writeHead(status, { location: `${canary.url}/v1/chat/completions` }).end(),
    )
    const gateway = await start(
      {
        'servers/moved.json': { type: 'http', url: `${moved.url}/mcp` },
        'servers/events.json': { type: 'sse', url: `${moved.url}/sse` },
        'servers/token.json': {
          type: 'http',
          url: `${moved.url}/mcp`,
          credential: {
            type: 'client_credentials',
            tokenUrl: `${moved.url}/token`,
            clientId: 'gate',
            clientSecret: 'env:CLIENT_SECRET',
          },
        },
        ...ROUTED,
      },
      models(moved.url),
    )

    const answers = [await chat(gateway, {}), await chat(gateway, { stream: true })]

    expect(answers.map((one) => one.status >= 500)).toEqual([true, true])
    expect(answers.map(({ text }) => text).join()).not.toContain(canary.url)
    await expect
      .poll(() => new Set(moved.seen.map(({ url }) => url)))
      .toEqual(new Set(['/v1/chat/completions', '/mcp', '/sse', '/token']))
    expect(canary.seen).toEqual([])
  })
})

describe('URLs of strangers', () => {
  test.each([
    ['another port of the same machine', (canary: Server) => `${canary.url}/jwks`],
    ['this machine by name', (canary: Server) => `http://localhost:${canary.port}/jwks`],
    ['cloud metadata', () => 'http://169.254.169.254/latest/meta-data'],
    ['a private address on the usual port', () => 'https://10.0.0.1/jwks'],
    ['a file', () => 'file:///etc/passwd'],
    ['credentials', (canary: Server) => `http://user:word@127.0.0.1:${canary.port}/jwks`],
  ])('K01, K08, K15 an issuer whose metadata names %s gets no keys from there', async (_name, urlOf) => {
    const canary = await startCanary()
    const issuer = await serve((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: urlOf(canary) }))
    })
    const key = await makeKey('RS256', 'k1')
    const gateway = await start(
      { 'catalogs/research.json': CATALOG },
      { identity: { issuers: [{ issuer: issuer.url, algorithms: ['RS256'], jwks: { discovery: true } }] } },
    )
    const token = await signToken(key, { claims: { iss: issuer.url, aud: `${gateway.url}/mcp` } })

    const answer = await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers: { authorization: `Bearer ${token}` } })

    expect(answer.status).toBe(401)
    expect(answer.text).not.toMatch(/169\.254|10\.0\.0\.1|passwd|localhost/)
    expect(issuer.seen.length).toBeGreaterThan(0)
    expect(canary.seen).toEqual([])
  })

  test('A06: the header of a token names keys in vain', async () => {
    const canary = await startCanary()
    const gateway = await start({ 'catalogs/research.json': CATALOG })
    const [, claims = ''] = (await gateway.token('research')).split('.')

    for (const member of ['jku', 'x5u', 'jwk'])
      for (const path of ['/mcp', '/v1/chat/completions']) {
        const header = encodePart({
          alg: 'ES256',
          typ: 'JWT',
          kid: 'x',
          [member]: member === 'jwk' ? { kty: 'EC' } : `${canary.url}/jwks`,
        })
        const response = await fetch(gateway.url + path, {
          method: 'POST',
          headers: { authorization: `Bearer ${header}.${claims}.AAAA` },
        })
        expect(response.status).toBe(401)
      }
    expect(canary.seen).toEqual([])
  })

  test('K12: no header, member or argument of a caller is a place to go', async () => {
    const canary = await startCanary()
    const provider = keep(await startHostileProvider())
    const server = keep(await startHostileMcp('http', honest({ tools: () => [hostileTool('go')] })))
    const gateway = await start(
      {
        'servers/far.json': server.file,
        'catalogs/research.json': { ...ROUTED['catalogs/research.json'], tools: [{ server: 'far', allow: ['*'] }] },
      },
      models(provider.url),
    )
    await gateway.until((snapshot) => snapshot.servers.get('far')?.status.state === 'ready')
    const places = Object.fromEntries(
      ['base_url', 'api_base', 'baseUrl', 'endpoint', 'webhook', 'callback_url', 'proxy', 'custom_host'].map((name) => [
        name,
        canary.url,
      ]),
    )
    const headers = Object.fromEntries(
      [
        'x-base-url',
        'x-upstream-url',
        'x-portkey-custom-host',
        'x-litellm-api-base',
        'x-target',
        'x-forwarded-host',
        'referer',
        'destination',
      ].map((name) => [name, canary.url]),
    )

    const model = await chat(gateway, { ...places, stream: false }, headers)
    const tool = await callTool(gateway, 'go', { url: canary.url, uri: canary.url, ...places }, headers)

    expect([model.status, tool.status]).toEqual([200, 200])
    expect(canary.seen).toEqual([])
    expect(server.seen.map((one) => JSON.stringify(one.headers)).join()).not.toContain(canary.url)
    expect(
      provider.fakes
        .requests()
        .map((one) => JSON.stringify(one.headers))
        .join(),
    ).not.toContain(canary.url)
  })

  test.each(['anthropic', 'gemini', 'bedrock', 'openai'])('K12: an image by its URL is never fetched for %s', async (type) => {
    const canary = await startCanary()
    const provider = keep(await startHostileProvider())
    const { fakeProviderFile } = await import('../support/model-gateway.ts')
    const file = fakeProviderFile(provider.url)[type] as Readonly<Record<string, unknown>> // an entry of its table
    const gateway = keep(
      await startTestGateway(
        {
          'tollgate.json': gatewayFile({
            providers: { p: file },
            routes: { m: { targets: [{ provider: 'p', model: 'gemini-2.5-flash' }] } },
          }),
          ...ROUTED,
        },
        { ...KEYS, AWS_ID: 'AKIDEXAMPLE', AWS_SECRET: 'secret-0123456789' },
      ),
    )
    const content = [{ type: 'image_url', image_url: { url: `${canary.url}/cat.png` } }]

    const answer = await chat(gateway, { messages: [{ role: 'user', content }] })

    expect(answer.status).toBeLessThan(500)
    expect(canary.seen).toEqual([])
  })
})

describe('credentials', () => {
  test('K11: an event stream that names another origin to post to gets nothing there', async () => {
    const canary = await startCanary()
    const events = await serve((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`event: endpoint\ndata: ${canary.url}/messages\n\n`),
    )
    const gateway = await start({
      'servers/events.json': {
        type: 'sse',
        url: `${events.url}/sse`,
        credential: { type: 'header', name: 'x-secret', value: 'env:FAKE_KEY' },
      },
      'catalogs/research.json': { ...CATALOG, tools: [{ server: 'events', allow: ['*'] }] },
    })

    await expect.poll(() => events.seen.length).toBeGreaterThan(0)
    await expect.poll(() => gateway.running.files.current.get().servers.get('events')?.status.state).not.toBe('ready')
    expect(events.seen[0]?.headers['x-secret']).toBe(KEYS.FAKE_KEY)
    expect(canary.seen).toEqual([])
  })

  test('K11: a 401 that names a place for metadata is neither followed nor passed on', async () => {
    const canary = await startCanary()
    const closed = await serve((_request, response) =>
      response
        .writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${canary.url}/.well-known/oauth-protected-resource"` })
        .end(),
    )
    const gateway = await start(
      { 'servers/closed.json': { type: 'http', url: `${closed.url}/mcp` }, ...ROUTED },
      models(closed.url),
    )

    const answer = await chat(gateway, {})

    expect(answer.status).toBeGreaterThanOrEqual(500)
    expect(answer.text).not.toContain(canary.url)
    await expect.poll(() => closed.seen.some(({ url }) => url === '/mcp')).toBe(true)
    expect(canary.seen).toEqual([])
  })
})

describe('headers made of words of callers', () => {
  const SPOILT = [
    'a\r\nX-Evil: 1',
    'a\nX-Evil: 1',
    'a\rX-Evil: 1',
    'a\u0000b',
    '\u00e9\u0100',
    '\ud83d\ude00',
    ' lead',
    'trail ',
    '=?base64?WC1FdmlsOiAx?=',
    'x'.repeat(9_000),
  ]

  test('B21: arguments that travel as headers cannot be two headers', async () => {
    const properties = { region: { type: 'string', 'x-mcp-header': 'Region' } }
    const tool = hostileTool('go', { inputSchema: { type: 'object', properties } })
    const server = keep(await startHostileMcp('http', honest({ tools: () => [tool] })))
    const gateway = await start({
      'servers/far.json': server.file,
      'catalogs/research.json': { ...CATALOG, tools: [{ server: 'far', allow: ['*'] }] },
    })
    await gateway.until((snapshot) => snapshot.servers.get('far')?.status.state === 'ready')
    const encode = (value: string) =>
      /^[\x21-\x7e]+$/.test(value) && !value.startsWith('=?') ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`

    for (const value of SPOILT) await callTool(gateway, 'go', { region: value }, { 'mcp-param-region': encode(value) })

    const calls = server.seen.filter(({ method }) => method === 'tools/call')
    expect(calls.length).toBeGreaterThan(5)
    for (const { headers, params } of calls) {
      expect(Object.keys(headers)).not.toContain('x-evil')
      expect(JSON.stringify(Object.values(headers))).not.toMatch(/\\r|\\n|\\u0000/)
      expect(SPOILT).toContain((params['arguments'] as { region: string }).region) // what the tool's schema says
    }
  })

  const CARRIED = [
    ['traceparent', '00-00000000000000000000000000000000-0000000000000000-01'],
    ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\t\u00e9'],
    ['tracestate', 'a=\u00e9,b=\u00ff'],
    ['baggage', 'team=\u00e9\u0080'],
    ['baggage', `a=${'b'.repeat(9_000)}`],
    ['X-Tollgate-Session', 'a\u00ff\u0080b'],
    ['User-Agent', '\u00ff\u00fe'],
  ] as const

  test('B21: trace headers and the like are left out or carried whole', async () => {
    const provider = keep(await startHostileProvider())
    const gateway = await start(ROUTED, models(provider.url))
    const requests = createDoorRequests({ url: gateway.url, token: await gateway.token('research') })
    const body = '{"model":"m","messages":[{"role":"user","content":"hi"}]}'

    for (const [name, value] of CARRIED) {
      const bytes = Buffer.from(requests.whole('/v1/chat/completions', { body, headers: `${name}: ${value}\r\n` }), 'latin1')
      const { answers } = await talk(gateway.url, bytes, { answers: 1 })
      expect([200, 400], `${name}: ${value}`).toContain(answers[0]?.status)
    }
    expect(provider.fakes.requests().length).toBeGreaterThan(3)
    for (const { headers } of provider.fakes.requests())
      expect(JSON.stringify(Object.values(headers))).not.toMatch(/[\u0080-\uffff]|\\[rnt]|\\u00/)
  })
})

describe('media types', () => {
  const WRONG = [
    'xtext/event-stream-foo',
    'application/text/event-stream',
    'text/html',
    'text/plain; x=text/event-stream',
    'text/event-stream-foo',
    'text/event-streamx',
  ]

  test('B20: a provider whose stream is something else said nothing', async () => {
    const provider = keep(await startHostileProvider())
    const gateway = await start(ROUTED, models(provider.url))

    for (const type of WRONG) {
      provider.become(async ({ body }, pen) => {
        pen.head({ 'content-type': type })
        await pen.write(body)
        pen.end()
      })
      const answer = await chat(gateway, { stream: true })
      provider.become(right)
      const after = await chat(gateway, { stream: true })

      expect([answer.status, after.status], `${type}: ${answer.text}`).toEqual([502, 200])
      expect(answer.text).not.toContain(type)
    }
  })

  test('B20: a server whose answer is something else said nothing', async () => {
    const message = (id: unknown) =>
      JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', content: [{ type: 'text', text: 'smuggled' }] } })
    let type = ''
    const server = keep(
      await startHostileMcp(
        'http',
        honest(
          { tools: () => [hostileTool('go')] },
          { 'tools/call': (step) => step.body(`data: ${message(step.id)}\n\n`, type) },
        ),
      ),
    )
    const gateway = await start({
      'servers/far.json': server.file,
      'catalogs/research.json': { ...CATALOG, tools: [{ server: 'far', allow: ['*'] }] },
    })
    await gateway.until((snapshot) => snapshot.servers.get('far')?.status.state === 'ready')

    for (type of ['xtext/event-stream-foo', 'text/event-stream-foo', 'text/event-streamx', 'text/html']) {
      const answer = await callTool(gateway, 'go')

      expect(answer.message?.error?.data, type).toMatchObject({ reason: 'upstream_invalid' })
      expect(answer.text).not.toContain('smuggled')
    }
  })
})

test('K16: the gateway reaches providers and servers through the proxy of its file, whose password stays between the two', async () => {
  const provider = keep(await startHostileProvider())
  const heads: string[] = []
  const proxy = createTcpServer((socket) => {
    socket
      .on('error', () => undefined)
      .once('data', (chunk: Buffer) => {
        heads.push(chunk.toString())
        const target = connect(Number(new URL(provider.url).port), '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
        target
          .on('error', () => socket.destroy())
          .pipe(socket)
          .pipe(target)
        socket.on('close', () => target.destroy())
      })
    stack.push(() => socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  stack.push(() => proxy.close())
  const { port } = proxy.address() as AddressInfo // node:net: what a TCP server has
  const gateway = keep(
    await startTestGateway(
      {
        'tollgate.json': gatewayFile({
          ...models('http://models.example'),
          egress: { proxy: { url: `http://127.0.0.1:${port}`, credentials: 'env:PROXY_WORDS' } },
        }),
        ...ROUTED,
      },
      { ...KEYS, PROXY_WORDS: 'gate:hidden-word' },
    ),
  )

  const answer = await chat(gateway, {})

  expect(answer.status, answer.text).toBe(200)
  expect(heads[0]).toMatch(/^CONNECT models\.example:80 HTTP\/1\.1\r\n/)
  expect(heads[0]).toContain(Buffer.from('gate:hidden-word').toString('base64'))
  expect(JSON.stringify(provider.fakes.requests())).not.toMatch(/hidden-word|proxy-auth/i)
  expect(JSON.stringify(gateway.logs())).not.toContain('hidden-word')
})

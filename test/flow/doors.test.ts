import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gatewayFile, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { modernRequest, post } from '../support/raw-mcp.ts'
import { startEverythingFixture } from '../support/everything.ts'

let gateway: TestGateway
let upstream: Awaited<ReturnType<typeof startEverythingFixture>>

beforeAll(async () => {
  upstream = await startEverythingFixture()
  gateway = await startTestGateway({
    'servers/every.json': { type: 'http', url: upstream.url },
    'catalogs/research.json': {
      title: 'Research',
      for: { teams: ['research'] },
      tools: [{ server: 'every', allow: ['test_simple_*', 'test_error_*'], deny: ['*_error_*'] }],
    },
    'catalogs/secret.json': { title: 'Secret', for: { teams: ['spies'] }, tools: [{ server: 'every', allow: ['*'] }] },
  })
  await gateway.until((snapshot) => snapshot.servers.get('every')?.status.state === 'ready')
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const bearer = async (team: string, options = {}): Promise<Record<string, string>> => ({
  authorization: `Bearer ${await gateway.token(team, options)}`,
})

describe('A27 route walk', () => {
  // Every door of the data and admin listeners; a new one must be added here with its class.
  const open = [
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-protected-resource/mcp',
    '/.well-known/oauth-protected-resource/mcp/research',
  ]
  const closed: [string, string][] = [
    ['POST', '/mcp'],
    ['GET', '/mcp'],
    ['DELETE', '/mcp'],
    ['POST', '/mcp/research'],
    ['GET', '/mcp/research'],
    ['DELETE', '/mcp/research'],
    ['POST', '/mcp/unknown'],
    ['GET', '/v0.1/servers'],
    ['GET', '/v0.1/servers/local.tollgate%2Fresearch/versions'],
    ['GET', '/v0.1/servers/local.tollgate%2Fresearch/versions/latest'],
  ]
  const admin: [string, string][] = [
    ['GET', '/metrics'],
    ['GET', '/admin/v1/status'],
    ['GET', '/admin/v1/explain'],
    ['GET', '/admin/v1/usage'],
    ['GET', '/admin/v1/entries'],
    ['POST', '/admin/v1/reload'],
  ]

  it.each(open)('GET %s is published', async (path) => {
    expect((await fetch(gateway.url + path)).status).toBe(200)
  })

  it.each(closed)('A13 %s %s refuses nobody and an invented bearer with 401', async (method, path) => {
    for (const headers of [
      {},
      { authorization: 'Bearer invented' },
      { authorization: 'Basic YTpi' },
      { 'x-api-key': "' OR 1=1--" },
    ]) {
      const response = await fetch(gateway.url + path, { method, headers })

      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer .*resource_metadata="/)
    }
  })

  it.each(admin)('L01 %s %s on the admin listener refuses nobody with 401 and a data token with 403', async (method, path) => {
    const nobody = await fetch(gateway.adminUrl + path, { method })
    const caller = await fetch(gateway.adminUrl + path, { method, headers: await bearer('research') })

    expect([nobody.status, caller.status]).toEqual([401, 403])
  })

  it.each(['/', '/admin/v1/status', '/metrics', '/console', '/v0/servers', '/mcp/a/b', '/favicon.ico'])(
    'GET %s on the data listener is nothing',
    async (path) => {
      expect((await fetch(gateway.url + path, { headers: await bearer('research', { roles: ['admin'] }) })).status).toBe(404)
    },
  )
})

describe('identity at the door', () => {
  it('A25 a token in the query string names nobody and is not logged', async () => {
    const token = await gateway.token('research')

    const answer = await post(`${gateway.url}/mcp?access_token=${token}`, {})

    expect(answer.status).toBe(401)
    expect(JSON.stringify(gateway.logs())).not.toContain(token)
  })

  it.each(['bearer', 'BEARER'])('A14 the scheme may be spelt %s', async (scheme) => {
    const answer = await modernRequest(
      `${gateway.url}/mcp`,
      'tools/list',
      {},
      { headers: { authorization: `${scheme} ${await gateway.token('research')}` } },
    )

    expect(answer.status).toBe(200)
  })

  it('A12 a caller no catalog is for gets 403 and no default team', async () => {
    const answer = await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers: await bearer('nobody') })

    expect(answer.status).toBe(403)
  })

  it('D12 a catalog of others and one that does not exist look the same', async () => {
    const foreign = await modernRequest(`${gateway.url}/mcp/secret`, 'tools/list', {}, { headers: await bearer('research') })
    const missing = await modernRequest(`${gateway.url}/mcp/nothing`, 'tools/list', {}, { headers: await bearer('research') })

    expect([foreign.status, foreign.text.replace('secret', 'X')]).toEqual([missing.status, missing.text.replace('nothing', 'X')])
    expect(foreign.status).toBeGreaterThanOrEqual(403)
  })

  it('A24 every form of the same principal gets the same decision', async () => {
    const { openKeyStore } = await import('../../src/store/keys.ts')
    const store = await openKeyStore(`${gateway.folder}/.tollgate`, () => Date.now())
    const { key } = await store.create({
      principal: { subject: 'bot', kind: 'agent', team: 'research', groups: [], roles: [], scopes: [] },
    })
    store.close()
    const forms = [await bearer('research'), { authorization: `Bearer ${key}` }, { 'x-api-key': key }]

    await expect
      .poll(async () => (await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers: forms[1] ?? {} })).status, {
        timeout: 2_000,
      })
      .toBe(200)
    const answers = await Promise.all(
      forms.map((headers) => modernRequest(`${gateway.url}/mcp`, 'tools/call', { name: 'test_error_handling' }, { headers })),
    )

    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(answers[0]?.message?.error?.code).toBe(-32602)
  })
})

describe('forged tokens', () => {
  it('A29 a flood of them is shed before the signature check, and tokens already known go on', async () => {
    await using small = await startTestGateway({
      'tollgate.json': gatewayFile({ bounds: { failedSignInsPerSecond: 1 } }),
      'catalogs/all.json': { title: 'All', for: {} },
    })
    const [known, fresh] = [await small.token('research'), await small.token('sales')]
    const ask = (token: string) =>
      modernRequest(`${small.url}/mcp`, 'tools/list', {}, { headers: { authorization: `Bearer ${token}` } })
    expect((await ask(known)).status).toBe(200)

    const forged = await Promise.all(
      Array.from({ length: 12 }, (_, index) => ask(`${fresh.slice(0, -4)}${String(index).padStart(4, 'A')}`)),
    )

    expect(forged.filter(({ status }) => status === 401).length).toBeGreaterThan(0)
    expect((await ask(known)).status).toBe(200)
    const shed = await ask(fresh)
    expect([shed.status, shed.headers.get('retry-after')]).toEqual([429, '1'])
    await expect.poll(async () => (await ask(fresh)).status, { timeout: 20_000 }).toBe(200)
  })
})

describe('HTTP at the door', () => {
  const cases: [string, () => Promise<{ status: number }>, number][] = [
    ['B10 a foreign Host is misdirected', () => raw('GET /mcp HTTP/1.1\r\nHost: evil.example\r\n\r\n'), 421],
    [
      'B14 two Authorization headers are refused',
      () =>
        raw(
          'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 0\r\n\r\n',
        ),
      400,
    ],
    ['B13 an absolute target is refused', () => raw('GET http://127.0.0.1/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'), 400],
    ['B18 a dot segment is refused', () => raw('GET /mcp/../mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'), 400],
    [
      'B07 a header block over the bound is refused',
      () => raw(`GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Big: ${'a'.repeat(20_000)}\r\n\r\n`),
      431,
    ],
    [
      'B01 a request with two lengths is refused',
      () => raw('POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'),
      400,
    ],
    [
      'B11 a foreign Origin is forbidden',
      () => fetch(`${gateway.url}/mcp`, { headers: { origin: 'https://evil.example' } }),
      403,
    ],
    [
      'an allowed preflight is answered',
      () =>
        fetch(`${gateway.url}/mcp`, {
          method: 'OPTIONS',
          headers: { origin: 'http://localhost:6274', 'access-control-request-method': 'POST' },
        }),
      204,
    ],
    [
      'B25 a preflight of a foreign origin is not',
      () => fetch(`${gateway.url}/mcp`, { method: 'OPTIONS', headers: { origin: 'https://evil.example' } }),
      403,
    ],
    ['PUT is not for an MCP endpoint', () => fetch(`${gateway.url}/mcp`, { method: 'PUT' }), 405],
  ]
  it.each(cases)('%s', async (_name, act, status) => {
    expect((await act()).status).toBe(status)
  })

  it('B09 a body over the bound is refused before it is read', async () => {
    const answer = await post(`${gateway.url}/mcp`, JSON.stringify({ x: 'a'.repeat(4_300_000) }), await bearer('research'))

    expect(answer.status).toBe(413)
  })

  it('B27 an encoded body is refused', async () => {
    const answer = await post(`${gateway.url}/mcp`, '{}', { ...(await bearer('research')), 'content-encoding': 'gzip' })

    expect(answer.status).toBe(415)
  })
})

async function raw(text: string): Promise<{ status: number }> {
  const { connect } = await import('node:net')
  const { port, hostname } = new URL(gateway.url)
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text))
    socket.once('data', (data) => {
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString())?.[1]) })
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

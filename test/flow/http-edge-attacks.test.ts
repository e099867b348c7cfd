// Group B of the catalogue at the doors of both facets, by the byte. What a row sends is refused as the row says, nothing of it reaches a
// provider, and a control caller on a connection of its own is answered before and after. Smuggling has a file of its own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDoorRequests, DOOR_PATHS, type DoorRequests } from '../support/door-requests.ts'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'
import { listenTo, openSocket, talk, type WireAnswer } from '../support/raw-http.ts'

let door: ModelGateway
let requests: DoorRequests

beforeAll(async () => {
  door = await startModelGateway({
    file: {
      bounds: { bodyMs: 400, bodyBytes: 65_536, modelBodyBytes: 65_536 },
      data: { port: 0, origins: ['https://ide.example'] },
    },
  })
  requests = createDoorRequests(door)
})
afterAll(() => door[Symbol.asyncDispose]())

/** How often a provider was asked so far. */
const executed = (): number => door.fakes.requests().length

async function control(): Promise<void> {
  const { answers } = await talk(door.url, requests.whole('/v1/chat/completions'), { answers: 1 })
  expect(answers.map(({ status }) => status)).toEqual([200])
}

async function once(bytes: string | Buffer, withinMs = 4_000): Promise<WireAnswer> {
  const { answers, text } = await talk(door.url, bytes, { answers: 1, withinMs })
  const [answer] = answers
  if (answer === undefined) throw new Error(`no answer: ${JSON.stringify(text)}`)
  return answer
}

/** Sends a request and asserts its status, that nothing of it reached a provider and that others are served. */
async function expectStatus(bytes: string | Buffer, statuses: number | readonly number[]): Promise<WireAnswer> {
  await control()
  const before = executed()

  const answer = await once(bytes)

  expect([statuses].flat(), `${answer.status} ${answer.body}`).toContain(answer.status)
  expect(answer.body).not.toMatch(/node:|\.ts\b|\n\s+at |llhttp|HPE_|node_modules/)
  expect(executed()).toBe(before)
  await control()
  return answer
}

describe.each(DOOR_PATHS)('at %s', (path) => {
  const whole = (parts: Parameters<DoorRequests['whole']>[1] = {}) => requests.whole(path, parts)

  test.each([
    ['one value larger than the block', () => `X-Big: ${'a'.repeat(20_000)}\r\n`],
    ['two thousand small ones', () => 'X-Small: a\r\n'.repeat(2_000)],
    ['three thousand very small ones', () => 'a:b\r\n'.repeat(3_000)],
    ['more names than are read', () => 'a:b\r\n'.repeat(2_400)],
    ['a name without end', () => `${'a'.repeat(20_000)}: b\r\n`],
  ])('B07: a header block of %s is refused', async (_name, headers) => {
    await expectStatus(whole({ headers: headers() }), 431)
  })

  test('B07: a value of 15 KB inside the bound is only a value', async () => {
    expect((await once(whole({ headers: `X-Big: ${'a'.repeat(15_000)}\r\n` }))).status).toBe(200)
  })

  test.each([
    ['a target of 64 KB', () => `POST ${path}?${'a'.repeat(65_536)} HTTP/1.1`, [400, 414, 431]],
    ['a target of 9 KB', () => `POST ${path}?${'a'.repeat(9_000)} HTTP/1.1`, [400, 414]],
    ['a method of 1 KB', () => `${'A'.repeat(1_024)} ${path} HTTP/1.1`, [400]],
    ['a method nobody made', () => `BREW ${path} HTTP/1.1`, [400, 405]],
    ['a method in small letters', () => `post ${path} HTTP/1.1`, [400, 405]],
    ...['PUT', 'PATCH', 'TRACE', 'PROPFIND', 'SEARCH', 'LINK', 'PURGE', 'QUERY'].map(
      (method) => [method, () => `${method} ${path} HTTP/1.1`, [400, 405]] as const,
    ),
  ] as const)('B08: %s is refused', async (_name, line, statuses) => {
    await expectStatus(whole({ line: line() }), statuses)
  })

  test('B08: HEAD is not taken for GET', async () => {
    const { text } = await talk(door.url, whole({ line: `HEAD ${path} HTTP/1.1` }), { withinMs: 300 })

    expect(text).toMatch(/^HTTP\/1\.1 405 /)
  })

  test('B08: CONNECT opens no tunnel', async () => {
    const { text } = await talk(door.url, whole({ line: 'CONNECT 127.0.0.1:1 HTTP/1.1' }), { withinMs: 1_000 })

    expect(text).not.toMatch(/ 2\d\d /)
    await control()
  })

  test('B09: a body over the bound is refused by its length before it is sent', async () => {
    const answer = await expectStatus(`${requests.front(path)}Content-Length: 65537\r\n\r\n`, 413)

    expect(answer.headers['connection']).toBe('close')
  })

  test('B09: a body over the bound in pieces is refused when the bound is passed', async () => {
    const piece = `2000\r\n${'a'.repeat(0x2000)}\r\n`

    const answer = await expectStatus(`${requests.front(path)}Transfer-Encoding: chunked\r\n\r\n${piece.repeat(9)}`, 413)

    expect(answer.headers['connection']).toBe('close')
  })

  test('B09: a body longer than its length is not read on', async () => {
    const { answers, closed } = await talk(door.url, `${requests.front(path)}Content-Length: 2\r\n\r\n{}${'x'.repeat(100_000)}`, {
      withinMs: 3_000,
    })

    expect(answers.map(({ status }) => status >= 400)).not.toContain(false)
    expect(closed).toBe(true)
    await control()
  })

  test.each([
    ['another name', 'evil.example'],
    ['another name on our port', () => `evil.example:${new URL(door.url).port}`],
    ['a name that begins like ours', '127.0.0.1.evil.example'],
    ['a name that ends like ours', 'evil.localhost'],
    ['a rebinding name', 'localhost.evil.example'],
    ['a literal address of others', '10.0.0.1'],
    ['a literal address of cloud metadata', '169.254.169.254'],
    ['this machine in decimal', '2130706433'],
    ['this machine in hex', '0x7f000001'],
    ['this machine as an IPv6 address that holds an IPv4 address', '[::ffff:127.0.0.1]'],
    ['any address', '0.0.0.0'],
  ])('B10: %s as Host is misdirected', async (_name, host) => {
    const value = typeof host === 'string' ? host : host()

    await expectStatus(whole({ host: `Host: ${value}\r\n` }), [400, 421])
  })

  test.each([
    'https://evil.example',
    'null',
    'https://ide.example:444',
    'http://ide.example',
    'https://ide.example.evil.example',
    'https://evil.example/https://ide.example',
    'https://IDE.example@evil.example',
    'https://ide.example, https://evil.example',
    'https://evil.example https://ide.example',
    'file://',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example:8080',
    'http://localhost@evil.example',
    'ftp://localhost',
    'chrome-extension://abcdefghijklmnop',
  ])('B11: the origin %s is forbidden', async (origin) => {
    const answer = await expectStatus(whole({ headers: `Origin: ${origin}\r\n` }), 403)

    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })

  test('B11, B25 the allowed origin is told that it is, by name and without credentials', async () => {
    const answer = await once(whole({ headers: 'Origin: https://ide.example\r\n' }))

    expect([answer.status, answer.headers['access-control-allow-origin'], answer.headers['vary']]).toEqual([
      200,
      'https://ide.example',
      'Origin',
    ])
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined()
  })

  test.each([
    ['evil.example', 403, undefined],
    ['ide.example', 204, 'https://ide.example'],
  ])('B25: a preflight from %s', async (host, status, allowed) => {
    const line = `OPTIONS ${path} HTTP/1.1`
    const headers = `Origin: https://${host}\r\nAccess-Control-Request-Method: POST\r\n`

    const answer = await once(`${requests.front(path, { line, headers, credential: '' })}\r\n`)

    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([status, allowed])
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined()
  })

  test.each([
    'a/#@b',
    'a?x',
    'a\\b',
    'a b',
    '[::1',
    '::1',
    'a:b:c',
    ':80',
    'a:999999',
    '@',
    'a@b',
    '%6c',
    '',
    'a'.repeat(300),
    '[::1]x',
  ])('B12: a Host of %j is malformed', async (host) => {
    await expectStatus(whole({ host: `Host: ${host}\r\n` }), 400)
  })

  test('B12: no Host at all is refused', async () => {
    await expectStatus(whole({ host: '' }), 400)
  })

  test.each([
    `http://admin${path}`,
    `http://127.0.0.1:1${path}`,
    `https://evil.example${path}`,
    `//admin${path}`,
    `//evil.example:80${path}`,
    `http:${path}`,
    path.slice(1),
    '*',
  ])('B13: the target %s is refused', async (target) => {
    await expectStatus(whole({ line: `POST ${target} HTTP/1.1` }), 400)
  })

  test.each([
    ['Authorization', 'Authorization: Bearer other\r\n'],
    ['Host', 'Host: evil.example\r\n'],
    ['Content-Type', 'Content-Type: text/plain\r\n'],
    ['Content-Type, the same', 'Content-Type: application/json\r\n'],
    ['X-Api-Key', 'X-Api-Key: a\r\nX-Api-Key: b\r\n'],
    ['Api-Key', 'Api-Key: a\r\nApi-Key: b\r\n'],
    ['Origin', 'Origin: https://ide.example\r\nOrigin: https://ide.example\r\n'],
    ['Mcp-Session-Id', 'Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\n'],
    ['Mcp-Protocol-Version', 'MCP-Protocol-Version: 2025-06-18\r\nMCP-Protocol-Version: 2025-06-18\r\n'],
    ['Mcp-Method', 'Mcp-Method: tools/call\r\nMcp-Method: tools/list\r\n'],
    ['Mcp-Name', 'Mcp-Name: a\r\nMcp-Name: b\r\n'],
    ['Mcp-Param-Region', 'Mcp-Param-Region: a\r\nMcp-Param-Region: b\r\n'],
    ['Last-Event-Id', 'Last-Event-Id: 1\r\nLast-Event-Id: 2\r\n'],
    ['X-Tollgate-Session', 'X-Tollgate-Session: a\r\nX-Tollgate-Session: b\r\n'],
    ['X-Tollgate-Strict', 'X-Tollgate-Strict: true\r\nX-Tollgate-Strict: false\r\n'],
    ['Content-Encoding', 'Content-Encoding: identity\r\nContent-Encoding: gzip\r\n'],
  ])('B14: a second %s is refused', async (_name, headers) => {
    await expectStatus(whole({ headers }), 400)
  })

  test.each([
    'X-Forwarded-For: 10.9.8.7',
    'X-Real-IP: 10.9.8.7',
    'Forwarded: for=10.9.8.7;host=evil.example;proto=https',
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Proto: https',
    'X-Original-URL: /admin/v1/status',
    'X-Rewrite-URL: /admin/v1/status',
    'X-Original-Host: evil.example',
    'X-HTTP-Method-Override: DELETE',
    'X-Method-Override: DELETE',
    'X-Forwarded-User: admin',
    'X-Remote-User: admin',
    'Remote-User: admin',
    'X-Forwarded-Client-Cert: Subject="CN=admin"',
    'X-Tollgate-Principal: admin',
    'X-Tollgate-Team: admin',
    'X-Tollgate-Internal: 1',
    'X-Tollgate-Exchange: 00000000-0000-7000-8000-000000000000',
    'X-Tollgate-Request-Id: 00000000-0000-7000-8000-000000000000',
    'Cookie: session=admin',
    'Proxy-Authorization: Basic YWRtaW46YWRtaW4=',
  ])('B15, B17 %s changes nothing and names nobody', async (header) => {
    const plain = await once(whole())
    const nobody = await once(whole({ credential: '', headers: `${header}\r\n` }))

    const answer = await once(whole({ headers: `${header}\r\n` }))

    expect([plain.status, answer.status, nobody.status]).toEqual([200, 200, 401])
    expect(answer.headers['x-tollgate-exchange']).toMatch(/^[0-9a-f]{8}-/)
    expect(answer.headers['x-tollgate-exchange']).not.toMatch(/^0{8}-/)
    expect(door.gateway.logs().filter((line) => JSON.stringify(line).includes('10.9.8.7'))).toEqual([])
  })

  test.each(['X_Api_Key', 'Mcp_Session_Id', 'Content_Length', 'X_Forwarded_User', 'Mcp_Method', 'Transfer_Encoding', 'Api_Key'])(
    'B16: %s is not taken for its spelling with hyphens',
    async (name) => {
      const nobody = await once(whole({ credential: '', headers: `${name}: ${door.token}\r\n` }))

      expect([400, 401]).toContain(nobody.status)
    },
  )

  test.each([
    `${path}/../admin/v1/status`,
    `${path}/.`,
    `${path}/..`,
    `/.${path}`,
    `/${path}`,
    `${path}//`,
    `${path}%2f`,
    `/%2e%2e${path}`,
    path.replace('/', '/%'),
    path.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`),
    `${path};x=1`,
    `${path}%00`,
    `${path}%0d%0aX: y`,
    `${path}\\..\\admin`,
    `${path}#fragment`,
    `${path}%20`,
    `${path}\u00e9`,
  ])('B18: the path %s has no second meaning', async (target) => {
    await expectStatus(whole({ line: `POST ${target} HTTP/1.1` }), [400, 404])
  })

  test.each([`${path}.`, path.toUpperCase(), `${path}/x`, `${path}$`, `${path}+`])(
    'B18: the path %s is another one',
    async (target) => {
      await expectStatus(whole({ line: `POST ${target} HTTP/1.1` }), [401, 404, 405])
    },
  )

  test.each([
    'text/plain',
    'application/jsonp',
    'application/json\ta',
    'application/json a',
    'application/json,text/plain',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    'application/json5',
    'json',
    '/json',
  ])('B19: %s is no JSON', async (type) => {
    await expectStatus(whole({ type: `Content-Type: ${type}\r\n` }), 415)
  })

  test('B19: a body without a type is refused', async () => {
    await expectStatus(whole({ type: '' }), 415)
  })

  test.each([
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/json;charset="UTF-8"',
    '  application/json',
    'application/json; x=y',
  ])('B19: %s is JSON', async (type) => {
    expect((await once(whole({ type: `Content-Type: ${type}\r\n` }))).status).toBe(200)
  })

  test('B22: names out of the language are names like others, and a thousand are too many', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']
    const some = (length: number): string =>
      Array.from({ length }, (_, index) => `${names[index % names.length] ?? ''}: x\r\n`).join('')

    const [few, many] = [await once(whole({ headers: some(120) })), await once(whole({ headers: some(1_200) }))]

    expect([few.status, many.status]).toEqual([200, 431])
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false)
    await control()
  })

  test('B23: whoever waits for 100 and then says nothing is given up', async () => {
    const { text, closed } = await talk(door.url, `${requests.front(path)}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`, {
      withinMs: 4_500,
    })

    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 408 /)
    expect(closed).toBe(true)
  })

  test('B23: an expectation nobody knows is refused', async () => {
    await expectStatus(whole({ headers: 'Expect: 200-ok\r\n' }), 417)
  })

  test.each(['gzip', 'br', 'deflate', 'zstd', 'compress', 'x-gzip', 'gzip, gzip', 'identity, gzip', 'GZIP', 'nothing'])(
    'B27: a body in %s is not unpacked',
    async (encoding) => {
      await expectStatus(whole({ headers: `Content-Encoding: ${encoding}\r\n` }), 415)
    },
  )

  test('B32: answers are not compressed, whatever is accepted', async () => {
    const answer = await once(whole({ headers: 'Accept-Encoding: gzip, deflate, br, zstd\r\n' }))

    expect([answer.status, answer.headers['content-encoding']]).toEqual([200, undefined])
  })

  test.each([
    ['nobody', () => whole({ credential: '' })],
    ['a wrong body', () => whole({ body: '{' })],
    ['a wrong type', () => whole({ type: 'Content-Type: text/plain\r\n' })],
    ['another Host', () => whole({ host: 'Host: evil.example\r\n' })],
    ['another origin', () => whole({ headers: 'Origin: https://evil.example\r\n' })],
    ['a wrong path', () => whole({ line: 'POST /mcp/../x HTTP/1.1' })],
    ['a wrong method', () => whole({ line: `PUT ${path} HTTP/1.1` })],
    ['no such path', () => whole({ line: 'GET /nothing HTTP/1.1' })],
  ])('B33: the refusal of %s gives nothing away', async (_name, bytes) => {
    const answer = await once(bytes())

    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
    expect([answer.headers['server'], answer.headers['x-powered-by']]).toEqual([undefined, undefined])
    expect(`${JSON.stringify(answer.headers)}${answer.body}`).not.toMatch(
      /node_modules|node:|\n\s+at |\.ts\b|express|undici|0\.0\.0-test|\/tmp\/|127\.0\.0\.1:(?!\d+\/\.well-known)/,
    )
  })
})

test.each(['utf-16', '"UTF-16LE"', 'iso-8859-1', ''])('B19: JSON in the charset %j is refused at /mcp', async (charset) => {
  await expectStatus(requests.whole('/mcp', { type: `Content-Type: application/json; charset=${charset}\r\n` }), 415)
})

test('B24: garbage behind a request whose answer is under way ends the connection, and never stands inside the answer', async () => {
  door.fakes.script({ behaviour: { size: 200, chunks: 20, delay: 50 } })
  const socket = await openSocket(door.url)
  const heard = listenTo(socket)
  const body = JSON.stringify({ model: 'openai', stream: true, messages: [{ role: 'user', content: 'hi' }] })
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${door.token}\r\ncontent-type: application/json`
  socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  await expect.poll(async () => (await heard({ withinMs: 20 })).text).toContain('data: ')

  socket.write('GARBAGE\r\n\r\n')
  const { text, closed } = await heard({ withinMs: 3_000 })

  expect(closed).toBe(true)
  expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1)
})

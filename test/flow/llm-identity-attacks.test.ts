// Group A of the catalogue at the doors of the model facet. Clients of models put a credential where their provider wanted it
// (`Authorization`, `x-api-key`, `api-key`), so every attack is made with each of them, and what is forged in one place is never saved by
// another. The authenticator itself is attacked in identity-attacks.test.ts; here it is asked through real doors.
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openKeyStore } from '../../src/store/keys.ts'
import { encodePart, makeKey, signToken, type TestKey } from '../support/issuer.ts'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'
import { listenTo, openSocket } from '../support/raw-http.ts'

const ISSUER = 'https://idp.test'
const POSTS = ['/v1/chat/completions', '/v1/responses', '/v1/messages', '/v1/messages/count_tokens', '/v1/embeddings'] as const
const DOORS: readonly (readonly [string, string])[] = [
  ...POSTS.map((path) => ['POST', path] as const),
  ['GET', '/v1/models'],
  ['GET', '/v1/models/openai'],
]

/** Where a caller can put a credential. */
const PLACES: Readonly<Record<string, (credential: string) => Record<string, string>>> = {
  authorization: (credential) => ({ authorization: `Bearer ${credential}` }),
  'x-api-key': (credential) => ({ 'x-api-key': credential }),
  'api-key': (credential) => ({ 'api-key': credential }),
}
const PLACE_NAMES = Object.keys(PLACES)

let models: ModelGateway
let key: string
let rsa: TestKey
let attacker: TestKey
let resource: string

beforeAll(async () => {
  ;[rsa, attacker] = await Promise.all([makeKey('RS256', 'k1'), makeKey('RS256', 'k1')])
  models = await startModelGateway({
    file: {
      identity: {
        issuers: [{ issuer: ISSUER, algorithms: ['RS256'], jwks: { keys: [rsa.publicJwk] }, type: 'at+jwt', skewSeconds: 0 }],
      },
      bounds: { failedSignInsPerSecond: 10_000 },
    },
  })
  resource = `${models.url}/mcp`
  const store = await openKeyStore(`${models.gateway.folder}/.tollgate`, () => Date.now())
  key = (await store.create({ principal: bot('bot') })).key
  store.close()
  await vi.waitFor(async () => expect((await ask({ 'x-api-key': key })).status).toBe(200), 3_000)
})
afterAll(() => models[Symbol.asyncDispose]())

function bot(subject: string) {
  return { subject, kind: 'agent' as const, team: 'research', groups: [], roles: [], scopes: [] }
}

/** A token of the issuer that would be accepted, changed by what a test asks. */
async function token(
  parts: { claims?: Record<string, unknown>; header?: Record<string, unknown>; by?: TestKey } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  const claims = { iss: ISSUER, aud: resource, iat: now, exp: now + 300, ...parts.claims }
  return await signToken(parts.by ?? rsa, { claims, header: { typ: 'at+jwt', ...parts.header } })
}

async function ask(headers: Record<string, string>, [method, path]: readonly [string, string] = ['POST', POSTS[0]]) {
  const body = JSON.stringify({ model: 'openai', max_tokens: 9, input: 'hi', messages: [{ role: 'user', content: 'hi' }] })
  const response = await fetch(models.url + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(method === 'POST' ? { body } : {}),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** Presents a credential at each place; all must be refused with 401 in the words of the door, and nothing be written down or passed on. */
async function expectRefused(
  credentials: readonly string[],
  door: readonly [string, string] = ['POST', POSTS[0]],
): Promise<void> {
  const before = models.fakes.requests().length
  for (const credential of credentials)
    for (const place of PLACE_NAMES) {
      const answer = await ask(PLACES[place]?.(credential) ?? {}, door)

      expect(answer.status, `${place}: ${credential.slice(0, 60)} ${answer.text}`).toBe(401)
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer .*resource_metadata="/)
      expect(JSON.parse(answer.text)).toMatchObject(
        door[1].startsWith('/v1/messages')
          ? { type: 'error', error: { type: 'authentication_error' } }
          : { error: { code: 'invalid_api_key' } },
      )
      if (credential.length > 24) expect(answer.text).not.toContain(credential.slice(0, 24))
    }
  expect(models.fakes.requests().length).toBe(before)
}

describe('the doors', () => {
  test.each(DOORS)('A13, A27 %s %s refuses nobody and whoever made something up', async (method, path) => {
    const nobody = await ask({}, [method, path])

    expect(nobody.status).toBe(401)
    expect(nobody.headers.get('www-authenticate')).not.toContain('error=')
    await expectRefused(
      ['invented', 'sk-0123456789abcdef0123456789', 'tgk_0123456789', "' OR 1=1--", 'null', '[object Object]'],
      [method, path],
    )
  })

  test.each(DOORS)('A24 %s %s decides alike for every place of every credential of one principal', async (method, path) => {
    const credentials = [key, await token(), await models.gateway.token('research')]
    const answers = await Promise.all(
      credentials.flatMap((credential) => PLACE_NAMES.map((place) => ask(PLACES[place]?.(credential) ?? {}, [method, path]))),
    )

    expect(new Set(answers.map(({ status }) => status)).size).toBe(1)
    expect(answers[0]?.status).not.toBe(401)
  })

  test('A24 what is forbidden is forbidden from every place', async () => {
    const stranger = await models.gateway.token('nobody')

    const answers = await Promise.all(PLACE_NAMES.map((place) => ask(PLACES[place]?.(stranger) ?? {})))

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([403]))
  })

  test('A27 every other path below /v1 is nothing, and only for those who proved who they are', async () => {
    const paths = [
      '/v1/x',
      '/v1/completions',
      '/v1/files',
      '/v1/messages/batches',
      '/v1/chat',
      '/v1/chat/completions/x',
      '/v1/organization/api_keys',
    ]
    for (const path of paths) {
      expect([path, (await ask({}, ['POST', path])).status]).toEqual([path, 401])
      expect([path, (await ask({ 'x-api-key': key }, ['POST', path])).status]).toEqual([path, 404])
    }
  })
})

describe('forged tokens', () => {
  test('A01 no algorithm, no signature, another signature, other claims', async () => {
    const [header = '', claims = '', signature = ''] = (await token()).split('.')
    const edited = encodePart({ ...(JSON.parse(Buffer.from(claims, 'base64url').toString()) as object), team: 'admin' })

    await expectRefused([
      ...['none', 'None', 'nOnE'].flatMap((alg) => [
        `${encodePart({ alg, typ: 'at+jwt' })}.${claims}.`,
        `${encodePart({ alg, kid: 'k1' })}.${claims}.AA`,
      ]),
      `${header}.${claims}.`,
      `${header}.${claims}`,
      `${header}.${edited}.${signature}`,
      `${header}.${claims}.${signature.slice(0, -6)}AAAAAA`,
    ])
  })

  test('A02, A03, A05 other algorithms, the public key as a secret, another key of the same name', async () => {
    const claims = (await token()).split('.')[1] ?? ''
    const hmac = (secret: string): string => {
      const input = `${encodePart({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' })}.${claims}`
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
    }
    const elliptic = await makeKey('ES256', 'k1')

    await expectRefused([
      hmac(JSON.stringify(rsa.publicJwk)),
      hmac(String(rsa.publicJwk.n)),
      hmac(''),
      await token({ by: attacker }),
      await token({ by: elliptic }),
    ])
  })

  test('A04, A06, A07 keys by odd names, keys that come along, tokens for another use', async () => {
    const kids = ['../../etc/passwd', "' OR 1=1--", 'a\u0000b', 'x'.repeat(6_000), '', 'unknown', { a: 1 }]
    const headers = [
      ...kids.map((kid) => ({ kid })),
      { jku: 'http://127.0.0.1:9/jwks' },
      { jwk: attacker.publicJwk },
      { x5u: 'http://127.0.0.1:9/' },
      { typ: 'JWT' },
      { typ: 'id+jwt' },
    ]

    await expectRefused(await Promise.all(headers.map((header) => token({ header, by: attacker }))))
    await expectRefused(await Promise.all(headers.slice(-2).map((header) => token({ header }))))
  })

  test('A08, A09, A10 another audience, another issuer, another time', async () => {
    const now = Math.floor(Date.now() / 1_000)
    const claims: readonly Record<string, unknown>[] = [
      { aud: 'https://other.test/mcp' },
      { aud: `${resource}/research` },
      { aud: models.url },
      { aud: undefined },
      { aud: [] },
      { iss: 'https://evil.test' },
      { iss: `${ISSUER}/` },
      { iss: undefined },
      { exp: now - 120 },
      { exp: undefined },
      { exp: 'tomorrow' },
      { nbf: now + 3_600 },
      { iat: now + 86_400 },
    ]

    await expectRefused(await Promise.all(claims.map((one) => token({ claims: one }))))
  })

  test('A11 tokens that are too large, too deep or only dots', async () => {
    const wide = await token({ claims: { scope: Array.from({ length: 4_000 }, (_, index) => `s${index}`).join(' ') } })
    let deep: unknown = 1
    for (let level = 0; level < 400; level += 1) deep = [deep]

    await expectRefused([
      '.'.repeat(7_000),
      'a'.repeat(7_000),
      'a.'.repeat(3_000),
      await token({ claims: { deep }, by: attacker }),
    ])
    for (const place of PLACE_NAMES) expect([401, 431]).toContain((await ask(PLACES[place]?.(wide) ?? {})).status)
  })

  test('A12 a true token without a subject or a team, or of a team nobody knows, gets nothing by default', async () => {
    for (const team of [undefined, 'unknown', '', null, ['research', 'sales'], { name: 'research' }, 'Research', 'research ']) {
      const answer = await ask({ 'x-api-key': await token({ claims: { team } }) })

      expect([401, 403], `${JSON.stringify(team)}: ${answer.text}`).toContain(answer.status)
    }
    for (const sub of [undefined, '', null, { a: 1 }])
      expect([401, 403]).toContain((await ask({ 'api-key': await token({ claims: { sub } }) })).status)
  })
})

describe('places', () => {
  test.each([
    'Basic Ym90Ong=',
    'Bearer',
    'Bearer ',
    'Bearer  a',
    'Bearer\ta',
    'Token a',
    'Digest username="a"',
    'Negotiate YQ==',
    'Bearer a, Bearer b',
    'a',
    ',',
  ])('A14 Authorization: %s is no credential', async (authorization) => {
    expect((await ask({ authorization })).status).toBe(401)
  })

  test.each(['bearer', 'BEARER', 'bEaReR'])('A14 the scheme may be spelt %s', async (scheme) => {
    expect((await ask({ authorization: `${scheme} ${key}` })).status).toBe(200)
  })

  test('A24 two places that agree are one credential', async () => {
    const mine = await token()

    for (const credential of [key, mine]) {
      const all = { authorization: `Bearer ${credential}`, 'x-api-key': credential, 'api-key': credential }
      expect([(await ask(all)).status, (await ask({ 'x-api-key': credential, 'api-key': credential })).status]).toEqual([
        200, 200,
      ])
    }
  })

  test('A24 two places that differ are no credential, whichever of them is true', async () => {
    const [mine, other] = [await token(), await models.gateway.token('research', { subject: 'other' })]
    const pairs = [
      [key, mine],
      [mine, other],
      [key, 'invented'],
      [mine, 'invented'],
      [key, `${key}x`],
    ] as const

    for (const [one, two] of pairs)
      for (const [left, right] of [
        [one, two],
        [two, one],
      ] as const)
        for (const headers of [
          { authorization: `Bearer ${left}`, 'x-api-key': right },
          { authorization: `Bearer ${left}`, 'api-key': right },
          { 'x-api-key': left, 'api-key': right },
        ])
          expect([headers, (await ask(headers)).status]).toEqual([headers, 401])
  })

  test('A24 a true key does not save another scheme beside it', async () => {
    for (const authorization of ['Basic Ym90Ong=', 'Bearer', 'Bearer invented', `Token ${key}`])
      expect([authorization, (await ask({ authorization, 'x-api-key': key })).status]).toEqual([authorization, 401])
  })

  test('A15 keys made of the metacharacters of others are unknown keys', async () => {
    await expectRefused([
      "tgk_' OR '1'='1",
      'tgk_"; DROP TABLE keys;--',
      'tgk_{"$gt":""}',
      'tgk_*',
      'tgk_%',
      'tgk_../../x',
      `tgk_${'a'.repeat(6_000)}`,
      'tgk_',
      'tgk_return redis.call("KEYS","*")',
    ])
  })

  test('A25 a credential in the query names nobody and is written nowhere', async () => {
    const mine = await models.gateway.token('research', { subject: 'query' })
    for (const name of ['key', 'api_key', 'api-key', 'access_token', 'token', 'x-api-key'])
      for (const credential of [key, mine]) {
        const path = `${POSTS[0]}?${name}=${credential}`
        expect((await ask({}, ['POST', path])).status).toBe(401)
      }

    expect(JSON.stringify(models.gateway.logs())).not.toMatch(new RegExp(`${key}|${mine.slice(0, 60)}`))
  })
})

describe('connections that are kept', () => {
  /** One request on a connection that was used before. */
  async function askOn(socket: Awaited<ReturnType<typeof openSocket>>, headers: Record<string, string>): Promise<number> {
    const body = '{"model":"openai","messages":[{"role":"user","content":"hi"}]}'
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const heard = listenTo(socket)
    socket.write(
      `POST ${POSTS[0]} HTTP/1.1\r\nHost: ${new URL(models.url).host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${lines.join('')}\r\n${body}`,
    )
    const { answers } = await heard({ answers: 1 })
    return answers[0]?.status ?? 0
  }

  test('A13 whoever came before on a connection lends nobody a name', async () => {
    const [mine, stranger] = [await token(), await models.gateway.token('nobody')]
    const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` })
    const rows: readonly (readonly [Record<string, string>, number])[] = [
      [bearer(mine), 200],
      [{}, 401],
      [bearer(stranger), 403],
      [{ ...bearer(mine), 'x-api-key': key }, 401],
      [{ ...bearer(mine), 'api-key': 'invented' }, 401],
      [{ 'x-api-key': key }, 200],
      [{ 'api-key': key }, 200],
      [{ 'api-key': `${key}x` }, 401],
      [bearer(`${mine.slice(0, -4)}AAAA`), 401],
      [bearer(mine.slice(0, -1)), 401],
      [{ 'x-api-key': mine, ...bearer(key) }, 401],
    ]

    for (const before of [bearer(mine), { 'x-api-key': key }, { 'api-key': mine }])
      for (const [headers, status] of rows) {
        const socket = await openSocket(models.url)
        const statuses = [await askOn(socket, before), await askOn(socket, headers)]
        socket.destroy()

        expect([before, headers, statuses]).toEqual([before, headers, [200, status]])
      }
  })

  test('A10 a token that runs out is refused on the connection it was accepted on', async () => {
    const socket = await openSocket(models.url)
    const brief = await token({ claims: { exp: Math.floor(Date.now() / 1_000) + 3 } })
    const mine = { authorization: `Bearer ${brief}` }

    const first = await askOn(socket, mine)
    await expect.poll(() => askOn(socket, mine), { timeout: 8_000, interval: 200 }).toBe(401)
    socket.destroy()

    expect(first).toBe(200)
  })

  test('A21 a key that is withdrawn and a caller who is denied are refused within five seconds, on open connections too', async () => {
    const store = await openKeyStore(`${models.gateway.folder}/.tollgate`, () => Date.now())
    const { key: withdrawn, stored } = await store.create({ principal: bot('leaver') })
    const denied = await models.gateway.token('research', { subject: 'denied' })
    const [first, second] = [await openSocket(models.url), await openSocket(models.url)]
    await expect.poll(async () => (await ask({ 'x-api-key': withdrawn })).status, { timeout: 5_000 }).toBe(200)
    expect(await askOn(first, { 'x-api-key': withdrawn })).toBe(200)
    expect(await askOn(second, { 'api-key': denied })).toBe(200)

    await store.revoke(stored.id)
    const { iss: issuer } = JSON.parse(Buffer.from(denied.split('.')[1] ?? '', 'base64url').toString()) as { iss: string } // our own token
    models.gateway.write('revocations.json', { subjects: [{ issuer, subject: 'denied' }] })

    await expect.poll(() => askOn(first, { 'x-api-key': withdrawn }), { timeout: 5_000 }).toBe(401)
    await expect.poll(() => askOn(second, { 'api-key': denied }), { timeout: 5_000 }).toBe(401)
    expect((await ask({ 'x-api-key': key })).status).toBe(200)
    store.close()
    first.destroy()
    second.destroy()
  })
})

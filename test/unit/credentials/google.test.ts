import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportPKCS8, generateKeyPair, jwtVerify, type GenerateKeyPairResult } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import type { GoogleCredentials } from '../../../src/config/provider.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { googleSigner } from '../../../src/credentials/google.ts'
import type { SignableRequest, Signer, SignerDeps } from '../../../src/credentials/signer.ts'
import { createEgress } from '../../../src/lib/egress.ts'

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const VERTEX = 'https://aiplatform.googleapis.com'

interface Asked {
  readonly path: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A real server that answers as Google's token endpoints do. */
async function startGoogle(answer: (asked: Asked, count: number) => { status?: number; body: unknown }) {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const one = { path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() }
      asked.push(one)
      const { status = 200, body } = answer(one, asked.length)
      response.writeHead(status, { 'content-type': 'application/json', 'metadata-flavor': 'Google' })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
}

const token = (_asked: Asked, count: number) => ({
  body: { access_token: `ya29.${count}`, token_type: 'Bearer', expires_in: 3600 },
})

function setUp(
  secrets: Readonly<Record<string, string>> = {},
  baseUrl = VERTEX,
): { deps: SignerDeps; clock: { now: number } } & AsyncDisposable {
  const clock = { now: Date.UTC(2026, 10, 23) }
  const egress = createEgress({ allow: [] })
  const read = (reference: string): string => {
    const value = secrets[reference]
    if (value === undefined) throw new Error(`secret ${reference} is not set`)
    return value
  }
  const deps = { secrets: { read }, fetch: egress.fetch, now: () => clock.now, baseUrl }
  return { deps, clock, [Symbol.asyncDispose]: () => egress.close() }
}

const request = (url = `${VERTEX}/v1/projects/p`): SignableRequest => ({
  method: 'POST',
  url,
  headers: {},
  body: Buffer.alloc(0),
})
const formOf = (asked: Asked | undefined) => Object.fromEntries(new URLSearchParams(asked?.body))

let keys: GenerateKeyPairResult
let privateKey: string
beforeAll(async () => {
  keys = await generateKeyPair('RS256', { extractable: true })
  privateKey = await exportPKCS8(keys.privateKey)
})

describe('a service account', () => {
  const account: GoogleCredentials = { type: 'service_account', key: 'file:key.json' }
  const keyFile = (changes: Readonly<Record<string, unknown>>) =>
    JSON.stringify(
      { type: 'service_account', client_email: 'gate@p.iam', private_key: privateKey, private_key_id: 'k1', ...changes },
      undefined,
      2,
    )

  test('exchanges an assertion it signed', async () => {
    await using google = await startGoogle(token)
    await using set = setUp({ 'file:key.json': keyFile({ token_uri: `${google.url}/token` }) })

    const headers = await googleSigner(account, set.deps).sign(request())

    expect(headers).toEqual({ authorization: 'Bearer ya29.1' })
    const { grant_type, assertion } = formOf(google.asked[0])
    expect(grant_type).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const { payload, protectedHeader } = await jwtVerify(assertion ?? '', keys.publicKey, {
      currentDate: new Date(set.clock.now),
    })
    const now = set.clock.now / 1000
    expect(payload).toEqual({ iss: 'gate@p.iam', aud: `${google.url}/token`, scope: SCOPE, iat: now, exp: now + 3600 })
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' })
  })

  test('shares one token, renews it beside the calls, and answers without a promise meanwhile', async () => {
    await using google = await startGoogle(token)
    await using set = setUp({ 'file:key.json': keyFile({ token_uri: `${google.url}/token` }) })
    const signer = googleSigner(account, set.deps)

    const first = await Promise.all(Array.from({ length: 20 }, async () => await signer.sign(request())))
    set.clock.now += 3_000_000
    const beside = signer.sign(request())
    await expect.poll(() => signer.sign(request())).toEqual({ authorization: 'Bearer ya29.2' })

    expect(new Set(first.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer ya29.1']))
    expect(beside).toEqual({ authorization: 'Bearer ya29.1' })
    expect(google.asked).toHaveLength(2)
  })

  test('fetches anew after a refusal', async () => {
    await using google = await startGoogle(token)
    await using set = setUp({ 'file:key.json': keyFile({ token_uri: `${google.url}/token` }) })
    const signer = googleSigner(account, set.deps)

    await signer.sign(request())
    signer.rejected()

    expect(await signer.sign(request())).toEqual({ authorization: 'Bearer ya29.2' })
  })

  test.each<[string, string]>([
    ['of somebody else', 'https://oauth2.googleapis.com.evil.example/token'],
    ['without TLS', 'http://oauth2.googleapis.com/token'],
    ['on another port', 'https://oauth2.googleapis.com:8443/token'],
    ['with a user', 'https://oauth2.googleapis.com@evil.example/token'],
    ['of the metadata server', 'http://169.254.169.254/token'],
    ['that is none', 'token'],
  ])('sends no assertion to a token URI %s', async (_name, uri) => {
    const fetched: string[] = []
    await using set = setUp({ 'file:key.json': keyFile({ token_uri: uri }) })
    const deps: SignerDeps = { ...set.deps, fetch: (url) => Promise.reject(new Error(String(fetched.push(url)))) }

    await expect(async () => await googleSigner(account, deps).sign(request())).rejects.toMatchObject({
      code: 'upstream_auth',
      message: 'the credential for this provider is not usable',
    })
    expect(fetched).toEqual([])
  })

  test.each<[string, string | undefined, string]>([
    ['is missing', undefined, 'the credential for this provider is not available'],
    ['is no JSON', 'c4n4ry', 'the credential for this provider is not usable'],
    ['is a list', '["c4n4ry"]', 'the credential for this provider is not usable'],
    ['has no e-mail', '{"private_key":"c4n4ry"}', 'the credential for this provider is not usable'],
    ['holds no key', '{"client_email":"a","private_key":"c4n4ry"}', 'the gateway could not get a token for this provider'],
  ])('whose file %s is an upstream_auth error that tells nothing of it', async (_name, file, message) => {
    await using set = setUp(file === undefined ? {} : { 'file:key.json': file })

    const failure = await failureOf(googleSigner(account, set.deps))

    expect(failure).toMatchObject({ code: 'upstream_auth', message })
    expect(everythingIn(failure)).not.toContain('c4n4ry')
  })
})

describe('the metadata server', () => {
  test('is asked in its own way', async () => {
    await using google = await startGoogle(token)
    await using set = setUp()

    const headers = await googleSigner({ type: 'metadata', url: `${google.url}/` }, set.deps).sign(request())

    expect(headers).toEqual({ authorization: 'Bearer ya29.1' })
    expect(google.asked[0]).toMatchObject({
      path: '/computeMetadata/v1/instance/service-accounts/default/token',
      headers: { 'metadata-flavor': 'Google' },
    })
  })
})

describe('workload identity', () => {
  const federation = (url: string, changes: object = {}): GoogleCredentials => ({
    type: 'workload_identity',
    audience: '//iam.googleapis.com/pool',
    subjectToken: 'file:token',
    subjectTokenType: 'urn:ietf:params:oauth:token-type:jwt',
    tokenUrl: `${url}/v1/token`,
    impersonationUrl: url,
    ...changes,
  })

  test('exchanges the token of somebody else', async () => {
    await using google = await startGoogle(token)
    await using set = setUp({ 'file:token': 'eyJ.a.b' })

    const headers = await googleSigner(federation(google.url), set.deps).sign(request())

    expect(headers).toEqual({ authorization: 'Bearer ya29.1' })
    expect(google.asked.map(({ path }) => path)).toEqual(['/v1/token'])
    expect(formOf(google.asked[0])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: '//iam.googleapis.com/pool',
      scope: SCOPE,
      subject_token: 'eyJ.a.b',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    })
  })

  test('acts as a service account, for as long as that token lasts', async () => {
    await using set = setUp({ 'file:token': 'eyJ.a.b' })
    await using google = await startGoogle((asked, count) =>
      asked.path === '/v1/token'
        ? { body: { access_token: 'federated', expires_in: 3600 } }
        : { body: { accessToken: `acting-${count}`, expireTime: new Date(set.clock.now + 600_000).toISOString() } },
    )
    const signer = googleSigner(federation(google.url, { serviceAccount: 'a/b@p.iam' }), set.deps)

    const first = await signer.sign(request())
    set.clock.now += 600_000
    const second = await signer.sign(request())

    expect([first, second]).toEqual([{ authorization: 'Bearer acting-2' }, { authorization: 'Bearer acting-4' }])
    expect(google.asked[1]).toMatchObject({
      path: '/v1/projects/-/serviceAccounts/a%2Fb%40p.iam:generateAccessToken',
      headers: { authorization: 'Bearer federated' },
      body: JSON.stringify({ scope: [SCOPE] }),
    })
  })
})

describe('a token endpoint that fails', () => {
  test.each<[string, { status?: number; body: unknown }]>([
    ['refuses', { status: 400, body: { error: 'invalid_grant', error_description: 'c4n4ry' } }],
    ['sends no JSON', { body: 'c4n4ry' }],
    ['sends a list', { body: ['c4n4ry'] }],
    ['sends no token', { body: { id_token: 'c4n4ry' } }],
    ['sends a token with a line break', { body: { access_token: 'a\r\nc4n4ry' } }],
  ])('and %s is an upstream_auth error without its words, and is left alone for a while', async (_name, answer) => {
    await using google = await startGoogle(() => answer)
    await using set = setUp()
    const signer = googleSigner({ type: 'metadata', url: google.url }, set.deps)

    const failures = [await failureOf(signer), await failureOf(signer)]
    set.clock.now += 1_000
    await failureOf(signer)

    for (const failure of failures) {
      expect(failure).toMatchObject({ code: 'upstream_auth', message: 'the gateway could not get a token for this provider' })
      expect(everythingIn(failure)).not.toContain('c4n4ry')
    }
    expect(google.asked).toHaveLength(2)
  })

  test('a caller that goes away does not wait', async () => {
    await using google = await startGoogle(token)
    await using set = setUp()
    const { promise, resolve } = Promise.withResolvers<void>()
    const deps: SignerDeps = { ...set.deps, fetch: (...args) => promise.then(() => set.deps.fetch(...args)) }
    const signer = googleSigner({ type: 'metadata', url: google.url }, deps)
    const leaving = new AbortController()

    const left = Promise.resolve(signer.sign(request(), leaving.signal))
    const stayed = signer.sign(request())
    leaving.abort()

    await expect(left).rejects.toMatchObject({ code: 'abandoned' })
    resolve()
    expect(await stayed).toEqual({ authorization: 'Bearer ya29.1' })
  })
})

describe('an access token by reference', () => {
  test('is at hand at once, in the same object', async () => {
    await using set = setUp({ 'env:T': 'ya29.own' })
    const signer = googleSigner({ type: 'token', token: 'env:T' }, set.deps)

    const headers = signer.sign(request())

    expect(headers).toEqual({ authorization: 'Bearer ya29.own' })
    expect(signer.sign(request())).toBe(headers)
  })

  test.each<[string, string, string, boolean]>([
    ['another region', VERTEX, 'https://europe-west1-aiplatform.googleapis.com/v1/x', true],
    ['a group of regions', VERTEX, 'https://aiplatform.eu.rep.googleapis.com/v1/x', true],
    ['another service', VERTEX, 'https://storage.googleapis.com/x', false],
    ['a look-alike', VERTEX, 'https://aiplatform.googleapis.com.evil.example/x', false],
    ['the same host without TLS', VERTEX, 'http://aiplatform.googleapis.com/x', false],
    ["an address of one's own", 'http://127.0.0.1:9', 'http://127.0.0.1:9/v1/x', true],
    ['another port', 'http://127.0.0.1:9', 'http://127.0.0.1:91/v1/x', false],
    ["Google, from an address of one's own", 'http://127.0.0.1:9', `${VERTEX}/v1/x`, false],
  ])('%s: may it go there?', async (...[, baseUrl, url, allowed]) => {
    await using set = setUp({ 'env:T': 'ya29.own' }, baseUrl)
    const signer = googleSigner({ type: 'token', token: 'env:T' }, set.deps)

    if (allowed) expect(signer.sign(request(url))).toHaveProperty('authorization')
    else expect(() => signer.sign(request(url))).toThrow(GatewayError)
  })
})

/** What signing failed with, thrown or rejected. */
async function failureOf(signer: Signer): Promise<unknown> {
  try {
    return await signer.sign(request())
  } catch (error) {
    return error
  }
}

/** All texts of an error and its causes. */
function everythingIn(error: unknown): string {
  return error instanceof Error ? `${error.message} ${error.stack ?? ''} ${everythingIn(error.cause)}` : String(error)
}

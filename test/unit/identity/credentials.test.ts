import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Credential } from '../../../src/config/server.ts'
import type { CredentialDeps } from '../../../src/credentials/credential.ts'
import { createCredential } from '../../../src/credentials/registry.ts'
import { createEgress } from '../../../src/lib/egress.ts'
import { createSecrets } from '../../../src/lib/secrets.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { startTokenEndpoint } from '../../support/token-endpoint.ts'

const SECRET = 'c4n4ry s3cr+t/:='
const url = 'https://mcp.example/mcp'

function setUp(changes: Partial<CredentialDeps> = {}): { deps: CredentialDeps; clock: { now: number } } & AsyncDisposable {
  const clock = { now: 1_000_000 }
  const egress = createEgress({ allow: [] })
  const deps = { secrets: createSecrets({ SECRET }, '.'), fetch: egress.fetch, now: () => clock.now, url, ...changes }
  return { deps, clock, [Symbol.asyncDispose]: () => egress.close() }
}

describe('static credentials', () => {
  test.each<[Credential | undefined, Record<string, string>]>([
    [undefined, {}],
    [{ type: 'bearer', token: 'env:SECRET' }, { authorization: `Bearer ${SECRET}` }],
    [{ type: 'header', name: 'X-Api-Key', value: 'env:SECRET' }, { 'x-api-key': SECRET }],
    [{ type: 'header', name: 'Authorization', value: 'env:SECRET', prefix: 'Token ' }, { authorization: `Token ${SECRET}` }],
    [
      { type: 'basic', username: 'us\u00e9r', password: 'env:SECRET' },
      { authorization: `Basic ${Buffer.from(`us\u00e9r:${SECRET}`).toString('base64')}` },
    ],
  ])('%j', async (config, headers) => {
    await using set = setUp()

    expect(await createCredential(config, set.deps).headers()).toEqual(headers)
  })

  test('a rotated file is noticed within seconds, and at once after a refusal', async () => {
    await using folder = await temporaryFolder()
    await using set = setUp({ secrets: createSecrets({}, folder.path) })
    const file = join(folder.path, 'token')
    await writeFile(file, 'one\n')
    const credential = createCredential({ type: 'bearer', token: 'file:token' }, set.deps)

    expect(await credential.headers()).toEqual({ authorization: 'Bearer one' })
    await writeFile(file, 'two')
    expect(await credential.headers()).toEqual({ authorization: 'Bearer one' })
    set.clock.now += 5_000
    expect(await credential.headers()).toEqual({ authorization: 'Bearer two' })
    await writeFile(file, 'three')
    credential.rejected()
    expect(await credential.headers()).toEqual({ authorization: 'Bearer three' })
  })

  test.each(['a\r\nX-Other: b', 'tab\there', 'caf\u00e9'])('a secret like %j never becomes a header', async (secret) => {
    await using set = setUp({ secrets: createSecrets({ SECRET: secret }, '.') })

    const headers = async () => await createCredential({ type: 'bearer', token: 'env:SECRET' }, set.deps).headers()

    await expect(headers()).rejects.toMatchObject({
      code: 'upstream_auth',
      message: 'the credential for this server is not usable',
    })
  })

  test('a missing secret is an upstream_auth error that names nothing', async () => {
    await using set = setUp()

    const headers = async () => await createCredential({ type: 'bearer', token: 'env:OTHER' }, set.deps).headers()

    await expect(headers()).rejects.toMatchObject({
      code: 'upstream_auth',
      message: 'the credential for this server is not available',
    })
  })

  test('a fingerprint tells settings apart and holds no secret', async () => {
    await using set = setUp()
    const config: Credential = { type: 'bearer', token: 'env:SECRET' }
    const same = [createCredential(config, set.deps), createCredential({ ...config }, set.deps)].map((made) => made.fingerprint)
    const other = createCredential(config, { ...set.deps, url: 'https://elsewhere.example/mcp' })

    expect(same[0]).toBe(same[1])
    expect(other.fingerprint).not.toBe(same[0])
    expect(other.origin).toBe('https://elsewhere.example')
  })
})

describe('client credentials', () => {
  const configFor = (
    tokenUrl: string,
    changes: Partial<Extract<Credential, { type: 'client_credentials' }>> = {},
  ): Credential => ({
    type: 'client_credentials',
    tokenUrl,
    clientId: 'gate:1',
    clientSecret: 'env:SECRET',
    authentication: 'basic',
    ...changes,
  })

  test('a token is asked for the resource, with the client authenticated by header', async () => {
    await using endpoint = await startTokenEndpoint()
    await using set = setUp()

    const headers = await createCredential(configFor(endpoint.url, { scope: 'a b' }), set.deps).headers()

    expect(headers).toEqual({ authorization: 'Bearer token-1' })
    expect(endpoint.requests).toEqual([
      {
        authorization: `Basic ${Buffer.from('gate%3A1:c4n4ry+s3cr%2Bt%2F%3A%3D').toString('base64')}`,
        form: { grant_type: 'client_credentials', scope: 'a b', resource: url },
      },
    ])
  })

  test('or by the body', async () => {
    await using endpoint = await startTokenEndpoint()
    await using set = setUp()
    const config = configFor(endpoint.url, { authentication: 'post', resource: 'urn:r', audience: 'aud' })

    await createCredential(config, set.deps).headers()

    const form = {
      grant_type: 'client_credentials',
      resource: 'urn:r',
      audience: 'aud',
      client_id: 'gate:1',
      client_secret: SECRET,
    }
    expect(endpoint.requests).toEqual([{ authorization: undefined, form }])
  })

  test('calls at one time share one token, until it nears its end', async () => {
    await using endpoint = await startTokenEndpoint()
    await using set = setUp()
    const credential = createCredential(configFor(endpoint.url), set.deps)

    const first = await Promise.all(Array.from({ length: 50 }, async () => await credential.headers()))
    set.clock.now += (3600 - 31) * 1000
    const beside = await credential.headers()
    await expect.poll(() => credential.headers()).toEqual({ authorization: 'Bearer token-2' })

    expect(new Set(first.map((headers) => headers['authorization']))).toEqual(new Set(['Bearer token-1']))
    expect(beside).toEqual({ authorization: 'Bearer token-1' })
    expect(endpoint.requests).toHaveLength(2)
  })

  test('a token is never used in its last half minute', async () => {
    await using endpoint = await startTokenEndpoint()
    await using set = setUp()
    const credential = createCredential(configFor(endpoint.url), set.deps)
    await credential.headers()

    set.clock.now += (3600 - 30) * 1000

    expect(await credential.headers()).toEqual({ authorization: 'Bearer token-2' })
  })

  test('a refused token is replaced, at most once in ten seconds', async () => {
    await using endpoint = await startTokenEndpoint()
    await using set = setUp()
    const credential = createCredential(configFor(endpoint.url), set.deps)
    await credential.headers()

    const seen: unknown[] = []
    for (const step of [0, 9_999, 1]) {
      set.clock.now += step
      credential.rejected()
      seen.push((await credential.headers())['authorization'])
    }

    expect(seen).toEqual(['Bearer token-2', 'Bearer token-2', 'Bearer token-3'])
  })

  test.each<[string, number, unknown]>([
    ['an error', 401, { error: 'invalid_client', error_description: SECRET }],
    ['no token', 200, { token_type: 'Bearer' }],
    ['another type', 200, { access_token: 'x', token_type: 'DPoP' }],
    ['a token that breaks the header', 200, { access_token: 'x\r\ny: z', token_type: 'Bearer' }],
    ['a list', 200, []],
  ])(
    '%s is an upstream_auth error without secrets, and the endpoint is left alone for a while',
    async (_name, status, answer) => {
      await using endpoint = await startTokenEndpoint()
      await using set = setUp()
      const credential = createCredential(configFor(endpoint.url), set.deps)
      Object.assign(endpoint, { status, answer: () => answer })

      const failures = []
      for (const step of [0, 999, 1]) {
        set.clock.now += step
        failures.push(await Promise.resolve(credential.headers()).catch((error: unknown) => error))
      }

      for (const failure of failures) {
        expect(failure).toMatchObject({ code: 'upstream_auth', message: 'the gateway could not get a token for this server' })
      }
      expect(endpoint.requests).toHaveLength(2)
    },
  )

  test('a caller who goes away leaves the fetch to the others', async () => {
    await using endpoint = await startTokenEndpoint()
    await using set = setUp()
    const credential = createCredential(configFor(endpoint.url), set.deps)
    const caller = new AbortController()

    const leaving = credential.headers(caller.signal)
    const staying = credential.headers()
    caller.abort()

    await expect(leaving).rejects.toMatchObject({ code: 'abandoned' })
    expect(await staying).toEqual({ authorization: 'Bearer token-1' })
  })
})

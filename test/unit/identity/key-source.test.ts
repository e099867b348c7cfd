import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Revocations } from '../../../src/config/identity.ts'
import { metadataUrls } from '../../../src/identity/jwks.ts'
import { createAuthenticatorFixture, RESOURCE } from '../../support/authenticator.ts'
import { makeKey, signToken } from '../../support/issuer.ts'
import { startJwksServer } from '../../support/jwks-server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const [key, next] = await Promise.all([makeKey('ES256', 'one'), makeKey('ES256', 'two')])
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('discovery', () => {
  test.each<[path: string, document: string]>([
    ['', '/.well-known/oauth-authorization-server'],
    ['', '/.well-known/openid-configuration'],
    ['/t1', '/.well-known/oauth-authorization-server/t1'],
    ['/t1', '/.well-known/openid-configuration/t1'],
    ['/t1', '/t1/.well-known/openid-configuration'],
  ])('an issuer with path "%s" may publish its metadata at %s', async (path, document) => {
    await using server = await startJwksServer([key.publicJwk])
    const issuer = `${server.origin}${path}`
    server.documents.set(document, { issuer, jwks_uri: server.url })
    await using fixture = createAuthenticatorFixture({ issuers: [{ issuer, algorithms: ['ES256'], jwks: { discovery: true } }] })

    const identity = await fixture.authenticator.authenticate(bearer(await signToken(key, { claims: { iss: issuer } })), RESOURCE)

    expect(identity.principal.issuer).toBe(issuer)
    expect(server.requests.at(-1)).toBe('/jwks')
  })

  test('metadata of a stranger cannot point into the private network', async () => {
    await using server = await startJwksServer()
    await using inner = await startJwksServer([key.publicJwk])
    const issuer = server.origin
    server.documents.set('/.well-known/openid-configuration', { issuer, jwks_uri: inner.url })
    await using fixture = createAuthenticatorFixture({ issuers: [{ issuer, algorithms: ['ES256'], jwks: { discovery: true } }] })

    const failure = fixture.authenticator.authenticate(bearer(await signToken(key, { claims: { iss: issuer } })), RESOURCE)

    await expect(failure).rejects.toMatchObject({ details: { reason: 'key_unavailable' } })
    expect(inner.requests).toEqual([])
  })

  test('the places come in the order clients try them', () => {
    expect(metadataUrls('https://idp.test/t1/')).toEqual([
      'https://idp.test/.well-known/oauth-authorization-server/t1',
      'https://idp.test/.well-known/openid-configuration/t1',
      'https://idp.test/t1/.well-known/openid-configuration',
    ])
  })
})

describe('keys in a file', () => {
  test('are read again on reload, and what they verified before is forgotten', async () => {
    await using folder = await temporaryFolder()
    const settings = { issuers: [{ issuer: 'https://idp.test', algorithms: ['ES256'], jwks: { file: 'keys.json' } }] }
    const write = (keys: unknown[]) => writeFile(join(folder.path, 'keys.json'), JSON.stringify({ keys }))
    await write([key.publicJwk])
    await using fixture = createAuthenticatorFixture(settings, { base: folder.path })
    const [old, fresh] = await Promise.all([signToken(key), signToken(next)])
    await fixture.authenticator.authenticate(bearer(old), RESOURCE)

    await write([next.publicJwk])
    fixture.authenticator.update(fixture.configure(settings), Revocations.parse({}))

    await expect(fixture.authenticator.authenticate(bearer(old), RESOURCE)).rejects.toThrow('unknown key')
    await expect(fixture.authenticator.authenticate(bearer(fresh), RESOURCE)).resolves.toBeDefined()
  })

  test('that is not there fails the configuration', async () => {
    await using folder = await temporaryFolder()
    const settings = { issuers: [{ issuer: 'https://idp.test', jwks: { file: 'keys.json' } }] }

    expect(() => createAuthenticatorFixture(settings, { base: folder.path })).toThrow('ENOENT')
  })
})

describe('tokens without a kid', () => {
  const nameless = { ...key.publicJwk }
  delete nameless.kid
  const jwks = (keys: unknown[]) => ({ issuers: [{ issuer: 'https://idp.test', algorithms: ['ES256'], jwks: { keys } }] })

  test.each([
    ['match the one nameless key', [nameless, next.publicJwk], 'in'],
    ['match no named key', [key.publicJwk], 'unknown_key'],
    ['match none of several nameless keys', [nameless, { ...nameless, x: next.publicJwk.x, y: next.publicJwk.y }], 'unknown_key'],
  ])('%s', async (_name, keys, expected) => {
    await using fixture = createAuthenticatorFixture(jwks(keys))
    const token = await signToken(key, { header: { kid: undefined } })

    const answer = await fixture.authenticator.authenticate(bearer(token), RESOURCE).then(
      () => 'in',
      () => fixture.lastReason(),
    )

    expect(answer).toBe(expected)
  })
})

test('a reload keeps the keys of an issuer whose key settings did not change', async () => {
  await using server = await startJwksServer([key.publicJwk])
  const settings = (skewSeconds: number) => ({
    issuers: [{ issuer: 'https://idp.test', algorithms: ['ES256'], jwks: { url: server.url }, skewSeconds }],
  })
  await using fixture = createAuthenticatorFixture(settings(60))
  await fixture.authenticator.authenticate(bearer(await signToken(key)), RESOURCE)

  fixture.authenticator.update(fixture.configure(settings(10)), Revocations.parse({}))
  await fixture.authenticator.authenticate(bearer(await signToken(key)), RESOURCE)

  expect(server.requests).toHaveLength(1)
})

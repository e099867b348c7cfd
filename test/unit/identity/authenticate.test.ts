import { describe, expect, test } from 'vitest'
import { Revocations } from '../../../src/config/identity.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { createAuthenticatorFixture, RESOURCE } from '../../support/authenticator.ts'
import { makeKey, NOW_SECONDS, signToken, type TokenParts } from '../../support/issuer.ts'

const key = await makeKey()
const issuer = (settings: Record<string, unknown> = {}) => ({
  issuer: 'https://idp.test',
  algorithms: ['ES256'],
  jwks: { keys: [key.publicJwk] },
  ...settings,
})
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

async function refusalOf(settings: Record<string, unknown>, parts: TokenParts): Promise<GatewayError | undefined> {
  await using fixture = createAuthenticatorFixture({ issuers: [issuer(settings)] })
  try {
    await fixture.authenticator.authenticate(bearer(await signToken(key, parts)), RESOURCE)
    return undefined
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
}

describe('a valid token', () => {
  test('names a principal from its claims and nothing else', async () => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })
    const claims = {
      org: 'acme',
      project: 'search',
      act: { sub: 'librarian' },
      email: 'alice@example.com',
      groups: ['a', 'b', 'a'],
      roles: 'admin',
      scope: 'mcp:tools mcp:read',
      session_id: 'run-7',
      jti: 'token-1',
    }

    const identity = await fixture.authenticator.authenticate(bearer(await signToken(key, { claims })), RESOURCE)

    expect(identity).toEqual({
      principal: {
        issuer: 'https://idp.test',
        subject: 'alice',
        kind: 'user',
        org: 'acme',
        team: 'research',
        project: 'search',
        agent: 'librarian',
        user: 'alice@example.com',
        groups: ['a', 'b'],
        roles: ['admin'],
        scopes: ['mcp:tools', 'mcp:read'],
      },
      key: JSON.stringify(['https://idp.test', 'alice', 'acme', 'research', 'search', 'librarian']),
      session: 'run-7',
      credentialId: 'token-1',
      expiresAt: (NOW_SECONDS + 660) * 1000,
      method: 'jwt',
    })
  })

  test('is the same identity again without another verification', async () => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })
    const token = await signToken(key)

    const [first, second, third] = await Promise.all(
      [1, 2, 3].map(() => fixture.authenticator.authenticate(bearer(token), RESOURCE)),
    )
    const later = await fixture.authenticator.authenticate(bearer(token), RESOURCE)

    expect(second).toBe(first)
    expect(third).toBe(first)
    expect(later).toBe(first)
  })

  test('is refused for another resource although it is remembered for one', async () => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })
    const token = await signToken(key)

    await fixture.authenticator.authenticate(bearer(token), RESOURCE)

    await expect(fixture.authenticator.authenticate(bearer(token), 'https://gate.test/mcp/other')).rejects.toMatchObject({
      code: 'unauthenticated',
      details: { reason: 'wrong_audience' },
    })
  })
})

test.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
  '%s verifies',
  async (alg) => {
    const signing = await makeKey(alg)
    const { publicJwk } = signing
    const settings = { algorithms: [alg], jwks: { keys: [{ ...publicJwk, alg: undefined }] } }
    await using fixture = createAuthenticatorFixture({ issuers: [issuer(JSON.parse(JSON.stringify(settings)))] })

    const identity = await fixture.authenticator.authenticate(bearer(await signToken(signing)), RESOURCE)

    expect(identity.principal.subject).toBe('alice')
  },
)

describe('claims that do not hold', () => {
  const now = NOW_SECONDS
  test.each<[name: string, settings: Record<string, unknown>, claims: Record<string, unknown>, reason: string | undefined]>([
    ['expired within the skew', {}, { exp: now - 60 }, undefined],
    ['expired beyond the skew', {}, { exp: now - 61 }, 'expired'],
    ['without an end', {}, { exp: undefined }, 'expired'],
    ['with an end that is no number', {}, { exp: '9999999999' }, 'malformed'],
    ['not valid before, within the skew', {}, { nbf: now + 60 }, undefined],
    ['not valid before, beyond the skew', {}, { nbf: now + 61 }, 'not_yet_valid'],
    ['issued in the future', {}, { iat: now + 61 }, 'not_yet_valid'],
    ['living longer than the policy', { maxLifetimeSeconds: 300 }, {}, 'lifetime'],
    ['living as long as the policy', { maxLifetimeSeconds: 600 }, {}, undefined],
    ['without a beginning under a lifetime policy', { maxLifetimeSeconds: 600 }, { iat: undefined }, 'lifetime'],
    ['for nobody', {}, { aud: undefined }, 'wrong_audience'],
    ['for somebody else', {}, { aud: 'https://other.test/mcp' }, 'wrong_audience'],
    ['for us with a slash more', {}, { aud: `${RESOURCE}/` }, 'wrong_audience'],
    ['for several, us among them', {}, { aud: ['https://other.test', RESOURCE] }, undefined],
    ['for the configured audience', { audience: ['api://gate'] }, { aud: 'api://gate' }, undefined],
    ['for our URL where an audience is configured', { audience: ['api://gate'] }, {}, 'wrong_audience'],
    ['without a subject', {}, { sub: undefined }, 'no_subject'],
    ['with an empty subject', {}, { sub: '' }, 'no_subject'],
    ['with a subject that breaks lines', {}, { sub: 'a\nb' }, 'malformed'],
    ['lacking a scope', { requiredScopes: ['mcp:tools'] }, { scope: 'openid' }, 'insufficient_scope'],
    ['having the scope', { requiredScopes: ['mcp:tools'] }, { scp: ['openid mcp:tools'] }, undefined],
    ['with more groups than fit', {}, { _claim_names: { groups: 'src1' } }, 'group_overage'],
  ])('%s', async (_name, settings, claims, reason) => {
    const refusal = await refusalOf(settings, { claims })

    expect(refusal?.details?.['reason']).toBe(reason)
  })

  test('a missing scope is answered with every scope that is needed', async () => {
    const refusal = await refusalOf({ requiredScopes: ['mcp:tools', 'mcp:read'] }, { claims: { scope: 'mcp:read' } })

    expect(refusal).toMatchObject({ code: 'insufficient_scope', details: { scope: 'mcp:tools mcp:read' } })
  })

  test.each([
    ['at+jwt', undefined],
    ['application/AT+JWT', undefined],
    ['JWT', 'wrong_type'],
    [undefined, 'wrong_type'],
  ])('type %s where at+jwt is required', async (typ, reason) => {
    const refusal = await refusalOf({ type: 'at+jwt' }, { header: { typ } })

    expect(refusal?.details?.['reason']).toBe(reason)
  })
})

describe('how a credential is presented', () => {
  test.each<[name: string, presented: { authorization?: string; apiKey?: string }, reason: string]>([
    ['nothing', {}, 'missing'],
    ['an empty header', { authorization: '' }, 'malformed'],
    ['the scheme alone', { authorization: 'Bearer' }, 'malformed'],
    ['the scheme and a blank', { authorization: 'Bearer ' }, 'malformed'],
    ['two blanks', { authorization: 'Bearer  a.b.c' }, 'malformed'],
    ['a tab', { authorization: 'Bearer\ta.b.c' }, 'malformed'],
    ['another scheme', { authorization: 'Basic YTpi' }, 'malformed'],
    ['two tokens', { authorization: 'Bearer a.b.c, Bearer d.e.f' }, 'malformed'],
    ['a blank behind', { authorization: 'Bearer a.b.c ' }, 'malformed'],
    ['a token without dots', { authorization: 'Bearer abc' }, 'malformed'],
    ['a token in the key header', { apiKey: 'a.b.c' }, 'malformed'],
    ['two different credentials', { authorization: 'Bearer a.b.c', apiKey: 'tgk_x' }, 'malformed'],
    ['an empty key header', { apiKey: '' }, 'malformed'],
  ])('%s is refused', async (_name, presented, reason) => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })

    await expect(fixture.authenticator.authenticate(presented, RESOURCE)).rejects.toMatchObject({ code: 'unauthenticated' })

    expect(fixture.lastReason()).toBe(reason)
  })

  test('the scheme is read in any case', async () => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })

    const identity = await fixture.authenticator.authenticate({ authorization: `bEARER ${await signToken(key)}` }, RESOURCE)

    expect(identity.principal.subject).toBe('alice')
  })

  test('nothing is anonymous where the configuration says so, but a bad credential is not', async () => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()], anonymous: { team: 'guests' } })

    const identity = await fixture.authenticator.authenticate({}, RESOURCE)

    expect(identity).toMatchObject({ method: 'anonymous', principal: { team: 'guests', issuer: 'urn:tollgate:anonymous' } })
    await expect(fixture.authenticator.authenticate({ authorization: '' }, RESOURCE)).rejects.toThrow(GatewayError)
    await expect(fixture.authenticator.authenticate(bearer('a.b.c'), RESOURCE)).rejects.toThrow(GatewayError)
  })
})

describe('claim mapping', () => {
  const mapped = async (claimsConfig: Record<string, unknown>, claims: Record<string, unknown>) => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer({ claims: claimsConfig })] })
    return (await fixture.authenticator.authenticate(bearer(await signToken(key, { claims })), RESOURCE)).principal
  }

  test('the first source that answers wins, by pointer or by expression', async () => {
    const team = ['/realm/team', { cel: 'claims.groups[0]' }, '/team']

    expect((await mapped({ team }, { realm: { team: 'deep' } })).team).toBe('deep')
    expect((await mapped({ team }, { groups: ['first', 'second'] })).team).toBe('first')
    expect((await mapped({ team }, {})).team).toBe('research')
  })

  test('what is no text is no answer', async () => {
    const team = ['/a', '/b', '/c', '/d']

    const principal = await mapped({ team }, { a: { x: 1 }, b: ['p', 'q'], c: '', d: 42 })

    expect(principal.team).toBe('42')
  })

  test('inherited members are not claims', async () => {
    expect((await mapped({ team: ['/__proto__/constructor/name', '/constructor/name'] }, {})).team).toBeUndefined()
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['a person', { email: 'a@b' }, { kind: 'user', user: 'a@b' }],
    ['a person through an agent', { act: { sub: 'bot' } }, { kind: 'user', agent: 'bot', user: 'alice' }],
    ['a client for itself', { sub: 'job', azp: 'job' }, { kind: 'service', agent: 'job', user: undefined }],
    [
      'an agent for itself',
      { sub: 'job', client_id: 'job', agent: 'indexer' },
      { kind: 'agent', agent: 'indexer', user: undefined },
    ],
    ['an Entra application', { idtyp: 'app', azp: 'x' }, { kind: 'service', agent: 'x', user: undefined }],
  ])('%s', async (_name, claims, expected) => {
    const { kind, agent, user } = await mapped({}, claims)

    expect({ kind, agent, user }).toEqual(expected)
  })

  test('a mapped kind decides', async () => {
    expect((await mapped({ kind: '/type' }, { type: 'agent', sub: 'bot' })).kind).toBe('agent')
  })

  test('groups that a rule finds elsewhere make an overage irrelevant', async () => {
    const principal = await mapped({ groups: ['/groups', '/wids'] }, { wids: ['g'], _claim_names: { groups: 'src1' } })

    expect(principal.groups).toEqual(['g'])
  })
})

describe('revocation and reload', () => {
  test('a denied token id is refused at once, although the token is remembered', async () => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })
    const token = bearer(await signToken(key, { claims: { jti: 'stolen' } }))
    const identity = await fixture.authenticator.authenticate(token, RESOURCE)
    let told = 0
    fixture.authenticator.onRevoked(() => (told += 1))

    fixture.authenticator.update(fixture.configure({ issuers: [issuer()] }), Revocations.parse({ jti: ['stolen'] }))

    expect(told).toBe(1)
    expect(fixture.authenticator.isRevoked(identity)).toBe(true)
    await expect(fixture.authenticator.authenticate(token, RESOURCE)).rejects.toMatchObject({ details: { reason: 'revoked' } })
  })

  test.each([
    [{ subjects: [{ subject: 'alice' }] }, true],
    [{ subjects: [{ subject: 'alice', issuer: 'https://idp.test' }] }, true],
    [{ subjects: [{ subject: 'alice', issuer: 'https://other.test' }] }, false],
    [{ subjects: [{ subject: 'bob' }] }, false],
  ])('subjects %j', async (revocations, isRevoked) => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })
    const identity = await fixture.authenticator.authenticate(bearer(await signToken(key)), RESOURCE)

    fixture.authenticator.update(fixture.configure({ issuers: [issuer()] }), Revocations.parse(revocations))

    expect(fixture.authenticator.isRevoked(identity)).toBe(isRevoked)
  })

  test('an issuer that is gone takes its callers with it', async () => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })
    const token = bearer(await signToken(key))
    const identity = await fixture.authenticator.authenticate(token, RESOURCE)

    fixture.authenticator.update(fixture.configure({}), Revocations.parse({}))

    expect(fixture.authenticator.isRevoked(identity)).toBe(true)
    await expect(fixture.authenticator.authenticate(token, RESOURCE)).rejects.toMatchObject({
      details: { reason: 'unknown_issuer' },
    })
  })

  test('a configuration that cannot work changes nothing', async () => {
    await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })
    const broken = fixture.configure({ issuers: [issuer({ jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } })] })

    expect(() => fixture.authenticator.update(broken, Revocations.parse({}))).toThrow('no key')

    await expect(fixture.authenticator.authenticate(bearer(await signToken(key)), RESOURCE)).resolves.toBeDefined()
  })

  test('an issuer configured twice is an error', () => {
    expect(() => createAuthenticatorFixture({ issuers: [issuer(), issuer()] })).toThrow('twice')
  })
})

test('a refusal is reported with its reason and route, and names only issuers we know', async () => {
  await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })

  await fixture.authenticator
    .authenticate(bearer(await signToken(key, { claims: { aud: 'x' } })), RESOURCE)
    .catch(() => undefined)
  await fixture.authenticator
    .authenticate(bearer(await signToken(key, { claims: { iss: 'https://evil.test' } })), RESOURCE)
    .catch(() => undefined)

  expect(fixture.events).toEqual([
    { type: 'auth-denied', reason: 'wrong_audience', issuer: 'https://idp.test', route: '/mcp' },
    { type: 'auth-denied', reason: 'unknown_issuer', route: '/mcp' },
  ])
})

test('a remembered token is refused when its time is over', async () => {
  await using fixture = createAuthenticatorFixture({ issuers: [issuer()] })
  const token = bearer(await signToken(key))
  await fixture.authenticator.authenticate(token, RESOURCE)

  fixture.clock.now = (NOW_SECONDS + 660) * 1000
  await fixture.authenticator.authenticate(token, RESOURCE)
  fixture.clock.now += 1

  await expect(fixture.authenticator.authenticate(token, RESOURCE)).rejects.toMatchObject({ details: { reason: 'expired' } })
})

// Group A of the security catalogue over the authenticator, with keys behind a real HTTP server. Refused tokens
// are presented between two calls of a control caller of another issuer and team, who must be let in both times.
import { createHmac } from 'node:crypto'
import { CompactSign, exportSPKI, importJWK, type JWK } from 'jose'
import { expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import { mintApiKey } from '../../src/lib/api-key.ts'
import { openKeyStore } from '../../src/store/keys.ts'
import { createAuthenticatorFixture, RESOURCE, type AuthenticatorFixture } from '../support/authenticator.ts'
import { encodePart, makeKey, NOW_SECONDS, signToken, type TestKey } from '../support/issuer.ts'
import { startJwksServer, type JwksMode, type JwksServer } from '../support/jwks-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const [rsa, ec, ed, attacker, control] = await Promise.all([
  makeKey('RS256', 'rsa-1'),
  makeKey('ES256', 'ec-1'),
  makeKey('EdDSA', 'ed-1'),
  makeKey('RS256', 'rsa-1'),
  makeKey('ES256', 'control-1'),
])
const CONTROL = 'https://control.test'

/** A gate that trusts one RS256 issuer under attack and one control issuer, and the server of the attacked issuer's keys. */
interface Gate extends AuthenticatorFixture {
  readonly keys: JwksServer
  /** Presents a token; answers `in` or the reason it was refused for. */
  tryToken(token: string, resource?: string): Promise<string>
}

async function openGate(
  settings: Readonly<Record<string, unknown>> = {},
  options: {
    readonly jwks?: Readonly<Record<string, number>>
    readonly mode?: JwksMode
    readonly cache?: number
  } = {},
): Promise<Gate & AsyncDisposable> {
  const keys = await startJwksServer([rsa.publicJwk, ec.publicJwk, ed.publicJwk])
  keys.mode = options.mode ?? 'keys'
  const attacked = { issuer: 'https://idp.test', algorithms: ['RS256'], jwks: { url: keys.url }, ...settings }
  const steady = { issuer: CONTROL, algorithms: ['ES256'], jwks: { keys: [control.publicJwk] } }
  const fixture = createAuthenticatorFixture({
    issuers: [attacked, steady],
    jwks: options.jwks ?? {},
    ...(options.cache === undefined ? {} : { cache: { entries: options.cache } }),
  })
  const tryToken = async (token: string, resource = RESOURCE) => {
    try {
      await fixture.authenticator.authenticate({ authorization: `Bearer ${token}` }, resource)
      return 'in'
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      expect(error.message).not.toContain(token.slice(0, 20))
      return String(error.details?.['reason'])
    }
  }
  return {
    ...fixture,
    keys,
    tryToken,
    async [Symbol.asyncDispose]() {
      await fixture[Symbol.asyncDispose]()
      await keys[Symbol.asyncDispose]()
    },
  }
}

const controlToken = await signToken(control, {
  claims: { iss: CONTROL, sub: 'control', team: 'other', exp: NOW_SECONDS + 864_000 },
})

/** One row of the catalogue (or one of its variants). */
interface Row {
  readonly id: string
  readonly what: string
  attack(): Promise<void>
}

const good = await signToken(rsa)
const [goodHeader = '', goodClaims = '', goodSignature = ''] = good.split('.')
const header = (members: Record<string, unknown>) => encodePart({ alg: 'RS256', kid: 'rsa-1', typ: 'JWT', ...members })

/** A row whose tokens are all refused, for one of the given reasons, by a gate with the given settings. */
function refused(
  title: string,
  reasons: readonly string[],
  tokens: () => Promise<readonly string[]> | readonly string[],
  settings = {},
): Row {
  return {
    id: title.slice(0, 3),
    what: title.slice(4),
    async attack() {
      await using gate = await openGate(settings)
      expect(await gate.tryToken(controlToken)).toBe('in')

      for (const token of await tokens()) expect(reasons).toContain(await gate.tryToken(token))

      expect(await gate.tryToken(controlToken)).toBe('in')
      expect(gate.keys.requests.length).toBeLessThanOrEqual(2)
    },
  }
}

function signedWithSecret(secret: string | Buffer): string {
  const input = `${encodePart({ alg: 'HS256', kid: 'rsa-1', typ: 'JWT' })}.${goodClaims}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

async function publicKeyForms(): Promise<readonly (string | Buffer)[]> {
  const key = await importJWK(rsa.publicJwk, 'RS256')
  if (key instanceof Uint8Array) throw new Error('not a public key')
  const pem = await exportSPKI(key)
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  const { n, e, kty } = rsa.publicJwk
  return [pem, pem.trim(), ` ${pem}`, `\n${pem}`, der, JSON.stringify(rsa.publicJwk), JSON.stringify({ kty, n, e }), String(n)]
}

const ROWS: readonly Row[] = [
  refused('A01 no algorithm and no signature', ['bad_signature'], () =>
    ['none', 'None', 'nOnE'].map((alg) => `${header({ alg })}.${goodClaims}.`),
  ),
  refused('A01 no algorithm but something as a signature', ['alg_not_allowed'], () => [
    `${header({ alg: 'none' })}.${goodClaims}.AA`,
  ]),
  refused('A01 signature stripped, cut or of another token', ['bad_signature', 'malformed'], async () => [
    `${goodHeader}.${goodClaims}.`,
    `${goodHeader}.${goodClaims}`,
    `${goodHeader}.${goodClaims}.${goodSignature.slice(0, -8)}`,
    `${goodHeader}.${goodClaims}.${(await signToken(rsa, { claims: { sub: 'bob' } })).split('.')[2]}`,
  ]),
  refused('A01 claims edited under a true signature', ['bad_signature'], () => [
    `${goodHeader}.${encodePart({ ...decode(goodClaims), team: 'admin' })}.${goodSignature}`,
  ]),
  refused('A02 the public key as a shared secret, in every writing', ['alg_not_allowed'], async () =>
    (await publicKeyForms()).map(signedWithSecret),
  ),
  refused('A02 the same where the token is also called RS256', ['bad_signature'], async () =>
    (await publicKeyForms()).map((secret) => signedWithSecret(secret).replace(/^[^.]+/, header({}))),
  ),
  refused('A03 keys of the issuer under algorithms that are not pinned', ['alg_not_allowed'], async () => [
    await signToken(ec),
    await signToken(ed),
    await signAs('PS256', rsa),
  ]),
  refused('A03 RS256 where PS256 is pinned', ['alg_not_allowed'], () => [good], { algorithms: ['PS256'] }),
  refused('A04 kid that is a path, a query, too long, no text, missing or unknown', ['malformed', 'unknown_key'], async () =>
    Promise.all(
      [
        '../../etc/passwd',
        "' OR 1=1--",
        '\u0000',
        'k'.repeat(4_000),
        { kid: 1 },
        ['rsa-1'],
        '',
        undefined,
        'unknown-1',
        'unknown-2',
      ].map((kid) => signToken(rsa, { header: { kid } })),
    ),
  ),
  {
    id: 'A05',
    what: 'kid that names an empty, symmetric, short or encryption key; a secret of no bytes',
    async attack() {
      await using gate = await openGate({ algorithms: ['RS256', 'ES256'] })
      const weak = (kid: string, members: object): JWK => ({ kid, ...members })
      gate.keys.keys = [
        weak('empty', {}),
        weak('oct', { kty: 'oct', k: '' }),
        weak('short', { kty: 'RSA', n: 'AQAB', e: 'AQAB' }),
        weak('enc', { ...rsa.publicJwk, kid: 'enc', use: 'enc' }),
        weak('ops', { ...rsa.publicJwk, kid: 'ops', key_ops: ['sign'] }),
        weak('other-alg', { ...rsa.publicJwk, kid: 'other-alg', alg: 'PS256' }),
        weak('wrong-curve', { ...ec.publicJwk, kid: 'wrong-curve', crv: 'P-384' }),
      ]

      for (const kid of ['empty', 'oct', 'short', 'enc', 'ops', 'other-alg', 'wrong-curve']) {
        expect(await gate.tryToken(await signToken(rsa, { header: { kid } }))).toBe('unknown_key')
      }

      expect(await gate.tryToken(signedWithSecret(''))).toBe('alg_not_allowed')
      expect(await gate.tryToken(signedWithSecret('').replace(/^[^.]+/, header({ kid: 'empty' })))).toBe('unknown_key')
    },
  },
  {
    id: 'A06',
    what: 'keys and URLs inside the header are never followed',
    async attack() {
      await using gate = await openGate()
      await using elsewhere = await startJwksServer([attacker.publicJwk])
      expect(await gate.tryToken(good)).toBe('in')
      const asked = gate.keys.requests.length
      const pointers: Record<string, unknown>[] = [
        { jwk: attacker.publicJwk },
        { jku: elsewhere.url },
        { x5u: elsewhere.url },
        { x5c: ['MIIB'] },
        { jwk: attacker.publicJwk, jku: elsewhere.url, kid: 'rsa-1' },
      ]

      for (const pointer of pointers)
        expect(await gate.tryToken(await signToken(attacker, { header: pointer }))).toBe('bad_signature')

      expect(elsewhere.requests).toEqual([])
      expect(gate.keys.requests).toHaveLength(asked)
    },
  },
  refused('A07 critical extensions', ['malformed'], () => [
    `${header({ crit: ['exp2'], exp2: 1 })}.${goodClaims}.${goodSignature}`,
    `${header({ crit: [] })}.${goodClaims}.${goodSignature}`,
    `${header({ b64: false, crit: ['b64'] })}.${goodClaims}.${goodSignature}`,
  ]),
  refused(
    'A07 an ID token where an access token is due',
    ['wrong_type'],
    async () => [good, await signToken(rsa, { header: { typ: 'id+jwt' } })],
    {
      type: 'at+jwt',
    },
  ),
  refused('A08 tokens for others, for a sibling endpoint, for nobody', ['wrong_audience'], async () =>
    Promise.all(
      [
        'https://other.test/mcp',
        'https://gate.test',
        `${RESOURCE}/team-a`,
        `${RESOURCE}/`,
        RESOURCE.toUpperCase(),
        ['x', 'y'],
        [[RESOURCE]],
        '',
        undefined,
        { 0: RESOURCE },
      ].map((aud) => signToken(rsa, { claims: { aud } })),
    ),
  ),
  {
    id: 'A08',
    what: 'a token for one endpoint of this gateway is refused on its sibling',
    async attack() {
      await using gate = await openGate()
      const token = await signToken(rsa, { claims: { aud: `${RESOURCE}/team-a` } })

      expect(await gate.tryToken(token, `${RESOURCE}/team-a`)).toBe('in')
      expect(await gate.tryToken(token, `${RESOURCE}/team-b`)).toBe('wrong_audience')
      expect(await gate.tryToken(token, RESOURCE)).toBe('wrong_audience')
    },
  },
  refused('A09 an issuer nobody configured', ['unknown_issuer'], async () =>
    Promise.all(
      ['https://idp.test/', 'https://IDP.test', 'https://idp.test.evil', '', undefined, ['https://idp.test'], '__proto__'].map(
        (iss) => signToken(rsa, { claims: { iss } }),
      ),
    ),
  ),
  refused(
    'A09 the key of one issuer under the name of another',
    ['bad_signature', 'unknown_key', 'alg_not_allowed'],
    async () => [
      await signToken(control),
      await signToken(rsa, { claims: { iss: CONTROL } }),
      await signToken(ec, { claims: { iss: CONTROL }, header: { kid: 'control-1' } }),
    ],
  ),
  {
    id: 'A09',
    what: 'metadata that names another issuer brings no keys',
    async attack() {
      await using server = await startJwksServer([rsa.publicJwk])
      const settings = { issuer: server.origin, algorithms: ['RS256'], jwks: { discovery: true } }
      server.documents.set('/.well-known/openid-configuration', { issuer: 'https://other.test', jwks_uri: server.url })
      await using fixture = createAuthenticatorFixture({ issuers: [settings] })
      const token = await signToken(rsa, { claims: { iss: server.origin } })

      const failure = fixture.authenticator.authenticate({ authorization: `Bearer ${token}` }, RESOURCE)

      await expect(failure).rejects.toMatchObject({ code: 'unauthenticated', details: { reason: 'key_unavailable' } })
      expect(server.requests).not.toContain('/jwks')
      expect(fixture.authenticator.status()).toMatchObject([{ usable: false, lastError: 'the metadata names another issuer' }])
    },
  },
  refused(
    'A10 past, future and far too long',
    ['expired', 'not_yet_valid', 'lifetime', 'malformed'],
    async () =>
      Promise.all(
        [
          { exp: NOW_SECONDS - 61 },
          { nbf: NOW_SECONDS + 61 },
          { iat: NOW_SECONDS + 61, exp: NOW_SECONDS + 90 },
          { exp: NOW_SECONDS + 3601 },
          { exp: undefined },
          { exp: null },
          { exp: String(NOW_SECONDS + 60) },
        ].map((claims) => signToken(rsa, { claims })),
      ),
    { maxLifetimeSeconds: 3600 },
  ),
  {
    id: 'A10',
    what: 'sixty seconds late is let in',
    async attack() {
      await using gate = await openGate()

      expect(await gate.tryToken(await signToken(rsa, { claims: { exp: NOW_SECONDS - 60 } }))).toBe('in')
    },
  },
  {
    id: 'A11',
    what: 'tokens too large, of dots, of scopes, too deep: refused before any key is used, within a millisecond',
    async attack() {
      await using gate = await openGate()
      await gate.tryToken(good)
      const deep = `${'['.repeat(1000)}${']'.repeat(1000)}`
      const tokens = [
        'x'.repeat(8193),
        '.'.repeat(15_000),
        '.'.repeat(8_000),
        `${goodHeader}.${encodePart({ iss: 'https://idp.test', scope: 's '.repeat(10_000) })}.${goodSignature}`,
        `${goodHeader}.${encodePart(`{"iss":"https://idp.test","deep":${deep}}`)}.${goodSignature}`,
        `${encodePart(`{"alg":"RS256","x":${deep}}`)}.${goodClaims}.${goodSignature}`,
      ]

      for (const token of tokens) {
        const times: number[] = []
        for (let round = 0; round < 21; round++) {
          const startedAt = performance.now()
          expect(['too_large', 'malformed']).toContain(await gate.tryToken(token))
          times.push(performance.now() - startedAt)
        }
        expect(times.toSorted((a, b) => a - b)[10]).toBeLessThan(1)
      }
    },
  },
  {
    id: 'A12',
    what: 'no subject is forbidden; no team is no default team',
    async attack() {
      await using gate = await openGate()
      const nobody = await signToken(rsa, { claims: { sub: undefined } })

      const failure = gate.authenticator.authenticate({ authorization: `Bearer ${nobody}` }, RESOURCE)
      await expect(failure).rejects.toMatchObject({ code: 'forbidden' })

      for (const team of [undefined, '', null, {}, ['a', 'b'], true]) {
        const token = await signToken(rsa, { claims: { team } })
        const { principal } = await gate.authenticator.authenticate({ authorization: `Bearer ${token}` }, RESOURCE)
        expect(principal).not.toHaveProperty('team')
      }
    },
  },
  {
    id: 'A15',
    what: 'metacharacters in an API key are a malformed key',
    async attack() {
      await using folder = await temporaryFolder()
      await using fixture = createAuthenticatorFixture({}, { keys: await openKeyStore(folder.path, Date.now) })
      const { key } = mintApiKey()

      for (const text of [
        "tgk_' OR 1=1--",
        'tgk_{"$ne":1}',
        'tgk_;os.exit()',
        'tgk_../../pepper',
        `${key}'`,
        `${key}\0`,
        key,
        'tgk_',
      ]) {
        for (const presented of [{ apiKey: text }, { authorization: `Bearer ${text}` }]) {
          const failure = fixture.authenticator.authenticate(presented, RESOURCE)
          await expect(failure).rejects.toMatchObject({ code: 'unauthenticated' })
        }
      }
    },
  },
  ...(['error', 'html', 'garbage', 'huge', 'wrong-type', 'redirect', 'hang'] as const).map((mode) => ({
    id: 'A16',
    what: `key server that answers with ${mode} at the start`,
    async attack() {
      await using gate = await openGate({}, { mode, jwks: { timeoutMs: 300 } })
      const startedAt = performance.now()

      expect(await gate.tryToken(good)).toBe('key_unavailable')

      expect(performance.now() - startedAt).toBeLessThan(2000)
      expect(await gate.tryToken(controlToken)).toBe('in')
      expect(gate.authenticator.status()).toMatchObject([
        { issuer: 'https://idp.test', usable: false },
        { issuer: CONTROL, usable: true },
      ])
      expect(gate.keys.requests).not.toContain('/elsewhere')
    },
  })),
  {
    id: 'A16',
    what: 'key server that is down at the start is found when it comes back',
    async attack() {
      await using gate = await openGate({}, { mode: 'error', jwks: { cooldownMs: 0 } })
      expect(await gate.tryToken(good)).toBe('key_unavailable')

      gate.keys.mode = 'keys'

      expect(await gate.tryToken(good)).toBe('in')
    },
  },
  ...(['error', 'html', 'hang'] as const).map((mode) => ({
    id: 'A16',
    what: `known keys outlive a key server that answers with ${mode}, for a bounded time`,
    async attack() {
      const [maxAgeMs, staleMs] = [60_000, 3_600_000]
      await using gate = await openGate({}, { jwks: { maxAgeMs, staleMs, cooldownMs: 0, timeoutMs: 1_000 } })
      const longLived = await signToken(rsa, { claims: { exp: NOW_SECONDS + 864_000 } })
      expect(await gate.tryToken(longLived)).toBe('in')
      gate.keys.mode = mode
      const other = await signToken(rsa, { claims: { exp: NOW_SECONDS + 864_000, sub: 'bob' } })

      gate.clock.now += maxAgeMs + staleMs
      const startedAt = performance.now()
      expect([await gate.tryToken(longLived), await gate.tryToken(other)]).toEqual(['in', 'in'])
      expect(performance.now() - startedAt).toBeLessThan(700)
      await expect.poll(() => gate.authenticator.status()[0]?.stale, { timeout: 5_000 }).toBe(true)

      gate.clock.now += 1
      expect([await gate.tryToken(longLived), await gate.tryToken(other)]).toEqual(['key_unavailable', 'key_unavailable'])
      expect(await gate.tryToken(controlToken)).toBe('in')
    },
  })),
  {
    id: 'A17',
    what: 'a new key is accepted within one refetch, right after the first keys were read',
    async attack() {
      await using gate = await openGate()
      const next = await makeKey('RS256', 'rsa-2')
      expect(await gate.tryToken(good)).toBe('in')
      gate.keys.keys = [rsa.publicJwk, next.publicJwk]

      expect(await gate.tryToken(await signToken(next))).toBe('in')

      expect(gate.keys.requests).toHaveLength(2)
      expect(gate.authenticator.status()[0]?.keys).toEqual(['rsa-1', 'rsa-2'])
    },
  },
  {
    id: 'A17',
    what: 'a removed key is refused within its maximum age, remembered tokens and idle gateways included',
    async attack() {
      await using gate = await openGate({}, { jwks: { maxAgeMs: 1_000 } })
      const next = await makeKey('RS256', 'rsa-2')
      expect(await gate.tryToken(good)).toBe('in')
      const startedAt = performance.now()

      gate.keys.keys = [next.publicJwk]

      await expect.poll(() => gate.authenticator.status()[0]?.keys, { timeout: 5_000 }).toEqual(['rsa-2'])
      expect(await gate.tryToken(good)).toBe('unknown_key')
      expect(performance.now() - startedAt).toBeLessThan(2_000)
    },
  },
  {
    id: 'A18',
    what: 'five thousand unknown kids cost one fetch, and valid tokens do not wait',
    async attack() {
      await using gate = await openGate()
      expect(await gate.tryToken(good)).toBe('in')

      const storm = Array.from({ length: 5_000 }, (_, n) =>
        gate.tryToken(`${header({ kid: `storm-${n}` })}.${goodClaims}.${goodSignature}`),
      )
      const during = await gate.tryToken(await signToken(rsa, { claims: { sub: 'bob' } }))
      const answers = new Set(await Promise.all(storm))

      expect([during, ...answers]).toEqual(['in', 'unknown_key'])
      expect(gate.keys.requests).toHaveLength(2)
      for (const kid of ['one', 'two', 'three']) await gate.tryToken(`${header({ kid })}.${goodClaims}.${goodSignature}`)
      expect(gate.keys.requests).toHaveLength(2)
      gate.clock.now += 30_000
      await gate.tryToken(`${header({ kid: 'later' })}.${goodClaims}.${goodSignature}`)
      expect(gate.keys.requests).toHaveLength(3)
    },
  },
  {
    id: 'A19',
    what: 'a thousand first calls share one slow fetch',
    async attack() {
      await using gate = await openGate({}, { mode: 'hang' })
      const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => signToken(rsa, { claims: { sub: `caller-${n}` } })))

      const calls = Array.from({ length: 1_000 }, (_, n) => gate.tryToken(tokens[n % tokens.length] ?? ''))
      await expect.poll(() => gate.keys.requests.length).toBe(1)
      gate.keys.release()

      expect(new Set(await Promise.all(calls))).toEqual(new Set(['in']))
      expect(gate.keys.requests).toHaveLength(1)
    },
  },
  {
    id: 'A19',
    what: 'a thousand first calls give up together when the fetch does',
    async attack() {
      await using gate = await openGate({}, { mode: 'hang', jwks: { timeoutMs: 200 } })
      const startedAt = performance.now()

      const answers = await Promise.all(Array.from({ length: 1_000 }, () => gate.tryToken(good)))

      expect(new Set(answers)).toEqual(new Set(['key_unavailable']))
      expect(performance.now() - startedAt).toBeLessThan(1_500)
      expect(gate.keys.requests).toHaveLength(1)
    },
  },
  {
    id: 'A20',
    what: 'the memory of verified tokens is bounded: the one unused longest is forgotten',
    async attack() {
      await using gate = await openGate({}, { cache: 2 })
      const identify = async (token: string) =>
        await gate.authenticator.authenticate({ authorization: `Bearer ${token}` }, RESOURCE)
      const [first, second, third] = await Promise.all(['a', 'b', 'c'].map((sub) => signToken(rsa, { claims: { sub } })))

      const before = [await identify(first ?? ''), await identify(second ?? ''), await identify(third ?? '')]

      expect(await identify(third ?? '')).toBe(before[2])
      expect(await identify(second ?? '')).toBe(before[1])
      const again = await identify(first ?? '')
      expect(again).toEqual(before[0])
      expect(again).not.toBe(before[0])
    },
  },
  {
    id: 'A21',
    what: 'a remembered token is refused the moment it expires or is denied',
    async attack() {
      await using gate = await openGate()
      const denied = await signToken(rsa, { claims: { jti: 'stolen' } })
      expect([await gate.tryToken(good), await gate.tryToken(denied)]).toEqual(['in', 'in'])

      const settings = { issuer: 'https://idp.test', algorithms: ['RS256'], jwks: { url: gate.keys.url } }
      gate.authenticator.update(gate.configure({ issuers: [settings] }), { jti: ['stolen'], subjects: [] })
      expect([await gate.tryToken(good), await gate.tryToken(denied)]).toEqual(['in', 'revoked'])
      expect(gate.keys.requests).toHaveLength(1)

      gate.clock.now = (NOW_SECONDS + 660) * 1000 + 1
      expect(await gate.tryToken(good)).toBe('expired')
    },
  },
  {
    id: 'A22',
    what: 'a key revoked beside one gateway is refused by all that share the state folder, within a second',
    async attack() {
      await using folder = await temporaryFolder()
      const [one, two] = [await openKeyStore(folder.path, Date.now), await openKeyStore(folder.path, Date.now)]
      const principal = { subject: 'bot', kind: 'agent' as const, groups: [], roles: [], scopes: [] }
      const { key, stored } = await one.create({ principal })
      await two.reload()
      two.watch()
      await using fixture = createAuthenticatorFixture({}, { keys: two })
      const identity = await fixture.authenticator.authenticate({ apiKey: key }, RESOURCE)
      const told = new Promise<boolean>((resolve) => {
        fixture.authenticator.onRevoked(() => resolve(fixture.authenticator.isRevoked(identity)))
      })
      const startedAt = performance.now()

      await one.revoke(stored.id)

      expect(await told).toBe(true)
      expect(performance.now() - startedAt).toBeLessThan(1_000)
      await expect(fixture.authenticator.authenticate({ apiKey: key }, RESOURCE)).rejects.toMatchObject({
        details: { reason: 'revoked' },
      })
      two.close()
    },
  },
  {
    id: 'A30',
    what: 'a clock that is off by five minutes is decided like any other time',
    async attack() {
      await using gate = await openGate()
      gate.clock.now -= 300_000
      expect(await gate.tryToken(good)).toBe('not_yet_valid')
      gate.clock.now += 240_000
      expect(await gate.tryToken(good)).toBe('in')
    },
  },
]

/** Rows of group A that are not run here, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  A13: 'needs every route: the HTTP edge suite walks them',
  A14: 'the ways of writing the header are in test/unit/identity/authenticate.test.ts; over routes in the HTTP edge suite',
  A23: 'tokens are not bound to a connection yet (no DPoP, no client certificates): replay within the lifetime is accepted, as SECURITY says',
  A24: 'needs the HTTP edge and a decision',
  A25: 'needs the HTTP edge: the query is never read for a credential',
  A26: 'holds by construction: the only comparison is timingSafeEqual over an HMAC, made for unknown ids too (lib/api-key.ts, store/keys.ts)',
  A27: 'needs every route: the HTTP edge suite walks them',
  A28: 'the gateway signs in to upstreams by client credentials only; there is no authorization response to confuse',
  A29: 'the limit on failed attempts per address stands in the HTTP edge (test/flow/doors.test.ts)',
}

test.each(ROWS)('$id $what', async ({ attack }) => {
  await attack()
})

test('every row of group A is run or has its reason', () => {
  const known = new Set([...ROWS.map((row) => row.id), ...Object.keys(ELSEWHERE)])

  expect([...known].toSorted()).toEqual(Array.from({ length: 30 }, (_, n) => `A${String(n + 1).padStart(2, '0')}`))
  for (const reason of Object.values(ELSEWHERE)) expect(reason.length).toBeGreaterThan(20)
})

function decode(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>
}

/** Signs the good claims with a key under another algorithm of its family. */
async function signAs(alg: string, key: TestKey): Promise<string> {
  const pkcs = await crypto.subtle.exportKey('pkcs8', key.privateKey)
  const resigned = await crypto.subtle.importKey('pkcs8', pkcs, { name: 'RSA-PSS', hash: 'SHA-256' }, false, ['sign'])
  return await new CompactSign(Buffer.from(goodClaims, 'base64url')).setProtectedHeader({ alg, kid: key.kid }).sign(resigned)
}

import { expect, it } from 'vitest'
import { JWKS_PATH, METADATA_PATH, startHostileIssuer, type HostileIssuer } from '../../kit/hostile-issuer.ts'
import { createAuthenticatorFixture, RESOURCE } from '../../support/authenticator.ts'

/** What an authenticator that trusts the issuer says of a token: `in`, or why not. */
async function tell(issuer: HostileIssuer, token: string, jwks: object = { discovery: true }): Promise<string> {
  await using fixture = createAuthenticatorFixture({
    issuers: [{ issuer: issuer.issuer, algorithms: [issuer.key.alg], jwks }],
    jwks: { timeoutMs: 500 },
  })
  return await fixture.authenticator.authenticate({ authorization: `Bearer ${token}` }, RESOURCE).then(
    () => 'in',
    () => fixture.lastReason() ?? 'refused',
  )
}

it('is a right one until something is said: metadata, keys, tokens', async () => {
  await using issuer = await startHostileIssuer()

  expect(await tell(issuer, await issuer.token())).toBe('in')
  expect(issuer.asked).toEqual(expect.arrayContaining([METADATA_PATH, JWKS_PATH]))
})

it('serves what it is told, and is right again when told so', async () => {
  await using issuer = await startHostileIssuer('RS256')
  const token = await issuer.token()
  const heard: Record<string, string> = {}

  for (const [name, answer] of Object.entries({
    error: { status: 500 },
    redirect: { status: 302, headers: { location: `${issuer.issuer}/elsewhere` } },
    garbage: { body: '{"keys":[' },
    page: { headers: { 'content-type': 'text/html' }, body: '<html>' },
    huge: { padTo: 100_000_000 },
    drip: { dripMs: 100 },
    hang: { hang: true },
  })) {
    issuer.answer(JWKS_PATH, answer)
    heard[name] = await tell(issuer, token, { url: issuer.issuer + JWKS_PATH })
  }
  issuer.answer(JWKS_PATH, undefined)

  expect(new Set(Object.values(heard))).toEqual(new Set(['key_unavailable']))
  expect(await tell(issuer, token, { url: issuer.issuer + JWKS_PATH })).toBe('in')
})

it('answers late', async () => {
  await using issuer = await startHostileIssuer()
  issuer.answer(JWKS_PATH, { delayMs: 60, body: { keys: [] } })
  const began = performance.now()

  await (await fetch(issuer.issuer + JWKS_PATH)).text()

  expect(performance.now() - began).toBeGreaterThan(55)
})

it('forges tokens that nobody lets in', async () => {
  await using issuer = await startHostileIssuer()
  const forged = await issuer.forged()

  const told = await Promise.all(Object.entries(forged).map(async ([name, token]) => [name, await tell(issuer, token)]))

  expect(told.length).toBeGreaterThan(6)
  expect(told.filter(([, outcome]) => outcome === 'in')).toEqual([])
})

import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { GatewayError } from '../../../src/core/errors.ts'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import type { Identity } from '../../../src/core/principal.ts'
import { readPresented } from '../../../src/identity/bearer.ts'
import { readToken } from '../../../src/identity/token.ts'
import { createAuthenticatorFixture, RESOURCE } from '../../support/authenticator.ts'
import { NOW_SECONDS } from '../../support/issuer.ts'
import { invariant, type Target } from '../target.ts'

const ISSUER = 'https://idp.test'
const TOKEN_BYTES = 8_192
const SKEW_SECONDS = 60

const WORDS =
  `alg kid typ crit b64 jwk jku x5c cty JWT at+jwt EdDSA none HS256 RS256 ES256 iss sub aud exp nbf iat jti act azp client_id scope scp groups roles team org
  project agent user email preferred_username session_id realm_access _claim_names hasgroups gty idtyp app client-credentials https://idp.test https://idp.test/
  https://gate.test/mcp https://gate.test/ 1800000000 1799999999 1e400 -1 signature scheme Bearer bearer Basic tgk_ . .. = eyJhbGciOiJub25lIn0 \u0000 \u2028`.split(
    /\s+/,
  )

const CLAIMS = { iss: ISSUER, sub: 'alice', aud: RESOURCE, exp: NOW_SECONDS + 600 }
const HEADER = { alg: 'EdDSA', kid: 'k', typ: 'JWT' }
const SEEDS: readonly unknown[] = [
  {
    header: HEADER,
    claims: { ...CLAIMS, iat: NOW_SECONDS, team: 'research', groups: ['a', 'b'], scope: 'read write', jti: 'j' },
  },
  {
    header: { alg: 'EdDSA' },
    claims: { ...CLAIMS, aud: ['x', RESOURCE], nbf: NOW_SECONDS, azp: 'agent', act: { sub: 'agent' }, roles: ['admin'] },
  },
  { header: HEADER, claims: { ...CLAIMS, realm: { teams: ['a'] }, email: 'a@b.test', session_id: 's' }, scheme: 'bearer ' },
  { header: { ...HEADER, crit: ['b64'], b64: false }, claims: CLAIMS },
  { header: { alg: 'none' }, claims: CLAIMS, signature: '' },
  { header: HEADER, claims: '{"iss":"https://idp.test","iss":"https://other.test","sub":"a"}', signature: 'AAAA' },
]

/** Credentials: tokens that are signed rightly around hostile headers and claims, tokens that are not, and raw header values. */
export function token(): Target {
  const keys = keyPair()
  const settings = {
    issuers: [
      {
        issuer: ISSUER,
        algorithms: ['EdDSA'],
        jwks: { keys: [{ ...keys.publicJwk, kid: 'k', alg: 'EdDSA' }] },
        claims: { org: { cel: 'claims.realm.org' }, roles: ['/roles', '/realm_access/roles'] },
      },
    ],
  }
  const fixture = createAuthenticatorFixture(settings, { tokenBytes: TOKEN_BYTES })
  return {
    name: 'token',
    json: 'whole',
    dictionary: WORDS,
    seeds: () => [
      ...SEEDS.map((seed) => Buffer.from(JSON.stringify(seed))),
      Buffer.from('Bearer a.b.c'),
      Buffer.from('bearer tgk_abc'),
    ],
    price: {
      parse: (input) =>
        void readToken(readPresented({ authorization: presentedBy(input, keys.sign).authorization }, TOKEN_BYTES) ?? ''),
      honest: (bytes) =>
        Buffer.from(JSON.stringify({ header: HEADER, claims: { ...CLAIMS, text: 'x'.repeat(Math.min(bytes, 5_500)) } })),
    },
    async run(input) {
      const presented = presentedBy(input, keys.sign)
      fixture.events.length = 0
      try {
        const identity = await fixture.authenticator.authenticate(presented, RESOURCE)
        checkIdentity(identity, presented)
        const { principal } = identity
        return `accepted ${principal.kind} ${Object.keys(principal).join()} ${[principal.groups, principal.roles, principal.scopes].map(({ length }) => Math.min(2, length)).join()}`
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
        invariant(
          ['unauthenticated', 'forbidden', 'insufficient_scope'].includes(error.code),
          `a refusal is one, not ${error.code}`,
        )
        invariant(!fixture.events.some(({ type }) => type === 'internal-error'), 'a refusal is no failure of ours')
        return `${error.code} ${fixture.lastReason() ?? ''}`
      }
    },
    close: async () => fixture[Symbol.asyncDispose](),
  }
}

interface Presented {
  readonly authorization: string
  readonly header?: JsonObject
  readonly claims?: JsonObject
  /** Whether the key of the issuer signed it. */
  readonly isOurs: boolean
}

function presentedBy(input: Buffer, signText: (text: string) => string): Presented {
  const json = parsed(input.toString('utf8'))
  // what node refuses in a header never gets here
  const raw = input.toString('latin1').replaceAll(/[\0\r\n]/g, '')
  if (!isJsonObject(json)) return { authorization: raw, isOurs: false }
  const [header, claims] = [textOf(json['header']), textOf(json['claims'])]
  const signed = `${encode(header)}.${encode(claims)}`
  const scheme = typeof json['scheme'] === 'string' ? json['scheme'] : 'Bearer '
  const isOurs = json['signature'] === undefined
  const authorization = `${scheme}${signed}.${isOurs ? signText(signed) : textOf(json['signature'])}`.replaceAll(/[\0\r\n]/g, '')
  const parts = { header: parsed(header), claims: parsed(claims) }
  if (!isJsonObject(parts.header) || !isJsonObject(parts.claims)) return { authorization, isOurs }
  return { authorization, isOurs, header: parts.header, claims: parts.claims }
}

const encode = (text: string) => Buffer.from(text).toString('base64url')
const textOf = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not JSON
  }
}

function checkIdentity(identity: Identity, { header, claims, isOurs }: Presented): void {
  invariant(isOurs, 'only what the issuer signed is accepted')
  invariant(header?.['alg'] === 'EdDSA' && header['crit'] === undefined, 'only the pinned algorithm is accepted')
  invariant(claims?.['iss'] === ISSUER && identity.principal.issuer === ISSUER, 'the issuer is exact')
  invariant(typeof claims['sub'] === 'string' && identity.principal.subject === claims['sub'], 'the subject is exact')
  const audience: unknown = claims['aud']
  invariant(audience === RESOURCE || (Array.isArray(audience) && audience.includes(RESOURCE)), 'the audience is exact')
  invariant(Number(claims['exp']) >= NOW_SECONDS - SKEW_SECONDS, 'it has not expired')
  invariant(claims['nbf'] === undefined || Number(claims['nbf']) <= NOW_SECONDS + SKEW_SECONDS, 'it is valid already')
  const texts = Object.values(identity.principal).flat().map(String)
  invariant(
    texts.every((text) => text.length <= 65_536 && !/\p{Cc}/u.test(text)),
    'no text of a principal has control characters',
  )
}

/** A key of its own, the same in every run. */
function keyPair() {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const publicJwk = createPublicKey(privateKey).export({ format: 'jwk' })
  return { publicJwk, sign: (text: string) => sign(null, Buffer.from(text), privateKey).toString('base64url') }
}

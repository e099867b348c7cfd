import { CompactSign, exportJWK, generateKeyPair, type CryptoKey, type CompactJWSHeaderParameters, type JWK } from 'jose'

/** A key pair of an issuer, with what a test needs of it. */
export interface TestKey {
  readonly alg: string
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly publicJwk: JWK
}

/** Makes a key pair. */
export async function makeKey(alg = 'ES256', kid = `${alg}-1`): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

/** Claims and header members of a test token; `undefined` removes one of the defaults. */
export interface TokenParts {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
}

/** The moment at which tests run, in seconds. */
export const NOW_SECONDS = 1_800_000_000

/** Signs a token that is valid at NOW_SECONDS for `https://gate.test/mcp`, changed by what a test asks. */
export async function signToken(key: TestKey, { claims = {}, header = {} }: TokenParts = {}): Promise<string> {
  const payload = {
    iss: 'https://idp.test',
    sub: 'alice',
    aud: 'https://gate.test/mcp',
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 600,
    team: 'research',
    ...claims,
  }
  const protectedHeader = { typ: 'JWT', ...header, alg: key.alg, kid: 'kid' in header ? header['kid'] : key.kid }
  // Signed as bytes: a builder of tokens would refuse the claims that tests of refusals need.
  const signer = new CompactSign(new TextEncoder().encode(JSON.stringify(payload))).setProtectedHeader(
    protectedHeader as CompactJWSHeaderParameters,
  )
  return await signer.sign(key.privateKey)
}

/** base64url of a JSON value: for tokens made by hand. */
export function encodePart(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

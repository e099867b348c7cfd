import { compactVerify } from 'jose'
import { principalKey, type Identity } from '../core/principal.ts'
import { checkClaims, checkHeader } from './checks.ts'
import { denied } from './denial.ts'
import type { TrustedIssuer } from './issuers.ts'
import type { SigningKey } from './key-set.ts'
import type { UnverifiedToken } from './token.ts'

/** A token that verified, and what its verification rests on. */
export interface VerifiedToken {
  readonly identity: Identity
  readonly issuer: TrustedIssuer
  readonly key: SigningKey
  /** Milliseconds since the epoch; afterwards the token is refused. */
  readonly expiresAt: number
}

/** Verifies a token of a known issuer for one resource: header, signature, claims, and only then who it names. */
export async function verifyToken(
  token: UnverifiedToken,
  issuer: TrustedIssuer,
  resource: string,
  now: () => number,
): Promise<VerifiedToken> {
  checkHeader(token, issuer.config)
  const key = await issuer.keys.find(token.kid, token.alg)
  if (key === undefined) throw denied('unknown_key')
  await checkSignature(token, key)
  const expiresAt = checkClaims(token.claims, issuer.config, resource, now())
  const { principal, session } = issuer.map(token.claims)
  const missing = issuer.config.requiredScopes.filter((scope) => !principal.scopes.includes(scope))
  if (missing.length > 0) throw denied('insufficient_scope', { scope: issuer.config.requiredScopes.join(' ') })
  const { jti } = token.claims
  const identity: Identity = {
    principal,
    key: principalKey(principal),
    ...(session === undefined ? {} : { session }),
    ...(typeof jti === 'string' ? { credentialId: jti } : {}),
    expiresAt,
    method: 'jwt',
  }
  return { identity: Object.freeze(identity), issuer, key, expiresAt }
}

async function checkSignature(token: UnverifiedToken, key: SigningKey): Promise<void> {
  try {
    await compactVerify(token.text, await key.load(token.alg), { algorithms: [token.alg] })
  } catch (error) {
    throw denied('bad_signature', { cause: error })
  }
}

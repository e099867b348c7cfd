import type { JsonObject } from '../core/json.ts'
import type { Issuer } from '../config/identity.ts'
import { denied } from './denial.ts'
import type { UnverifiedToken } from './token.ts'

/** Refuses a token whose header does not fit its issuer: the algorithm is pinned, the type when the issuer sets one. */
export function checkHeader(token: UnverifiedToken, issuer: Issuer): void {
  const algorithms: readonly string[] = issuer.algorithms
  if (!algorithms.includes(token.alg)) throw denied('alg_not_allowed')
  if (issuer.type !== undefined && mediaType(token.typ ?? '') !== mediaType(issuer.type)) throw denied('wrong_type')
}

/**
 * Refuses verified claims that do not hold here and now, and returns the moment (milliseconds) after which they no longer do.
 * Without a configured audience the token must name the endpoint called (RFC 8707), compared character by character.
 */
export function checkClaims(claims: JsonObject, issuer: Issuer, resource: string, now: number): number {
  const accepted = issuer.audience ?? [resource]
  const { aud } = claims
  const audience: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (!audience.some((value) => typeof value === 'string' && accepted.includes(value))) throw denied('wrong_audience')
  return checkTimes(claims, issuer, now)
}

function checkTimes(claims: JsonObject, issuer: Issuer, now: number): number {
  const exp = readSeconds(claims['exp'])
  const nbf = readSeconds(claims['nbf'])
  const iat = readSeconds(claims['iat'])
  const skew = issuer.skewSeconds * 1000
  if (exp === undefined) throw denied('expired')
  if (now > exp + skew) throw denied('expired')
  if (nbf !== undefined && now < nbf - skew) throw denied('not_yet_valid')
  if (iat !== undefined && now < iat - skew) throw denied('not_yet_valid')
  // Without "iat" the lifetime cannot be known, so such a token does not pass a policy about it.
  const lifetime = exp - (iat ?? Number.NEGATIVE_INFINITY)
  if (issuer.maxLifetimeSeconds !== undefined && lifetime > issuer.maxLifetimeSeconds * 1000) throw denied('lifetime')
  return exp + skew
}

/** A NumericDate (RFC 7519 2) in milliseconds, undefined when the claim is absent. */
function readSeconds(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isFinite(value)) throw denied('malformed')
  return value * 1000
}

/** RFC 7515 4.1.9: compared without case and without the optional "application/". */
function mediaType(value: string): string {
  return value.toLowerCase().replace(/^application\//, '')
}

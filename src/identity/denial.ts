import { GatewayError } from '../core/errors.ts'

/** Why a credential was refused. Closed, because it labels a metric. */
export type DenialReason =
  | 'missing'
  | 'malformed'
  | 'too_large'
  | 'unknown_issuer'
  | 'alg_not_allowed'
  | 'wrong_type'
  | 'unknown_key'
  | 'key_unavailable'
  | 'bad_signature'
  | 'wrong_audience'
  | 'expired'
  | 'not_yet_valid'
  | 'lifetime'
  | 'revoked'
  | 'no_subject'
  | 'group_overage'
  | 'insufficient_scope'

/** What the caller is told; the reason code goes to operators. */
const MESSAGES: Readonly<Record<DenialReason, string>> = {
  missing: 'this endpoint needs a credential: send "Authorization: Bearer <token>"',
  malformed: 'the credential is malformed: send exactly "Authorization: Bearer <token>"',
  too_large: 'the credential is too large',
  unknown_issuer: 'the token comes from an issuer that is not accepted here',
  alg_not_allowed: 'the token is signed with an algorithm that is not accepted from its issuer',
  wrong_type: 'the token has the wrong type: send an access token',
  unknown_key: 'the token is signed with an unknown key',
  key_unavailable: 'the keys of the issuer cannot be read at the moment',
  bad_signature: 'the signature of the token is wrong',
  wrong_audience: 'the token is not meant for this endpoint',
  expired: 'the credential has expired',
  not_yet_valid: 'the token is not valid yet',
  lifetime: 'the token lives longer than is accepted here',
  revoked: 'the credential is revoked',
  no_subject: 'the token names no subject',
  group_overage: 'the token leaves its groups out because there are too many; have the issuer send assigned groups only',
  insufficient_scope: 'the token lacks a scope this endpoint needs',
}

/** Authenticated, but of no use here: a new token of the same kind would not help, so the answer is 403. */
const FORBIDDEN: ReadonlySet<DenialReason> = new Set(['no_subject', 'group_overage'])

/** The error for a refused credential; `details.reason` carries the code. */
export function denied(reason: DenialReason, options: { readonly cause?: unknown; readonly scope?: string } = {}): GatewayError {
  const code = reason === 'insufficient_scope' ? reason : FORBIDDEN.has(reason) ? 'forbidden' : 'unauthenticated'
  const details = { reason, ...(options.scope === undefined ? {} : { scope: options.scope }) }
  return new GatewayError(code, MESSAGES[reason], { details, cause: options.cause })
}

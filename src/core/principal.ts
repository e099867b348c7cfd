/** Who is calling, as read from a verified credential and from nothing else. Identity is (`issuer`, `subject`). */
export interface Principal {
  readonly issuer: string
  readonly subject: string
  readonly kind: 'user' | 'agent' | 'service'
  readonly org?: string
  readonly team?: string
  readonly project?: string
  readonly agent?: string
  readonly user?: string
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
}

/** A verified credential: the principal it names and what the credential itself carries. */
export interface Identity {
  readonly principal: Principal
  /** Injective key of (issuer, subject, org, team, project, agent): the tenant part of every cache, pool and session key. */
  readonly key: string
  /** Session named by the credential, when its issuer maps one. */
  readonly session?: string
  /** `jti` of a token or id of an API key, for revocation. */
  readonly credentialId?: string
  /** Milliseconds since the epoch; undefined for credentials that do not expire. */
  readonly expiresAt?: number
  /** How the caller proved it. */
  readonly method: 'jwt' | 'api-key' | 'anonymous'
}

/** Builds the injective key of a principal: JSON of a fixed tuple, so that no two principals share one. */
export function principalKey(principal: Principal): string {
  const { issuer, subject, org, team, project, agent } = principal
  return JSON.stringify([issuer, subject, org ?? null, team ?? null, project ?? null, agent ?? null])
}

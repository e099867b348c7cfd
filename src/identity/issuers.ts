import type { Identity as IdentityConfig, Issuer } from '../config/identity.ts'
import type { JsonObject } from '../core/json.ts'
import { createClaimMapping, type CompileExpression, type MappedClaims } from './claim-mapping.ts'
import { createKeySource, type JwksDeps } from './jwks.ts'
import type { KeySource } from './key-source.ts'

/** One configured issuer, ready to verify its tokens. */
export interface TrustedIssuer {
  readonly config: Issuer
  readonly keys: KeySource
  readonly map: (claims: JsonObject) => MappedClaims
  /** What its keys were made from: equal text, same keys. */
  readonly keysFrom: string
}

/** The issuers of one configuration, by exact "iss". */
export type TrustedIssuers = ReadonlyMap<string, TrustedIssuer>

/** What preparing issuers borrows. */
export type IssuerDeps = Omit<JwksDeps, 'settings'> & { readonly compileExpression: CompileExpression }

/**
 * Prepares the issuers of a configuration. An issuer whose key settings did not change keeps its keys, so that a reload fetches
 * nothing. Throws when one cannot work: keys that are none, an expression that does not compile, an issuer named twice.
 */
export function createIssuers(config: IdentityConfig, deps: IssuerDeps, before: TrustedIssuers = new Map()): TrustedIssuers {
  const issuers = new Map<string, TrustedIssuer>()
  try {
    for (const issuer of config.issuers) {
      if (issuers.has(issuer.issuer)) throw new Error(`issuer ${issuer.issuer} is configured twice`)
      const map = createClaimMapping(issuer, deps.compileExpression)
      const keysFrom = JSON.stringify([issuer.jwks, config.jwks])
      const known = before.get(issuer.issuer)
      // A key file is read again on every reload: that is how its keys are changed.
      const keeps = known !== undefined && known.keysFrom === keysFrom && !('file' in issuer.jwks)
      const keys = keeps ? known.keys : createKeySource(issuer, { ...deps, settings: config.jwks })
      issuers.set(issuer.issuer, { config: issuer, keys, map, keysFrom })
    }
  } catch (error) {
    closeIssuers(issuers, before)
    throw error
  }
  return issuers
}

/** Ends the refreshing of issuers whose keys are not used by `still`. */
export function closeIssuers(issuers: TrustedIssuers, still: TrustedIssuers = new Map()): void {
  for (const [name, issuer] of issuers) {
    if (still.get(name)?.keys !== issuer.keys) issuer.keys.close()
  }
}

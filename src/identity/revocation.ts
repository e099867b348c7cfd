import type { Revocations } from '../config/identity.ts'
import type { Identity } from '../core/principal.ts'

/** The deny list, prepared for one look per call: credentials that are refused although they verify. */
export interface DenyList {
  has(identity: Identity): boolean
}

/** Prepares a deny list from `revocations.json`. */
export function createDenyList(revocations: Revocations): DenyList {
  const ids = new Set(revocations.jti)
  const everywhere = new Set(revocations.subjects.filter((entry) => entry.issuer === undefined).map((entry) => entry.subject))
  const atIssuer = new Set(
    revocations.subjects.flatMap((entry) => (entry.issuer === undefined ? [] : [JSON.stringify([entry.issuer, entry.subject])])),
  )
  const isEmpty = ids.size + everywhere.size + atIssuer.size === 0
  return {
    has({ principal, credentialId }) {
      if (isEmpty) return false
      if (credentialId !== undefined && ids.has(credentialId)) return true
      return everywhere.has(principal.subject) || atIssuer.has(JSON.stringify([principal.issuer, principal.subject]))
    },
  }
}

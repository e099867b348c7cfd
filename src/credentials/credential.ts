import type { BoundedFetch } from '../lib/egress.ts'
import type { Secrets } from '../lib/secrets.ts'

/** How calls to one upstream are signed. Made for one origin and never sent to another. */
export interface UpstreamCredential {
  /** Equal for equal settings: part of the key of connection pools. Tells nothing about the secret. */
  readonly fingerprint: string
  /** The only origin these headers may be sent to. */
  readonly origin: string
  /** The headers to add to a call; a promise only where they have to be fetched. Fails with `upstream_auth` when they cannot be had. */
  headers(signal?: AbortSignal): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
  /** To be told when the upstream answered 401, so that what was remembered is fetched anew for the next call. */
  rejected(): void
}

/** What signing borrows. `url` is the URL of the server; the credential belongs to its origin. */
export interface CredentialDeps {
  readonly secrets: Secrets
  readonly fetch: BoundedFetch
  readonly now: () => number
  readonly url: string
}

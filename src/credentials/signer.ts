import type { BoundedFetch } from '../lib/egress.ts'
import type { Secrets } from '../lib/secrets.ts'

/** A request to sign: exactly what will be sent. */
export interface SignableRequest {
  readonly method: 'POST' | 'GET'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Signs requests to one provider. */
export interface Signer {
  /** The credential headers of this request. Not a promise when what it needs is at hand, which is nearly always. Fails with `upstream_auth`. */
  sign(
    request: SignableRequest,
    signal?: AbortSignal,
  ): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
  /** To be told when the provider answered 401 or 403, so that what was remembered is fetched anew for the next call. */
  rejected(): void
}

/** What signing borrows. `baseUrl`: where the provider's requests go; credentials are for its origin alone. */
export interface SignerDeps {
  readonly secrets: Secrets
  readonly fetch: BoundedFetch
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly baseUrl: string
}

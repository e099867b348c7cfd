import type { GoogleCredentials } from '../config/provider.ts'
import { GatewayError } from '../core/errors.ts'
import { metadataToken, serviceAccountToken, workloadIdentityToken } from './google-tokens.ts'
import { createSecretValue } from './secret.ts'
import type { SignableRequest, Signer, SignerDeps } from './signer.ts'
import { TokenCache, type Fetched } from './token-cache.ts'

type Headers = Readonly<Record<string, string>>

/** Signs requests to Google Cloud with an access token. Only the credential that is configured is ever tried. */
export function googleSigner(credentials: GoogleCredentials, deps: SignerDeps): Signer {
  const isOurs = createHostCheck(deps.baseUrl)
  const source = credentials.type === 'token' ? staticHeaders(credentials, deps) : fetchedHeaders(credentials, deps)
  return {
    sign(request: SignableRequest, signal?: AbortSignal) {
      if (!isOurs(request.url)) throw new GatewayError('upstream_auth', 'the credential does not belong to this host')
      return source.get(signal)
    },
    rejected: () => source.rejected(),
  }
}

interface HeaderSource {
  get(signal?: AbortSignal): Headers | Promise<Headers>
  rejected(): void
}

function staticHeaders(credentials: Extract<GoogleCredentials, { type: 'token' }>, deps: SignerDeps): HeaderSource {
  const secret = createSecretValue(credentials.token, deps.secrets, deps.now)
  let kept: { readonly token: string; readonly headers: Headers } | undefined
  return {
    get() {
      const token = secret.read()
      if (kept?.token !== token) kept = { token, headers: { authorization: `Bearer ${token}` } }
      return kept.headers
    },
    rejected: () => secret.forget(),
  }
}

function fetchedHeaders(credentials: Exclude<GoogleCredentials, { type: 'token' }>, deps: SignerDeps): HeaderSource {
  return new TokenCache<Headers>({
    fetch: async () => {
      const { value, lifetimeMs } = await fetchToken(credentials, deps)
      return { value: { authorization: `Bearer ${value}` }, lifetimeMs }
    },
    now: deps.now,
    failure: 'the gateway could not get a token for this provider',
  })
}

function fetchToken(credentials: Exclude<GoogleCredentials, { type: 'token' }>, deps: SignerDeps): Promise<Fetched<string>> {
  switch (credentials.type) {
    case 'service_account':
      return serviceAccountToken(credentials, deps)
    case 'metadata':
      return metadataToken(credentials, deps)
    case 'workload_identity':
      return workloadIdentityToken(credentials, deps)
  }
}

/** Regions of Vertex AI are hosts of their own, so a Google host stands for all of them; any other stands for its origin alone. */
function createHostCheck(baseUrl: string): (url: string) => boolean {
  const { origin } = new URL(baseUrl)
  const isGoogles = isVertexHost(baseUrl)
  return (url) => url.startsWith(`${origin}/`) || (isGoogles && isVertexHost(url))
}

function isVertexHost(url: string): boolean {
  return /^https:\/\/(?:[a-z0-9-]+-)?aiplatform(?:\.[a-z0-9-]+\.rep)?\.googleapis\.com(?:\/|$)/.test(url)
}

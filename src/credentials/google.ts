import type { GoogleCredentials } from '../config/provider.ts'
import { GatewayError } from '../core/errors.ts'
import { metadataToken, serviceAccountToken, workloadIdentityToken } from './google-tokens.ts'
import { isOfOrigin, secretSigner } from './secret-signer.ts'
import type { Signer, SignerDeps } from './signer.ts'
import { TokenCache, type Fetched } from './token-cache.ts'

type Headers = Readonly<Record<string, string>>
type Fetching = Exclude<GoogleCredentials, { type: 'token' }>

/** Signs requests to Google Cloud with an access token. Only the credential that is configured is ever tried. */
export function googleSigner(credentials: GoogleCredentials, deps: SignerDeps): Signer {
  const isOurs = hostCheck(deps.baseUrl)
  if (credentials.type === 'token') return secretSigner(credentials.token, deps, { isOurs, toHeaders })
  const tokens = new TokenCache<Headers>({
    fetch: async () => {
      const { value, lifetimeMs } = await fetchToken(credentials, deps)
      return { value: toHeaders(value), lifetimeMs }
    },
    now: deps.now,
    failure: 'the gateway could not get a token for this provider',
  })
  return {
    sign(request, signal) {
      if (!isOurs(request.url)) throw new GatewayError('upstream_auth', 'the credential is for another host')
      return tokens.get(signal)
    },
    rejected: () => tokens.rejected(),
  }
}

const toHeaders = (token: string): Headers => Object.freeze({ authorization: `Bearer ${token}` })

function fetchToken(credentials: Fetching, deps: SignerDeps): Promise<Fetched<string>> {
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
function hostCheck(baseUrl: string): (url: string) => boolean {
  return isVertexHost(baseUrl) ? isVertexHost : isOfOrigin(baseUrl)
}

function isVertexHost(url: string): boolean {
  return /^https:\/\/(?:[a-z0-9-]+-)?aiplatform(?:\.[a-z0-9-]+\.rep)?\.googleapis\.com(?:\/|$)/.test(url)
}

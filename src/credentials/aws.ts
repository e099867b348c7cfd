import type { AwsCredentials } from '../config/provider.ts'
import { GatewayError } from '../core/errors.ts'
import { createAwsKeySource } from './aws-keys.ts'
import { createSigV4, type AwsKeys } from './aws-sigv4.ts'
import { isOfOrigin, secretSigner } from './secret-signer.ts'
import type { SignableRequest, Signer, SignerDeps } from './signer.ts'

/** Where requests to Bedrock may go besides the hosts of AWS. */
export interface AwsPlace {
  readonly region: string
  /** The configured endpoint; absent: the endpoints of AWS. */
  readonly baseUrl?: string
}

/** Signs requests to Amazon Bedrock, for the region their host names. */
export function awsSigner(credentials: AwsCredentials, deps: SignerDeps, place: AwsPlace): Signer {
  const isOurs = place.baseUrl === undefined ? (url: string) => AWS_HOST.test(url) : isOfOrigin(place.baseUrl)
  if (credentials.type === 'api_key') {
    return secretSigner(credentials.key, deps, { isOurs, toHeaders: (key) => ({ authorization: `Bearer ${key}` }) })
  }
  const source = createAwsKeySource(credentials, { ...deps, region: place.region })
  const bedrock = createSigV4('bedrock')
  const signWith = (request: SignableRequest, keys: AwsKeys) =>
    bedrock.sign(request, keys, regionOf(request.url) ?? place.region, deps.now())
  return {
    sign(request, signal) {
      if (!isOurs(request.url)) throw new GatewayError('upstream_auth', 'the credential is for another host')
      const keys = source.get(signal)
      return keys instanceof Promise ? keys.then((value) => signWith(request, value)) : signWith(request, keys)
    },
    rejected: () => source.rejected(),
  }
}

const AWS_HOST = /^https:\/\/[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?\//

/** The region in a host of AWS, private endpoints included: `bedrock-runtime.eu-central-1.amazonaws.com`. */
function regionOf(url: string): string | undefined {
  return /^https:\/\/(?:[a-z0-9-]+\.)?bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com/.exec(url)?.[1]
}

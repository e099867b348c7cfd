import type { AzureCredentials } from '../config/provider.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject } from '../core/json.ts'
import type { BoundedFetchOptions } from '../lib/egress.ts'
import { createSecretValue, type SecretValue } from './secret.ts'
import { isOfOrigin, secretSigner } from './secret-signer.ts'
import type { Signer, SignerDeps } from './signer.ts'
import { TokenCache, type Fetched } from './token-cache.ts'

type EntraCredentials = Exclude<AzureCredentials, { type: 'key' }>
/** A request for a token, made anew for every fetch because its secret may have changed. */
type TokenRequest = Omit<BoundedFetchOptions, 'timeoutMs' | 'maxBytes'> & { readonly url: string }

const RESOURCE = 'https://cognitiveservices.azure.com'
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const TIMEOUT_MS = 10_000
const MAX_BYTES = 65_536

/** Signs requests to Azure OpenAI: with the key of the resource, or with a token of Entra ID. */
export function azureSigner(credentials: AzureCredentials, deps: SignerDeps): Signer {
  const isOurs = isOfOrigin(deps.baseUrl)
  if (credentials.type === 'key') return secretSigner(credentials.key, deps, { isOurs, toHeaders: (key) => ({ 'api-key': key }) })
  const secret = secretOf(credentials, deps)
  const tokens = new TokenCache<Readonly<Record<string, string>>>({
    fetch: () => fetchToken(toRequest(credentials, secret), deps),
    forget: () => secret?.forget(),
    now: deps.now,
    failure: 'the gateway could not get an Azure token for this provider',
  })
  return {
    sign(request, signal) {
      if (!isOurs(request.url)) throw new GatewayError('upstream_auth', 'the credential is for another host')
      return tokens.get(signal)
    },
    rejected: () => tokens.rejected(),
  }
}

function secretOf(credentials: EntraCredentials, deps: SignerDeps): SecretValue | undefined {
  if (credentials.type === 'entra') return createSecretValue(credentials.clientSecret, deps.secrets, deps.now)
  if (credentials.type === 'workload_identity') return createSecretValue(credentials.assertion, deps.secrets, deps.now)
  return undefined
}

function toRequest(credentials: EntraCredentials, secret: SecretValue | undefined): TokenRequest {
  switch (credentials.type) {
    case 'entra':
      return toFormRequest(credentials, { client_secret: secret?.read() ?? '' })
    case 'workload_identity':
      // The assertion is replaced in its file by the cluster, so it is never taken from memory.
      secret?.forget()
      return toFormRequest(credentials, { client_assertion_type: ASSERTION_TYPE, client_assertion: secret?.read() ?? '' })
    case 'managed_identity': {
      const query = new URLSearchParams({ 'api-version': '2018-02-01', resource: RESOURCE })
      if (credentials.clientId !== undefined) query.set('client_id', credentials.clientId)
      const url = `${credentials.url.replace(/\/+$/, '')}/metadata/identity/oauth2/token?${query.toString()}`
      return { url, headers: { metadata: 'true' } }
    }
  }
}

function toFormRequest(
  { tenantId, clientId, tokenUrl }: Extract<EntraCredentials, { tenantId: string }>,
  proof: Readonly<Record<string, string>>,
): TokenRequest {
  const form = { grant_type: 'client_credentials', client_id: clientId, scope: `${RESOURCE}/.default`, ...proof }
  return {
    url: tokenUrl ?? `https://login.microsoftonline.com/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams(form).toString(),
  }
}

async function fetchToken(
  { url, ...request }: TokenRequest,
  deps: SignerDeps,
): Promise<Fetched<Readonly<Record<string, string>>>> {
  const answer = await deps.fetch(url, { ...request, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES })
  if (answer.status !== 200) throw new Error(`the token endpoint answered ${answer.status}`)
  const json: unknown = JSON.parse(answer.body.toString('utf8'))
  const token = isJsonObject(json) ? json['access_token'] : undefined
  if (typeof token !== 'string' || !/^[\x21-\x7e]{1,65536}$/.test(token))
    throw new Error('the token endpoint gave no access_token')
  // The machine's endpoint writes this number as text.
  const seconds = Number((isJsonObject(json) ? json['expires_in'] : undefined) ?? Number.NaN)
  const lifetimeMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined
  return { value: Object.freeze({ authorization: `Bearer ${token}` }), lifetimeMs }
}

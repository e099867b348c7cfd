// The gateway as an OAuth client of its own (RFC 6749 4.4); how long a token is shared is the business of token-cache.ts.
import type { Credential } from '../config/server.ts'
import { isJsonObject } from '../core/json.ts'
import type { CredentialDeps } from './credential.ts'
import { createSecretValue, type SecretValue } from './secret.ts'
import { TokenCache, type Fetched } from './token-cache.ts'

type ClientCredentials = Extract<Credential, { type: 'client_credentials' }>

const TIMEOUT_MS = 10_000
const MAX_BYTES = 65_536

/** Tokens from a token endpoint, for one upstream. */
export function clientCredentials(
  config: ClientCredentials,
  deps: CredentialDeps,
): { headers(signal?: AbortSignal): Promise<Record<string, string>>; rejected(): void } {
  const secret = createSecretValue(config.clientSecret, deps.secrets, deps.now)
  const tokens = new TokenCache({
    fetch: () => fetchToken(config, secret, deps),
    forget: () => secret.forget(),
    now: deps.now,
    failure: 'the gateway could not get a token for this server',
  })
  return {
    headers: async (signal) => ({ authorization: `Bearer ${await tokens.get(signal)}` }),
    rejected: () => tokens.rejected(),
  }
}

async function fetchToken(config: ClientCredentials, secret: SecretValue, deps: CredentialDeps): Promise<Fetched<string>> {
  const { headers, body } = toTokenRequest(config, secret.read(), deps.url)
  const answer = await deps.fetch(config.tokenUrl, { method: 'POST', headers, body, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES })
  if (answer.status !== 200) throw new Error(`the token endpoint answered ${answer.status}`)
  return readToken(JSON.parse(answer.body.toString('utf8')))
}

function toTokenRequest(
  config: ClientCredentials,
  secret: string,
  url: string,
): { headers: Record<string, string>; body: string } {
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (config.scope !== undefined) form.set('scope', config.scope)
  form.set('resource', config.resource ?? withoutFragment(url))
  if (config.audience !== undefined) form.set('audience', config.audience)
  const headers: Record<string, string> = {
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
  }
  if (config.authentication === 'basic') {
    // RFC 6749 2.3.1: both parts are form-encoded before they are joined.
    const pair = `${formEncode(config.clientId)}:${formEncode(secret)}`
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`
  } else {
    form.set('client_id', config.clientId)
    form.set('client_secret', secret)
  }
  return { headers, body: form.toString() }
}

function readToken(answer: unknown): Fetched<string> {
  if (!isJsonObject(answer)) throw new Error('the token endpoint answered with something else than an object')
  const { access_token: value, token_type: type, expires_in: expires } = answer
  if (typeof value !== 'string' || !/^[\x21-\x7e]{1,65536}$/.test(value))
    throw new Error('the token endpoint gave no access_token')
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer')
    throw new Error('the token endpoint gave a token that is no bearer token')
  const seconds = Number(expires ?? Number.NaN)
  return { value, lifetimeMs: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined }
}

const formEncode = (text: string) => new URLSearchParams({ x: text }).toString().slice(2)
const withoutFragment = (url: string) => url.replace(/#.*$/, '')

// How an access token of Google Cloud is had, one function per kind of credential. Answers are read strictly and never repeated in an error.
import { importPKCS8, SignJWT } from 'jose'
import type { GoogleCredentials } from '../config/provider.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { BoundedFetchOptions } from '../lib/egress.ts'
import type { SignerDeps } from './signer.ts'
import type { Fetched } from './token-cache.ts'

type Of<Type extends GoogleCredentials['type']> = Extract<GoogleCredentials, { type: Type }>

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const DEFAULT_TOKEN_URI = 'https://oauth2.googleapis.com/token'
const ASSERTION_SECONDS = 3_600
const BOUNDS = { timeoutMs: 10_000, maxBytes: 65_536 } as const

/** A token for a service account key: a signed assertion, exchanged (RFC 7523). */
export async function serviceAccountToken({ key }: Of<'service_account'>, deps: SignerDeps): Promise<Fetched<string>> {
  const account = readKey(readSecret(key, deps))
  const seconds = Math.floor(deps.now() / 1000)
  const assertion = await new SignJWT({ scope: SCOPE })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(account.keyId === undefined ? {} : { kid: account.keyId }) })
    .setIssuer(account.email)
    .setAudience(account.tokenUri)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + ASSERTION_SECONDS)
    .sign(await importPKCS8(account.privateKey, 'RS256'))
  const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
  return readToken(await post(account.tokenUri, form, deps))
}

/** A token of the machine's own account, from the metadata server. */
export async function metadataToken({ url }: Of<'metadata'>, deps: SignerDeps): Promise<Fetched<string>> {
  const address = `${url.replace(/\/+$/, '')}/computeMetadata/v1/instance/service-accounts/default/token`
  return readToken(await ask(address, { headers: { 'metadata-flavor': 'Google' } }, deps))
}

/** A token for a token of someone else (RFC 8693), and with it, when one is named, a token of a service account. */
export async function workloadIdentityToken(credentials: Of<'workload_identity'>, deps: SignerDeps): Promise<Fetched<string>> {
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: credentials.audience,
    scope: SCOPE,
    subject_token: readSecret(credentials.subjectToken, deps),
    subject_token_type: credentials.subjectTokenType,
  }
  const federated = readToken(await post(credentials.tokenUrl, form, deps))
  if (credentials.serviceAccount === undefined) return federated
  const base = credentials.impersonationUrl.replace(/\/+$/, '')
  const url = `${base}/v1/projects/-/serviceAccounts/${encodeURIComponent(credentials.serviceAccount)}:generateAccessToken`
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${federated.value}` }
  const answer = await ask(url, { method: 'POST', headers, body: JSON.stringify({ scope: [SCOPE] }) }, deps)
  const lifetimeMs = typeof answer['expireTime'] === 'string' ? Date.parse(answer['expireTime']) - deps.now() : Number.NaN
  return { value: tokenText(answer['accessToken']), lifetimeMs: Number.isFinite(lifetimeMs) ? lifetimeMs : undefined }
}

interface ServiceAccount {
  readonly email: string
  readonly privateKey: string
  readonly keyId: string | undefined
  readonly tokenUri: string
}

/** Reads a key file. Its token URI gets a signed assertion, so only Google's, or one of this machine, is believed. */
function readKey(text: string): ServiceAccount {
  const json = parse(text, () => unusable('the key is not a JSON object'))
  const { client_email: email, private_key: privateKey, private_key_id: keyId } = json
  if (typeof email !== 'string' || typeof privateKey !== 'string') throw unusable('the key has no client_email or no private_key')
  const tokenUri = json['token_uri'] ?? DEFAULT_TOKEN_URI
  if (typeof tokenUri !== 'string' || !isTrusted(tokenUri))
    throw unusable('the token_uri of the key is not one of googleapis.com')
  return { email, privateKey, keyId: typeof keyId === 'string' ? keyId : undefined, tokenUri }
}

function isTrusted(uri: string): boolean {
  if (!URL.canParse(uri)) return false
  const { protocol, hostname, port, username, password } = new URL(uri)
  if (username !== '' || password !== '') return false
  if (['localhost', '127.0.0.1', '[::1]'].includes(hostname)) return true
  return protocol === 'https:' && port === '' && hostname.endsWith('.googleapis.com')
}

/** What the parser says of a text quotes it, so it is not passed on. */
function parse(text: string, fault: () => Error): JsonObject {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw fault()
  }
  if (!isJsonObject(json)) throw fault()
  return json
}

/** The cause goes to the log, so it names what is wrong and never what was read. */
const unusable = (why: string) =>
  new GatewayError('upstream_auth', 'the credential for this provider is not usable', { cause: new Error(why) })

/** Read anew for every exchange: a key file has line breaks, and tokens in files rotate. */
function readSecret(reference: string, deps: SignerDeps): string {
  try {
    return deps.secrets.read(reference)
  } catch (error) {
    throw new GatewayError('upstream_auth', 'the credential for this provider is not available', { cause: error })
  }
}

function post(url: string, form: Readonly<Record<string, string>>, deps: SignerDeps): Promise<JsonObject> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  return ask(url, { method: 'POST', headers, body: new URLSearchParams(form).toString() }, deps)
}

async function ask(
  url: string,
  options: Omit<BoundedFetchOptions, 'timeoutMs' | 'maxBytes'>,
  deps: SignerDeps,
): Promise<JsonObject> {
  const answer = await deps.fetch(url, { ...options, ...BOUNDS })
  if (answer.status !== 200) throw new Error(`the token endpoint answered ${answer.status}`)
  return parse(answer.body.toString('utf8'), () => new Error('the token endpoint answered with something else than an object'))
}

function readToken(answer: JsonObject): Fetched<string> {
  const seconds = Number(answer['expires_in'] ?? Number.NaN)
  const lifetimeMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined
  return { value: tokenText(answer['access_token']), lifetimeMs }
}

function tokenText(value: unknown): string {
  if (typeof value === 'string' && /^[\x21-\x7e]{1,65536}$/.test(value)) return value
  throw new Error('the token endpoint gave no access token')
}

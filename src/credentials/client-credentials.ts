// The gateway as an OAuth client of its own (RFC 6749 4.4): a token is fetched on first use, shared by all calls, fetched anew ahead of
// its end beside the calls that use it, and at most once at a time. A failing token endpoint is left alone for a growing while.
import type { Credential } from '../config/server.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject } from '../core/json.ts'
import type { CredentialDeps } from './credential.ts'
import { createSecretValue, type SecretValue } from './secret.ts'

type ClientCredentials = Extract<Credential, { type: 'client_credentials' }>

interface Token {
  readonly value: string
  /** From here on a new one is fetched beside the calls. */
  readonly refreshAt: number
  /** From here on it is not used any more. */
  readonly usableUntil: number
}

const TIMEOUT_MS = 10_000
const MAX_BYTES = 65_536
const MARGIN_MS = 30_000
/** For answers without `expires_in`, which RFC 6749 5.1 only recommends. */
const DEFAULT_LIFETIME_MS = 300_000
const REJECTION_PAUSE_MS = 10_000
const MAX_FAILURE_PAUSE_MS = 30_000

/** Tokens from a token endpoint, for one upstream. */
export function clientCredentials(
  config: ClientCredentials,
  deps: CredentialDeps,
): { headers(signal?: AbortSignal): Promise<Record<string, string>>; rejected(): void } {
  const tokens = new TokenCache(config, deps)
  return {
    headers: async (signal) => ({ authorization: `Bearer ${await tokens.get(signal)}` }),
    rejected: () => tokens.rejected(),
  }
}

class TokenCache {
  readonly #config: ClientCredentials
  readonly #deps: CredentialDeps
  readonly #secret: SecretValue
  #token: Token | undefined
  #fetching: Promise<Token> | undefined
  #rejectedAt = Number.NEGATIVE_INFINITY
  #failures = 0
  #failure: { readonly error: unknown; readonly until: number } | undefined

  constructor(config: ClientCredentials, deps: CredentialDeps) {
    this.#config = config
    this.#deps = deps
    this.#secret = createSecretValue(config.clientSecret, deps.secrets, deps.now)
  }

  async get(signal: AbortSignal | undefined): Promise<string> {
    if (signal?.aborted === true) throw abandoned()
    const now = this.#deps.now()
    if (this.#token !== undefined && now < this.#token.usableUntil) {
      // The old token is still good, so a failure of this fetch is nobody's failure yet.
      if (now >= this.#token.refreshAt && !this.#isPaused()) this.#fetch().catch(() => undefined)
      return this.#token.value
    }
    if (this.#isPaused()) throw this.#failure?.error
    return (await untilAborted(this.#fetch(), signal)).value
  }

  rejected(): void {
    const now = this.#deps.now()
    // An upstream that refuses every token must not make us fetch one per call.
    if (now - this.#rejectedAt < REJECTION_PAUSE_MS) return
    this.#rejectedAt = now
    this.#token = undefined
    this.#secret.forget()
  }

  #isPaused(): boolean {
    return this.#failure !== undefined && this.#deps.now() < this.#failure.until
  }

  #fetch(): Promise<Token> {
    this.#fetching ??= this.#request()
      .then(
        (token) => this.#keep(token),
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  #keep(token: Token): Token {
    this.#token = token
    this.#failures = 0
    this.#failure = undefined
    return token
  }

  #fail(error: unknown): never {
    const failure = toFailure(error)
    this.#failure = {
      error: failure,
      until: this.#deps.now() + Math.min(1000 * 2 ** Math.min(this.#failures, 16), MAX_FAILURE_PAUSE_MS),
    }
    this.#failures += 1
    this.#secret.forget()
    throw failure
  }

  async #request(): Promise<Token> {
    const startedAt = this.#deps.now()
    const { headers, body } = toTokenRequest(this.#config, this.#secret.read(), this.#deps.url)
    const answer = await this.#deps.fetch(this.#config.tokenUrl, {
      method: 'POST',
      headers,
      body,
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
    })
    if (answer.status !== 200) throw new Error(`the token endpoint answered ${answer.status}`)
    return readToken(JSON.parse(answer.body.toString('utf8')), startedAt)
  }
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

function readToken(answer: unknown, startedAt: number): Token {
  if (!isJsonObject(answer)) throw new Error('the token endpoint answered with something else than an object')
  const { access_token: value, token_type: type, expires_in: expires } = answer
  if (typeof value !== 'string' || !/^[\x21-\x7e]{1,65536}$/.test(value))
    throw new Error('the token endpoint gave no access_token')
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer')
    throw new Error('the token endpoint gave a token that is no bearer token')
  const seconds = Number(expires ?? Number.NaN)
  const lifetime = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : DEFAULT_LIFETIME_MS
  // A token that lives shorter than twice the margin is used for half its life.
  const usable = Math.max(lifetime - MARGIN_MS, lifetime / 2)
  return { value, refreshAt: startedAt + usable * 0.8, usableUntil: startedAt + usable }
}

function toFailure(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError('upstream_auth', 'the gateway could not get a token for this server', { cause: error })
}

/** Leaves a shared wait when the caller does; the fetch goes on for the others. */
async function untilAborted<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await shared
  const { promise, reject } = Promise.withResolvers<never>()
  const leave = () => reject(abandoned())
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([shared, promise])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

const abandoned = () => new GatewayError('abandoned', 'the caller went away')
const formEncode = (text: string) => new URLSearchParams({ x: text }).toString().slice(2)
const withoutFragment = (url: string) => url.replace(/#.*$/, '')

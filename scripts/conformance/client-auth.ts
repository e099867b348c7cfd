// The official client's OAuth flow as a fetch, and that fetch as an undici dispatcher: our connector speaks MCP over it as over any other.
import {
  auth,
  ClientCredentialsProvider,
  CrossAppAccessProvider,
  requestJwtAuthorizationGrant,
  extractWWWAuthenticateParams,
  PrivateKeyJwtProvider,
  type CrossAppAccessContext,
  type OAuthClientProvider,
  type OAuthClientInformationMixed,
  type OAuthTokens,
} from '@modelcontextprotocol/client'
import { Dispatcher } from 'undici'

/** What the suite tells a client besides the URL. */
export type ScenarioContext = Readonly<Record<string, string | undefined>>

const REDIRECT_URL = 'http://localhost:3000/callback'
/** A fixed document that the suite's authorization server knows. */
const CLIENT_METADATA_URL = 'https://conformance-test.local/client-metadata.json'
const MAX_STEP_UPS = 2

/** A fetch that signs in when it is told 401, and asks for more scope when it is told 403 `insufficient_scope`. */
export function createAuthFetch(url: string, scenario: string, context: ScenarioContext): typeof fetch {
  const login = new Login()
  const provider = providerFor(scenario, context, login)
  let scope: string | undefined

  const signIn = async (response: Response, stepUp: boolean): Promise<void> => {
    const challenge = extractWWWAuthenticateParams(response)
    const granted = (await provider.tokens())?.scope
    scope = union(scope, challenge.scope, stepUp ? granted : undefined)
    const options = {
      serverUrl: url,
      ...(challenge.resourceMetadataUrl ? { resourceMetadataUrl: challenge.resourceMetadataUrl } : {}),
      ...(scope === undefined ? {} : { scope }),
    }
    const result = await auth(provider, { ...options, forceReauthorization: stepUp })
    if (result === 'AUTHORIZED') return
    const { code, iss } = await login.followed()
    await auth(provider, { ...options, authorizationCode: code, ...(iss === undefined ? {} : { iss }) })
  }

  return async (input, init) => {
    let renewed = false
    for (let stepUps = 0; ;) {
      const headers = new Headers(init?.headers)
      const tokens = await provider.tokens()
      if (tokens) headers.set('authorization', `Bearer ${tokens.access_token}`)
      const response = await fetch(input, { ...init, headers })
      const insufficient = response.status === 403 && extractWWWAuthenticateParams(response).error === 'insufficient_scope'
      if (response.status === 401 && !renewed) renewed = true
      else if (insufficient && stepUps < MAX_STEP_UPS) stepUps += 1
      else return response
      await response.body?.cancel()
      await signIn(response, insufficient)
    }
  }
}

function union(...scopes: readonly (string | undefined)[]): string | undefined {
  const all = new Set(scopes.flatMap((scope) => scope?.split(' ').filter(Boolean) ?? []))
  return all.size === 0 ? undefined : [...all].join(' ')
}

function providerFor(scenario: string, context: ScenarioContext, login: Login): OAuthClientProvider {
  const clientId = context['client_id'] ?? ''
  if (scenario === 'auth/client-credentials-jwt') {
    const algorithm = context['signing_algorithm'] ?? 'ES256'
    // oxlint-disable-next-line typescript/no-deprecated -- the suite names no issuer beforehand, which the replacement asks for
    return new PrivateKeyJwtProvider({ clientId, privateKey: context['private_key_pem'] ?? '', algorithm })
  }
  const clientSecret = context['client_secret'] ?? ''
  // oxlint-disable-next-line typescript/no-deprecated -- the suite names no issuer beforehand, which the replacement asks for
  if (scenario === 'auth/client-credentials-basic') return new ClientCredentialsProvider({ clientId, clientSecret })
  if (scenario === 'auth/enterprise-managed-authorization') {
    const assertion = async (asked: CrossAppAccessContext): Promise<string> => {
      const grant = await requestJwtAuthorizationGrant({
        tokenEndpoint: context['idp_token_endpoint'] ?? '',
        audience: asked.authorizationServerUrl,
        resource: asked.resourceUrl,
        idToken: context['idp_id_token'] ?? '',
        clientId: context['idp_client_id'] ?? '',
      })
      return grant.jwtAuthGrant
    }
    // oxlint-disable-next-line typescript/no-deprecated -- the suite names no issuer beforehand, which the replacement asks for
    return new CrossAppAccessProvider({ clientId, clientSecret, assertion })
  }
  return createBrowserProvider(
    login,
    scenario === 'auth/pre-registration' ? { client_id: clientId, client_secret: clientSecret } : undefined,
  )
}

/** Stands in for the browser: follows the authorization URL once and keeps what the redirect carries. */
class Login {
  #redirect: Promise<string | null> | undefined

  open(url: URL): void {
    this.#redirect = fetch(url, { redirect: 'manual' }).then((response) => response.headers.get('location'))
  }

  async followed(): Promise<{ code: string; iss: string | undefined }> {
    const location = await this.#redirect
    const answer = location ? new URL(location).searchParams : new URLSearchParams()
    const code = answer.get('code')
    if (code === null) throw new Error('the authorization server sent no code')
    return { code, iss: answer.get('iss') ?? undefined }
  }
}

function createBrowserProvider(login: Login, registered: OAuthClientInformationMixed | undefined): OAuthClientProvider {
  const clients = new Map<string, OAuthClientInformationMixed>()
  let tokens: OAuthTokens | undefined
  let verifier = ''
  return {
    redirectUrl: REDIRECT_URL,
    clientMetadataUrl: CLIENT_METADATA_URL,
    clientMetadata: {
      client_name: 'tollgate-conformance',
      redirect_uris: [REDIRECT_URL],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
    // A client is registered with one authorization server; another one has never heard of it.
    clientInformation: (asked) => registered ?? clients.get(asked?.issuer ?? ''),
    saveClientInformation: (information, asked) => void clients.set(asked?.issuer ?? '', information),
    tokens: () => tokens,
    saveTokens: (fresh) => void (tokens = fresh),
    redirectToAuthorization: (url) => login.open(url),
    saveCodeVerifier: (text) => void (verifier = text),
    codeVerifier: () => verifier,
    invalidateCredentials: (scope) => {
      if (scope === 'all' || scope === 'client') clients.clear()
      if (scope === 'all' || scope === 'tokens') tokens = undefined
    },
  }
}

/** Dispatches to a fetch. Only what the connector uses is there: text bodies, abort, and answers as they stream in. */
export class FetchDispatcher extends Dispatcher {
  readonly #origin: string
  readonly #fetch: typeof fetch

  constructor(origin: string, through: typeof fetch) {
    super()
    this.#origin = origin
    this.#fetch = through
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const aborter = new AbortController()
    const controller: Dispatcher.DispatchController = {
      aborted: false,
      paused: false,
      reason: null,
      abort: (reason) => aborter.abort(reason),
      pause: () => undefined,
      resume: () => undefined,
    }
    handler.onRequestStart?.(controller, {})
    this.#run(options, handler, { controller, signal: aborter.signal }).catch((error: unknown) => {
      handler.onResponseError?.(controller, error instanceof Error ? error : new Error(String(error)))
    })
    return true
  }

  override async destroy(): Promise<void> {}

  async #run(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    { controller, signal }: { controller: Dispatcher.DispatchController; signal: AbortSignal },
  ): Promise<void> {
    const headers = new Headers()
    const flat = Array.isArray(options.headers) ? options.headers : []
    for (let index = 0; index + 1 < flat.length; index += 2) headers.set(String(flat[index]), String(flat[index + 1]))
    const body = typeof options.body === 'string' ? { body: options.body } : {}
    const response = await this.#fetch(this.#origin + options.path, {
      method: options.method,
      headers,
      signal,
      redirect: 'manual',
      ...body,
    })
    handler.onResponseStart?.(controller, response.status, Object.fromEntries(response.headers))
    // `as`: the body of a fetch is a stream of bytes, untyped in its iterator
    for await (const chunk of response.body ?? []) handler.onResponseData?.(controller, Buffer.from(chunk as Uint8Array))
    handler.onResponseEnd?.(controller, {})
  }
}

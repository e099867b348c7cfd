import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { OAuthClientProvider } from '@modelcontextprotocol/client'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

/** How an OpenID provider for tests is set up. */
export interface OpenidProviderOptions {
  /** The resources (RFC 8707) tokens may be issued for, or a rule for them. */
  readonly resources: readonly string[] | ((resource: string) => boolean)
  /** Claims added to every access token, for instance the team. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Who signs in, without being asked. */
  readonly accountId?: string
  /** Scopes the resources know. */
  readonly scopes?: readonly string[]
  readonly accessTokenSeconds?: number
}

/** A real OpenID provider in this process: discovery, dynamic registration, PKCE, JWT access tokens (RFC 9068). */
export interface OpenidProvider extends AsyncDisposable {
  readonly issuer: string
  /** What went wrong inside it, for the message of a failing test. */
  readonly errors: string[]
}

/** Starts a provider on a free port of the loopback address. Signing in and consent happen by themselves. */
export async function startOpenidProvider(options: OpenidProviderOptions): Promise<OpenidProvider> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      errors.push(String(error))
      if (!response.headersSent) response.writeHead(500)
      response.end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const errors: string[] = []
  const provider = new Provider(issuer, await configurationFor(options))
  for (const event of ['server_error', 'grant.error', 'authorization.error', 'registration_create.error']) {
    provider.on(event, (_context, error) => errors.push(`${event}: ${String(error)}`))
  }
  const serve = provider.callback()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith('/interaction/') !== true) return await serve(request, response)
    const details = await provider.interactionDetails(request, response)
    const result = await resultOf(details)
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true })
  }

  async function resultOf({ prompt, params, session }: Awaited<ReturnType<Provider['interactionDetails']>>): Promise<object> {
    if (prompt.name === 'login') return { login: { accountId: options.accountId ?? 'alice' } }
    const grant = new provider.Grant({ accountId: session?.accountId ?? '', clientId: params.client_id })
    grant.addOIDCScope(params.scope ?? 'openid')
    for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, scopesOf(options))
    return { consent: { grantId: await grant.save() } }
  }

  return {
    issuer,
    errors,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
}

const scopesOf = (options: OpenidProviderOptions) => (options.scopes ?? ['mcp:tools']).join(' ')

async function configurationFor(options: OpenidProviderOptions): Promise<object> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const signingKey = { ...(await exportJWK(privateKey)), kid: 'provider-1', alg: 'ES256', use: 'sig' }
  const { resources } = options
  const isKnown = typeof resources === 'function' ? resources : (resource: string) => resources.includes(resource)
  return {
    jwks: { keys: [signingKey] },
    cookies: { keys: ['only for tests'] },
    scopes: ['openid', 'offline_access', ...(options.scopes ?? ['mcp:tools'])],
    // Public clients and ES256 alone, so that one key is enough.
    clientDefaults: { id_token_signed_response_alg: 'ES256', token_endpoint_auth_method: 'none' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    extraTokenClaims: () => options.claims ?? {},
    interactions: { url: (_context: unknown, interaction: { readonly uid: string }) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    ttl: { AccessToken: options.accessTokenSeconds ?? 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo(_context: unknown, resource: string) {
          if (!isKnown(resource)) throw new Error(`unknown resource ${resource}`)
          return {
            scope: scopesOf(options),
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: options.accessTokenSeconds ?? 600,
            jwt: { sign: { alg: 'ES256' } },
          }
        },
      },
    },
  }
}

/** The client side of signing in, with a user agent that follows redirects by itself and keeps cookies. */
export interface SignIn {
  /** For the transport of an SDK client. */
  readonly provider: OAuthClientProvider
  /** The query of the redirect back to the client, for `finishAuth`; undefined until a redirect was asked for. */
  callback(): URLSearchParams | undefined
}

/** A client that registers itself and signs in without a human. */
export function createSignIn(): SignIn {
  const redirectUrl = 'http://127.0.0.1:1/callback'
  const kept: { client?: object; tokens?: object; verifier?: string; discovery?: object; callback?: URLSearchParams } = {}
  const provider = {
    redirectUrl,
    clientMetadata: {
      client_name: 'Tollgate test',
      redirect_uris: [redirectUrl],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    },
    clientInformation: () => kept.client,
    saveClientInformation: (client: object) => void (kept.client = client),
    tokens: () => kept.tokens,
    saveTokens: (tokens: object) => void (kept.tokens = tokens),
    saveCodeVerifier: (verifier: string) => void (kept.verifier = verifier),
    codeVerifier: () => kept.verifier ?? '',
    discoveryState: () => kept.discovery,
    saveDiscoveryState: (state: object) => void (kept.discovery = state),
    async redirectToAuthorization(url: URL) {
      kept.callback = (await followRedirects(url, redirectUrl)).searchParams
    },
  }
  // The SDK's stored shapes are opaque here: what it saved is what it gets back.
  return { provider: provider as unknown as OAuthClientProvider, callback: () => kept.callback }
}

/** Walks from the authorization endpoint to the redirect back, as a browser does. */
async function followRedirects(from: URL, until: string): Promise<URL> {
  const cookies = new Map<string, string>()
  let url = from
  for (let step = 0; step < 10; step++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s)
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location === null)
      throw new Error(`signing in ended at ${url.pathname} with ${response.status}: ${await response.text()}`)
    url = new URL(location, url)
    if (url.href.startsWith(until)) return url
  }
  throw new Error('signing in never came back')
}

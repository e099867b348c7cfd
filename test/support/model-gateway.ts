import { startFakeProviders } from './fake-providers.ts'
import { gatewayFile, startTestGateway, type TestGateway } from './gateway.ts'

type Fakes = Awaited<ReturnType<typeof startFakeProviders>>

/** A gateway with models, the fake providers behind it, and a caller's token. */
export interface ModelGateway extends AsyncDisposable {
  readonly gateway: TestGateway
  readonly fakes: Fakes
  readonly url: string
  readonly token: string
  /** Posts JSON to a model door. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** Entries of the ledger, oldest first. */
  entries(): Promise<readonly LedgerEntry[]>
}

type LedgerEntry = Readonly<Record<string, unknown>>

/** Parts of the admin's files to lay over the usual ones. */
export interface ModelGatewayOptions {
  readonly file?: Readonly<Record<string, unknown>>
  readonly routes?: Readonly<Record<string, unknown>>
  readonly catalog?: Readonly<Record<string, unknown>>
  readonly prices?: unknown
  readonly env?: Readonly<Record<string, string>>
}

const KEYS = {
  FAKE_KEY: 'sk-fake-0123456789',
  AWS_ID: 'AKIDEXAMPLE',
  AWS_SECRET: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
}

/** One provider of every type, all at the same fakes. */
export function fakeProviderFile(url: string): Record<string, unknown> {
  const key = 'env:FAKE_KEY'
  return {
    openai: { type: 'openai', baseUrl: `${url}/v1`, key },
    anthropic: { type: 'anthropic', baseUrl: `${url}/v1`, key },
    gemini: { type: 'gemini', baseUrl: `${url}/v1beta`, key },
    vertex: { type: 'vertex', project: 'p', location: 'europe-west1', baseUrl: url, credentials: { type: 'token', token: key } },
    bedrock: {
      type: 'bedrock',
      region: 'eu-central-1',
      baseUrl: url,
      credentials: { type: 'static', accessKeyId: 'env:AWS_ID', secretAccessKey: 'env:AWS_SECRET' },
    },
    azure: { type: 'azure', baseUrl: url, credentials: { type: 'key', key } },
    compatible: { type: 'openai_compatible', baseUrl: `${url}/v1`, key },
  }
}

const MODEL_OF: Readonly<Record<string, string>> = {
  openai: 'fake',
  anthropic: 'fake-claude',
  gemini: 'gemini-2.5-flash',
  vertex: 'gemini-2.5-flash',
  bedrock: 'amazon.nova-lite-v1:0',
  azure: 'fake',
  compatible: 'fake',
}

/** Starts all of it: a route per provider, named like it, granted to team `research`. */
export async function startModelGateway(options: ModelGatewayOptions = {}): Promise<ModelGateway> {
  const fakes = await startFakeProviders()
  const providers = fakeProviderFile(fakes.url)
  const routes: Record<string, unknown> = {
    ...Object.fromEntries(Object.keys(providers).map((id) => [id, { targets: [{ provider: id, model: MODEL_OF[id] }] }])),
    ...options.routes,
  }
  const gateway = await startTestGateway(
    {
      'tollgate.json': gatewayFile({
        providers,
        routes,
        ...(options.prices === undefined ? {} : { prices: ['own.json'] }),
        ...options.file,
      }),
      ...(options.prices === undefined ? {} : { 'own.json': options.prices }),
      'catalogs/research.json': {
        title: 'Research',
        for: { teams: ['research'] },
        models: Object.keys(routes).map((route) => ({ route })),
        ...options.catalog,
      },
    },
    { ...KEYS, ...options.env },
  )
  const token = await gateway.token('research')
  return {
    gateway,
    fakes,
    url: gateway.url,
    token,
    post: (path, body, headers = {}) =>
      fetch(gateway.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async entries() {
      const admin = await gateway.token('research', { roles: ['admin'], subject: 'admin' })
      const answer = await fetch(`${gateway.adminUrl}/admin/v1/entries?limit=1000`, {
        headers: { authorization: `Bearer ${admin}` },
      })
      const { entries } = (await answer.json()) as { entries: LedgerEntry[] }
      return entries.toReversed()
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await fakes[Symbol.asyncDispose]()
    },
  }
}

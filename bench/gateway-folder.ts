import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/** What a gateway under measurement stands before. */
export interface Upstreams {
  /** URL of an MCP server. */
  readonly mcp?: string
  /** Base URL of a mock of the Chat Completions wire, with its version path. */
  readonly model?: string
  /** Threads that serve; by default one. */
  readonly workers?: number
}

/** Enough for any load a bench makes; every check still runs. */
const BOUNDS = {
  sessionsPerPrincipal: 20_000,
  sessions: 100_000,
  connections: 100_000,
  connectionsPerAddress: 100_000,
  inFlight: 100_000,
}
const LIMITS = { callsPerMinute: 1_000_000, concurrent: 50_000 }
const MODEL_LIMITS = { ...LIMITS, tokensPerMinute: 1_000_000_000 }

const CLOCKS = { firstTokenMs: 3_600_000, idleMs: 3_600_000, totalMs: 3_600_000 }

/** Writes the folder of a gateway with a token to verify, a catalog, limits and the ledger. Returns a token its callers need. */
export async function writeGatewayFolder(folder: string, port: number, upstreams: Upstreams): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const key = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' }
  const issuer = { issuer: 'https://bench.test', audience: ['bench'], jwks: { keys: [key] } }
  const { mcp, model, workers = 1 } = upstreams
  write(folder, 'tollgate.json', {
    data: { port },
    admin: { port: 0 },
    health: { port: 0 },
    workers,
    identity: { issuers: [issuer] },
    bounds: BOUNDS,
    ...(model === undefined ? {} : { providers: { mock: { type: 'openai_compatible', baseUrl: model, connections: 10_000 } } }),
    ...(model === undefined ? {} : { routes: { 'mock*': { targets: [{ provider: 'mock', model: 'mock*' }], clocks: CLOCKS } } }),
  })
  if (mcp !== undefined) write(folder, 'servers/mock.json', { type: 'http', url: mcp })
  write(folder, 'catalogs/bench.json', {
    title: 'Bench',
    for: { teams: ['bench'] },
    ...(mcp === undefined ? {} : { tools: [{ server: 'mock', allow: ['*'] }] }),
    ...(model === undefined ? {} : { models: [{ route: 'mock*' }] }),
    limits: model === undefined ? LIMITS : MODEL_LIMITS,
  })
  return await new SignJWT({ team: 'bench' })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
    .setIssuer(issuer.issuer)
    .setAudience('bench')
    .setSubject('driver')
    .setExpirationTime('12h')
    .sign(privateKey)
}

function write(folder: string, path: string, value: unknown): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), JSON.stringify(value, undefined, 2))
}

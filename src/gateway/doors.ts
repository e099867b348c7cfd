import { resolve } from 'node:path'
import { createAdminApp, type AdminDeps } from '../admin/app.ts'
import type { Gateway } from '../config/gateway.ts'
import type { Report } from '../core/events.ts'
import { createAccess } from '../edge/access.ts'
import { createApp } from '../edge/app.ts'
import { createDoor, type DoorDeps } from '../edge/door.ts'
import { createFailedSignIns } from '../edge/failed-sign-ins.ts'
import { createHealthHandler, type HealthCheck } from '../edge/health.ts'
import { listen, type Listener, type ListenOptions } from '../edge/listener.ts'
import { originRules } from '../edge/origin.ts'
import type { Authenticator } from '../identity/authenticate.ts'
import { uuidv7 } from '../lib/id.ts'
import { startTrace } from '../lib/trace-context.ts'
import type { LlmFacet } from '../llm/contract.ts'
import { toDialectError } from '../llm/errors.ts'
import { dialectOf } from '../llm/request.ts'
import type { McpFacet } from '../mcp/contract.ts'
import { errorBody, toWireError } from '../mcp/errors.ts'
import type { RegistryVisit } from './registry-side.ts'

/** What the listeners borrow. */
export interface DoorsDeps {
  readonly folder: string
  readonly config: Gateway
  /** The issuers in force now; a reload may change them. */
  issuers(): Gateway['identity']['issuers']
  readonly authenticator: Authenticator
  readonly facet: McpFacet
  readonly models: LlmFacet
  readonly report: Report
  readonly draining: () => boolean
  registry(visit: RegistryVisit): unknown
  checks(): readonly HealthCheck[]
  readonly admin: (adminUrl: string) => AdminDeps
  /** Whether other workers listen on the data port too. */
  readonly sharing?: ListenOptions['sharing']
}

/** What the data listener alone borrows. */
type DataDeps = Omit<DoorsDeps, 'checks' | 'admin'>

/** The three listeners, bound. */
export interface Doors {
  readonly data: Listener
  readonly admin: Listener
  readonly health: Listener
  readonly publicUrl: string
  inFlight(): number
}

const LOOPBACK = /^(127\.|::1$|localhost$)/

/** Binds health first, so that it tells the truth while the rest comes up; then data, then admin. Nothing stays bound when one cannot be. */
export async function openDoors(deps: DoorsDeps): Promise<Doors> {
  const bound: Listener[] = []
  try {
    return await bindAll(deps, bound)
  } catch (error) {
    for (const listener of bound) void listener.drain()
    throw error
  }
}

async function bindAll(deps: DoorsDeps, bound: Listener[]): Promise<Doors> {
  const { config, folder } = deps
  const answerHealth = createHealthHandler(deps.checks)
  const health = await listen(quiet('health', { ...config.health }, config), (request, response) => {
    if (!answerHealth(request, response)) response.writeHead(404).end()
  })
  bound.push(health)
  const data = await openData(deps)
  bound.push(data.listener)
  const adminOptions = quiet('admin', { ...config.admin, tls: paths(folder, config.admin.tls) }, config)
  const app = createAdminApp(deps.admin(urlOf(adminOptions)))
  const admin = await listen(adminOptions, (request, response) => {
    if (!answerHealth(request, response)) app(request, response)
  })
  return { data: data.listener, admin, health, publicUrl: data.publicUrl, inFlight: data.inFlight }
}

/** Binds the data listener with its door. */
export async function openData(deps: DataDeps): Promise<{ listener: Listener; publicUrl: string; inFlight(): number }> {
  const { config, folder } = deps
  const { bounds, data, telemetry } = config
  const options: ListenOptions = {
    name: 'data',
    host: data.host,
    port: data.port,
    tls: paths(folder, data.tls),
    headerBytes: bounds.headerBytes,
    headersMs: bounds.headersMs,
    requestMs: Math.max(bounds.headersMs, bounds.bodyMs) + 1_000,
    connections: bounds.connections,
    connectionsPerAddress: bounds.connectionsPerAddress,
    ...(deps.sharing === undefined ? {} : { sharing: deps.sharing }),
  }
  // The port is known once bound, and the public URL may follow from it: the door is filled in right after.
  const late: { door?: ReturnType<typeof createDoor> } = {}
  const listener = await listen(options, (request, response) => {
    if (late.door === undefined) response.writeHead(503, { 'retry-after': '1' }).end()
    else late.door.listener(request, response)
  })
  const publicUrl = (config.publicUrl ?? listener.url).replace(/\/$/, '')
  const door = createDoor(doorDeps(deps, publicUrl, telemetry.otlp?.sampleRatio ?? 0))
  late.door = door
  return { listener, publicUrl, inFlight: () => door.inFlight() }
}

function doorDeps(deps: DataDeps, publicUrl: string, sampleRatio: number): DoorDeps {
  const { config, authenticator, report } = deps
  const rules = originRules({
    publicUrl,
    hosts: config.data.hosts,
    origins: config.data.origins,
    loopback: LOOPBACK.test(config.data.host),
  })
  const access = createAccess({
    publicUrl,
    title: 'Tollgate',
    authenticate: (presented, resource, options) => authenticator.authenticate(presented, resource, options),
    holds: (identity) => authenticator.holds(identity),
    failedSignIns: createFailedSignIns({ perSecond: config.bounds.failedSignInsPerSecond, now: () => performance.now() }),
    issuers: () => deps.issuers().map(({ issuer }) => issuer),
    scopes: () => [...new Set(deps.issuers().flatMap(({ requiredScopes }) => requiredScopes))],
  })
  const app = createApp({
    resourceMetadata: (endpoint) => access.resourceMetadata(endpoint),
    authenticate: (request) => access.authenticate(request, '/mcp'),
    registry: deps.registry,
    challenge: (error) => access.challenge('/mcp', error),
  })
  return {
    bounds: config.bounds,
    rules: () => rules,
    draining: deps.draining,
    recall: (request, target) => access.recall(request, target.path),
    authenticate: (request, target) => access.authenticate(request, target.path),
    challenge: (target, error) => access.challenge(target.path, error),
    ...facetDoors(deps),
    app,
    startTrace: (request) => startTrace(request.headers, undefined, sampleRatio),
    newId: uuidv7,
    now: () => Date.now(),
    monotonic: () => performance.now(),
    report,
  }
}

/** How requests reach the facets, and how early failures are told in their words. */
function facetDoors({ facet, models }: DataDeps): Pick<DoorDeps, 'mcp' | 'llm' | 'errorBody'> {
  return {
    mcp: ({ request, identity, body, exchangeId, trace, at, startedAt }, catalog, responder) =>
      facet.handle(
        {
          httpMethod: request.method as 'POST' | 'GET' | 'DELETE', // the door lets no other through
          headers: request.headers,
          identity,
          exchangeId,
          trace,
          receivedAt: at,
          startedAt,
          body,
          catalog,
        },
        responder,
      ),
    llm: ({ request, target, identity, body, exchangeId, trace, at, startedAt }, responder) =>
      models.handle(
        {
          httpMethod: request.method === 'POST' ? 'POST' : 'GET',
          path: target.path,
          headers: request.headers,
          identity,
          exchangeId,
          trace,
          receivedAt: at,
          startedAt,
          body,
        },
        responder,
      ),
    errorBody: (error, { path, request, exchangeId }) => {
      if (!path.startsWith('/v1/')) return errorBody(undefined, toWireError(error, 'modern', 'envelope', '').error)
      const dialect = dialectOf(path, request.headers)
      return JSON.stringify(dialect.errorBody(toDialectError(error, dialect.name), exchangeId))
    },
  }
}

function quiet(
  name: string,
  where: { host: string; port: number; tls?: ListenOptions['tls'] },
  { bounds }: Gateway,
): ListenOptions {
  const { headerBytes, headersMs, bodyMs } = bounds
  return { name, ...where, headerBytes, headersMs, requestMs: headersMs + bodyMs, connections: 256, connectionsPerAddress: 256 }
}

function paths(folder: string, tls: Gateway['data']['tls']): ListenOptions['tls'] {
  if (tls === undefined) return undefined
  return {
    cert: resolve(folder, tls.cert),
    key: resolve(folder, tls.key),
    ...(tls.clientCa === undefined ? {} : { clientCa: resolve(folder, tls.clientCa) }),
  }
}

function urlOf({ tls, host, port }: ListenOptions): string {
  return `${tls === undefined ? 'http' : 'https'}://${host}:${port}`
}

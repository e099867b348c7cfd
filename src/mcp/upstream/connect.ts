import type { Dispatcher } from 'undici'
import type { UpstreamCredential } from '../../credentials/credential.ts'
import type { HttpServer, Server, SseServer, StdioServer } from '../../config/server.ts'
import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Era } from '../../core/snapshot.ts'
import { EgressError, type Egress } from '../../lib/egress.ts'
import { answersServerRequests, toRelayedCapabilities } from './capabilities.ts'
import type { Caller, Connection } from './contract.ts'
import { createHttpConnector, type HttpConnector } from './era.ts'
import { createEndpoint, type Endpoint } from './http-endpoint.ts'
import type { PoolKey } from './pool.ts'
import { connectSse } from './sse-connection.ts'
import type { EraVerdict } from './stdio-connection.ts'

/** The key of the connection everybody shares; also the one the gateway asks for lists. */
export const SHARED: PoolKey = { principal: '', capabilities: {} }

/** Opens connections to one server, whatever its transport. */
export interface Connect {
  /** `legacy` asks for a session at a server that is stateless otherwise; one that keeps none gives its usual connection. */
  open(capabilities: JsonObject, era?: 'legacy'): Promise<Connection>
  /** Whether a stateless server may keep legacy sessions too; false once it was found not to. */
  readonly mayKeepSessions: boolean
  /** True once the server is known to keep nothing between requests: every caller can use the one connection. */
  readonly stateless: boolean
  /** See HttpConnector. */
  doubt(): boolean
  close(): Promise<void>
}

/** What a child is started with besides its file. */
export interface ChildWishes {
  /** Declared to a legacy server. */
  readonly capabilities: JsonObject
  /** What earlier children of this server told about its era. */
  readonly verdict: EraVerdict
}

/** What opening borrows; part of UpstreamDeps. */
export interface ConnectDeps {
  readonly credential?: UpstreamCredential | undefined
  readonly egress: Pick<Egress, 'dispatcher'>
  readonly connectStdio: (config: StdioServer, wishes: ChildWishes) => Promise<Connection>
  readonly monotonic: () => number
  readonly clientInfo: JsonObject
}

/**
 * Declared to a child that several principals share: a question is put to a caller only when it is certain whose it is. Roots are not
 * declared, since one caller's roots would become everybody's.
 */
const SHARED_CHILD_CAPABILITIES: JsonObject = { elicitation: { form: {}, url: {} }, sampling: {} }

/** Makes the opener for one server. */
export function createConnect(id: string, config: Server, deps: ConnectDeps): Connect {
  if (config.type === 'http') return createHttpConnect(id, config, deps)
  if (config.type === 'sse') return createSseConnect(id, config, deps)
  return createChildConnect(config, deps)
}

function createChildConnect(config: StdioServer, deps: ConnectDeps): Connect {
  let era: Era | undefined
  const verdict: EraVerdict = { get: () => era, set: (found) => void (era = found) }
  return {
    open: (capabilities) => {
      const shared = Object.keys(capabilities).length === 0
      return deps.connectStdio(config, { capabilities: shared ? SHARED_CHILD_CAPABILITIES : capabilities, verdict })
    },
    stateless: false,
    mayKeepSessions: false,
    doubt: () => false,
    close: async () => undefined,
  }
}

function createSseConnect(id: string, config: SseServer, deps: ConnectDeps): Connect {
  let dispatcher: Dispatcher | undefined
  return {
    async open(capabilities) {
      dispatcher ??= dispatcherFor(id, config, deps)
      return await openSse(id, config, { deps, dispatcher, capabilities })
    },
    stateless: false,
    mayKeepSessions: false,
    doubt: () => false,
    close: async () => await dispatcher?.destroy(),
  }
}

function createHttpConnect(id: string, config: HttpServer, deps: ConnectDeps): Connect {
  // The pool is made when first needed: a URL that is not allowed then fails like a server that is down.
  let made: { readonly endpoint: Endpoint; readonly connector: HttpConnector } | undefined
  let stateless = false
  let mayKeepSessions = config.era === 'auto'
  const make = (): { readonly endpoint: Endpoint; readonly connector: HttpConnector } => {
    const { url, headers, timeouts, bounds } = config
    const dispatcher = dispatcherFor(id, config, deps)
    const endpoint = createEndpoint({ server: id, url, headers, credential: deps.credential, dispatcher })
    const http = { endpoint, clientInfo: deps.clientInfo, timeouts, bounds, now: deps.monotonic }
    const fallback = (capabilities: JsonObject): Promise<Connection> => openSse(id, config, { deps, dispatcher, capabilities })
    return { endpoint, connector: createHttpConnector({ config, http, connectSse: fallback }) }
  }
  return {
    async open(capabilities, era) {
      made ??= make()
      const session = era === 'legacy' ? await made.connector.connectLegacy(capabilities) : undefined
      if (session !== undefined) return session
      if (era === 'legacy') mayKeepSessions = false
      const connection = await made.connector.connect(capabilities)
      stateless = connection.facts.era === 'modern'
      return connection
    },
    get stateless() {
      return stateless
    },
    get mayKeepSessions() {
      return mayKeepSessions
    },
    doubt() {
      const doubted = made?.connector.doubt() ?? false
      if (doubted) {
        stateless = false
        mayKeepSessions = config.era === 'auto'
      }
      return doubted
    },
    async close() {
      await made?.endpoint.close()
    },
  }
}

interface SseOpening {
  readonly deps: ConnectDeps
  readonly dispatcher: Dispatcher
  readonly capabilities: JsonObject
}

async function openSse(
  id: string,
  config: HttpServer | SseServer,
  { deps, dispatcher, capabilities }: SseOpening,
): Promise<Connection> {
  const { credential, monotonic: now, clientInfo } = deps
  return await connectSse(config, {
    id,
    dispatcher,
    credential,
    now,
    clientInfo,
    capabilities: toRelayedCapabilities(capabilities),
  })
}

/** A pool to the server's own origin; the credential goes nowhere else. A URL that must not be reached is a server that cannot be reached. */
function dispatcherFor(id: string, config: HttpServer | SseServer, { credential, egress }: ConnectDeps): Dispatcher {
  if (credential && credential.origin !== new URL(config.url).origin) {
    throw new GatewayError('upstream_auth', `the credential of server "${id}" belongs to another origin`)
  }
  try {
    return egress.dispatcher(config.url, { literalAllowed: true, connectTimeoutMs: config.timeouts.connectMs })
  } catch (cause) {
    if (!(cause instanceof EgressError)) throw cause
    throw new GatewayError('upstream_unavailable', `server "${id}" cannot be reached: ${cause.message}`, { cause })
  }
}

/**
 * Whose connection a call uses. Stateless servers and shared ones have one for all; a principal gets its own when the operator says so,
 * or when its client answers questions, so that nobody's questions reach anybody else. A legacy caller of a server that speaks both eras
 * gets a legacy session there: what sessions have and the modern era has not (log levels, resumable streams) then needs no bridge.
 */
export function poolKeyOf(config: Server, connect: Connect, caller: Pick<Caller, 'key' | 'capabilities' | 'era'>): PoolKey {
  if (!connect.stateless) return sessionKeyOf(config, caller)
  return caller.era === 'legacy' && connect.mayKeepSessions ? { ...sessionKeyOf(config, caller), era: 'legacy' } : SHARED
}

function sessionKeyOf(config: Server, caller: Pick<Caller, 'key' | 'capabilities'>): PoolKey {
  if (config.sharing === 'shared') return SHARED
  const interactive = config.type !== 'stdio' && answersServerRequests(caller.capabilities)
  if (config.sharing === 'auto' && !interactive) return SHARED
  return { principal: caller.key, capabilities: toRelayedCapabilities(caller.capabilities) }
}

import type { HttpServer } from '../../config/server.ts'
import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { toRelayedCapabilities } from './capabilities.ts'
import type { Connection, JsonRpcError, ServerFacts } from './contract.ts'
import type { HttpOptions } from './http-calls.ts'
import { LegacyConnection, NoInitializeError } from './http-legacy.ts'
import { discover, ModernConnection } from './http-modern.ts'
import { LEGACY_VERSIONS, MODERN_VERSION } from './rpc-envelope.ts'
import type { Outcome } from './rpc-peer.ts'

/** Which way of speaking an upstream was found to understand. */
type Verdict = 'modern' | 'legacy' | 'sse'

/** Opens connections to one HTTP upstream in the era it speaks. */
export interface HttpConnector {
  /** Capabilities are declared to a legacy server for the whole session; a modern connection has none of its own. */
  connect(capabilities: JsonObject): Promise<Connection>
  /** A legacy session at a server that also speaks the modern era; undefined when it keeps none. */
  connectLegacy(capabilities: JsonObject): Promise<Connection | undefined>
  /** The server answered in a way its era does not explain: the next connection asks it again (not more often than every half minute). */
  doubt(): boolean
}

/** What the connector borrows. */
export interface ConnectorOptions {
  readonly config: HttpServer
  readonly http: HttpOptions
  /** The fallback for servers that only know HTTP+SSE (2024-11-05). */
  readonly connectSse: (capabilities: JsonObject) => Promise<Connection>
}

const DAY_MS = 86_400_000
const DOUBT_MS = 30_000
// Errors only a modern server knows; its `supported` says which versions it has.
const MODERN_ERRORS: readonly number[] = [-32_020, -32_021, -32_022]

/**
 * Detects the era as mcp-protocol.md 5.2 asks: `server/discover` first; modern evidence is a discovery answer or one of three error
 * codes, any other answer means legacy. Answers about credentials, load or faults, and silence, are no evidence and reject.
 */
export function createHttpConnector({ config, http, connectSse }: ConnectorOptions): HttpConnector {
  let verdict: { readonly kind: Verdict; readonly at: number } | undefined

  const settle = (kind: Verdict): void => void (verdict = { kind, at: http.now() })
  const known = (): Verdict | undefined => {
    if (config.era === 'modern') return 'modern'
    if (verdict === undefined || http.now() - verdict.at > DAY_MS) return config.era === 'legacy' ? 'legacy' : undefined
    return verdict.kind
  }

  const openLegacy = async (capabilities: JsonObject): Promise<Connection> => {
    try {
      const connection = await LegacyConnection.open(http, toRelayedCapabilities(capabilities))
      if (verdict?.kind !== 'legacy') settle('legacy')
      return connection
    } catch (error) {
      if (!(error instanceof NoInitializeError)) throw error
      const connection = await connectSse(capabilities)
      settle('sse')
      return connection
    }
  }

  const openModern = async (): Promise<Connection | 'legacy'> => {
    const first = await discover(http)
    // A server that knows our version but not our request in its own way gets it once more: its capabilities are in the answer.
    const facts = toVerdict(
      http.endpoint.server,
      first.kind === 'error' && isModernError(first.error) ? await discover(http) : first,
    )
    if (facts === 'legacy') {
      if (config.era === 'modern')
        throw new GatewayError('upstream_invalid', `server "${http.endpoint.server}" does not speak ${MODERN_VERSION}`)
      return 'legacy'
    }
    settle('modern')
    return new ModernConnection(facts, http)
  }

  return {
    async connect(capabilities) {
      const era = known()
      if (era === 'sse') return await connectSse(capabilities)
      if (era === 'legacy') return await openLegacy(capabilities)
      const connection = await openModern()
      return connection === 'legacy' ? await openLegacy(capabilities) : connection
    },
    connectLegacy: (capabilities) => openSession(http, capabilities),
    doubt() {
      if (config.era !== 'auto' || verdict === undefined || http.now() - verdict.at < DOUBT_MS) return false
      verdict = undefined
      return true
    },
  }
}

/** A legacy session, when the server opens one that lasts: without a session id it could not ask the caller anything. */
async function openSession(http: HttpOptions, capabilities: JsonObject): Promise<Connection | undefined> {
  try {
    const connection = await LegacyConnection.open(http, toRelayedCapabilities(capabilities))
    if (connection.hasSession) return connection
    await connection.close()
    return undefined
  } catch (error) {
    const refused = error instanceof NoInitializeError || (error instanceof GatewayError && error.code === 'upstream_invalid')
    if (refused) return undefined
    throw error
  }
}

/** What the answer to `server/discover` says; throws what is no evidence. */
function toVerdict(server: string, outcome: Outcome): ServerFacts | 'legacy' {
  if (outcome.kind === 'result') return toFacts(server, outcome.result)
  if (outcome.kind === 'error')
    return isModernError(outcome.error) ? { era: 'modern', protocolVersion: MODERN_VERSION, capabilities: {} } : 'legacy'
  // An answer that is no JSON-RPC response at all is an answer: 404 and 405 pages, session errors, HTML.
  if (outcome.error.code === 'upstream_invalid') return 'legacy'
  throw outcome.error
}

function isModernError({ code, data }: JsonRpcError): boolean {
  const supported = isJsonObject(data) ? data['supported'] : undefined
  return MODERN_ERRORS.includes(code) && (!Array.isArray(supported) || supported.includes(MODERN_VERSION))
}

function toFacts(server: string, result: JsonObject): ServerFacts | 'legacy' {
  const { supportedVersions, capabilities, instructions } = result
  if (!Array.isArray(supportedVersions) || !supportedVersions.includes(MODERN_VERSION)) {
    const legacy =
      Array.isArray(supportedVersions) && supportedVersions.some((version) => LEGACY_VERSIONS.includes(String(version)))
    if (!legacy && Array.isArray(supportedVersions))
      throw new GatewayError('upstream_invalid', `server "${server}" supports no protocol version known here`)
    return 'legacy'
  }
  const meta = isJsonObject(result['_meta']) ? result['_meta'] : {}
  const serverInfo = meta['io.modelcontextprotocol/serverInfo']
  return {
    era: 'modern',
    protocolVersion: MODERN_VERSION,
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    ...(isJsonObject(serverInfo) ? { serverInfo } : {}),
    ...(typeof instructions === 'string' ? { instructions } : {}),
  }
}

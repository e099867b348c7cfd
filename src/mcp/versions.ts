import type { Era } from '../core/snapshot.ts'

/** The stateless revision we speak. */
export const MODERN_VERSION = '2026-07-28'

/** Revisions with an `initialize` handshake we speak over Streamable HTTP, newest first. */
const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26'] as const

/** What we answer to a client that asks for a revision we do not know. */
export const LATEST_LEGACY_VERSION = LEGACY_VERSIONS[0]

/** The last revision that had JSON-RPC batches. */
export const BATCH_VERSION = '2025-03-26'

/** The first revision in which a stream opens with an event that only carries an id, so that it may be cut and resumed. */
export const POLLING_VERSION = '2025-11-25'

/** Everything `server/discover` lists. */
export const SUPPORTED_VERSIONS: readonly string[] = [MODERN_VERSION, ...LEGACY_VERSIONS]

/** The era of a revision, or undefined when we do not know it. Versions are opaque: membership, never order. */
export function eraOf(version: string): Era | undefined {
  if (version === MODERN_VERSION) return 'modern'
  return SUPPORTED_VERSIONS.includes(version) ? 'legacy' : undefined
}

/** Envelope keys of `_meta` (2026-07-28). */
export const META = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  shortened: 'dev.tollgate/shortened',
} as const

/** Log levels of RFC 5424, least first. */
export const LOG_LEVELS: readonly string[] = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

// The caller's catalogs as a read-only MCP registry (API v0.1; field names as in the OpenAPI file of modelcontextprotocol/registry).
// One catalog is one server with one version, which names the digest of everything a client of it can see.
import { GatewayError } from '../core/errors.ts'

/** What the registry says about one catalog of the caller. */
export interface RegistryCatalog {
  readonly id: string
  readonly title: string
  readonly description?: string
  /** `sha256:<hex>` over everything a client of it can see. */
  readonly digest: string
  /** Milliseconds since the epoch: since when it looks like this. */
  readonly updatedAt: number
}

/** A request below `/v0.1/servers`, and where its callers reach the gateway. */
export interface RegistryRequest {
  /** The segments behind `/v0.1/servers`, already unescaped: a name is one segment although it holds a slash. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  readonly publicUrl: string
}

/** One server as the registry lists it. */
export interface RegistryEntry {
  readonly server: {
    readonly $schema: string
    readonly name: string
    readonly title: string
    readonly description: string
    readonly version: string
    readonly remotes: readonly { readonly type: 'streamable-http'; readonly url: string }[]
  }
  readonly _meta: {
    readonly 'io.modelcontextprotocol.registry/official': {
      readonly status: 'active'
      readonly statusChangedAt: string
      readonly publishedAt: string
      readonly updatedAt: string
      readonly isLatest: true
    }
  }
}

/** The body of a list, or of one server. */
export type RegistryBody =
  | RegistryEntry
  | { readonly servers: readonly RegistryEntry[]; readonly metadata: { readonly count: number; readonly nextCursor?: string } }

const SCHEMA = 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json'
const DEFAULT_LIMIT = 30
const MAX_LIMIT = 100
const MAX_TEXT = 100
const KNOWN = ['cursor', 'limit', 'search', 'updated_since', 'version', 'include_deleted']

/** Answers one GET below `/v0.1/servers`. Throws `invalid_request` for a bad filter, `not_found` for an unknown server or version. */
export function renderRegistry(catalogs: readonly RegistryCatalog[], request: RegistryRequest): RegistryBody {
  const entries = catalogs
    .map((catalog) => toEntry(catalog, request.publicUrl))
    .sort((a, b) => (a.server.name < b.server.name ? -1 : 1))
  if (request.path.length === 0) return list(entries, request.query)
  const [name = '', versions, version, ...rest] = request.path
  const entry = entries.find(({ server }) => server.name === name)
  if (versions !== 'versions' || rest.length > 0) throw new GatewayError('not_found', 'there is nothing at this path')
  if (entry === undefined) throw new GatewayError('not_found', 'Server not found')
  if (version === undefined) return { servers: [entry], metadata: { count: 1 } }
  if (version !== 'latest' && version !== entry.server.version) throw new GatewayError('not_found', 'Server version not found')
  return entry
}

/** Name of a catalog in the registry: the host turned round, then the id. */
export function registryName(id: string, publicUrl: string): string {
  const { hostname } = new URL(publicUrl)
  const isName =
    /[a-z]/i.test(hostname) && hostname.includes('.') && !hostname.startsWith('[') && !hostname.endsWith('.localhost')
  return `${isName ? hostname.split('.').filter(Boolean).toReversed().join('.') : 'local.tollgate'}/${id}`
}

/** An exact version that changes with the digest and only with it; a pre-release, since build metadata (`+`) is escaped in paths. */
export function registryVersion(digest: string): string {
  return `1.0.0-sha256-${digest.replace(/^sha256:/, '').slice(0, 8)}`
}

function toEntry({ id, title, description, digest, updatedAt }: RegistryCatalog, publicUrl: string): RegistryEntry {
  const time = new Date(updatedAt).toISOString()
  return {
    server: {
      $schema: SCHEMA,
      name: registryName(id, publicUrl),
      title: shorten(title),
      description: shorten(description || title),
      version: registryVersion(digest),
      remotes: [{ type: 'streamable-http', url: `${publicUrl.replace(/\/+$/, '')}/mcp/${id}` }],
    },
    _meta: {
      'io.modelcontextprotocol.registry/official': {
        status: 'active',
        statusChangedAt: time,
        publishedAt: time,
        updatedAt: time,
        isLatest: true,
      },
    },
  }
}

/** The format allows 100 characters; counted in whole code points, so that none is cut in two. */
function shorten(text: string): string {
  const points = Array.from(text)
  return points.length <= MAX_TEXT ? text : `${points.slice(0, MAX_TEXT - 1).join('')}…`
}

function list(all: readonly RegistryEntry[], query: URLSearchParams): RegistryBody {
  const unknown = [...query.keys()].find((key) => !KNOWN.includes(key))
  if (unknown !== undefined)
    throw new GatewayError('invalid_request', `unknown parameter "${unknown}"; known: ${KNOWN.join(', ')}`)
  const limit = readLimit(query.get('limit'))
  const after = readCursor(query.get('cursor'))
  const since = readTime(query.get('updated_since'))
  const search = query.get('search')?.toLowerCase()
  const version = query.get('version')
  const found = all
    .filter(({ server }) => search === undefined || `${server.name}\n${server.title}`.toLowerCase().includes(search))
    .filter(({ server }) => version === null || version === 'latest' || version === server.version)
    .filter(
      (entry) => since === undefined || Date.parse(entry._meta['io.modelcontextprotocol.registry/official'].updatedAt) >= since,
    )
    .filter(({ server }) => after === undefined || server.name > after)
  const servers = found.slice(0, limit)
  const last = servers.at(-1)
  const hasMore = found.length > servers.length && last !== undefined
  return { servers, metadata: { count: servers.length, ...(hasMore ? { nextCursor: toCursor(last.server.name) } : {}) } }
}

function readLimit(text: string | null): number {
  if (text === null) return DEFAULT_LIMIT
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > MAX_LIMIT)
    throw new GatewayError('invalid_request', `limit must be a whole number from 1 to ${MAX_LIMIT}`)
  return limit
}

function toCursor(name: string): string {
  return Buffer.from(name).toString('base64url')
}

/** The name behind which a page begins; a cursor stays good when catalogs come and go. */
function readCursor(text: string | null): string | undefined {
  if (text === null || text === '') return undefined
  const name = Buffer.from(text, 'base64url').toString('utf8')
  if (toCursor(name) !== text || !name.includes('/'))
    throw new GatewayError('invalid_request', 'cursor must be the nextCursor of an earlier answer')
  return name
}

function readTime(text: string | null): number | undefined {
  if (text === null) return undefined
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i.test(text)
  const time = isTime ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time))
    throw new GatewayError('invalid_request', 'updated_since must be an RFC 3339 time such as 2026-11-23T12:00:00Z')
  return time
}

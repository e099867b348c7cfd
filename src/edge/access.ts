import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import type { Identity } from '../core/principal.ts'
import type { FailedSignIns } from './failed-sign-ins.ts'
import { challenge, metadataUrl, resourceMetadata } from '../identity/challenge.ts'

/** What identity lends to the doors. */
export interface AccessDeps {
  readonly publicUrl: string
  readonly title: string
  authenticate(
    presented: { authorization?: string; apiKey?: string },
    resource: string,
    options: { knownOnly: boolean },
  ): Promise<Identity>
  /** Whether the credential that gave this identity would be accepted again now, for the same endpoint. */
  holds(identity: Identity): boolean
  readonly failedSignIns: FailedSignIns
  /** Issuers named in protected resource metadata, and the scopes basic use needs. */
  issuers(): readonly string[]
  scopes(): readonly string[]
}

/** How the doors learn who calls and how they turn callers away. */
export interface Access {
  /** The caller, when this connection just presented the same credential at the same path; else `authenticate` finds out. */
  recall(request: IncomingMessage, path: string): Identity | undefined
  authenticate(request: IncomingMessage, path: string): Promise<Identity>
  /** Headers of a 401 or 403 of an endpoint; nothing for other errors. */
  challenge(path: string, error: GatewayError): Record<string, string>
  resourceMetadata(endpoint: string): unknown
}

/** What a connection presented last. */
interface LastVisit {
  readonly path: string
  readonly authorization: string | undefined
  readonly xApiKey: string | string[] | undefined
  readonly apiKey: string | string[] | undefined
  readonly identity: Identity
}

const ENDPOINT = /^\/mcp(?:\/([a-z0-9][a-z0-9_-]{0,31}))?$/

type Presented = Parameters<AccessDeps['authenticate']>[0]

function credential({ authorization, 'x-api-key': apiKey }: IncomingHttpHeaders): Presented {
  return { ...(authorization === undefined ? {} : { authorization }), ...(typeof apiKey === 'string' ? { apiKey } : {}) }
}

/** Model clients put whatever credential they were given into the header of their provider: `x-api-key` (Anthropic), `api-key` (Azure). */
function modelCredential(headers: IncomingHttpHeaders): Presented {
  const keys = [headers['x-api-key'], headers['api-key']].filter((key) => typeof key === 'string' && key !== '')
  const [key] = keys
  if (keys.some((other) => other !== key))
    throw new GatewayError('unauthenticated', 'the request carries two credentials that differ', {
      details: { reason: 'malformed' },
    })
  const { authorization } = headers
  if (typeof key !== 'string') return authorization === undefined ? {} : { authorization }
  if (key.startsWith('tgk_')) return { ...(authorization === undefined ? {} : { authorization }), apiKey: key }
  if (authorization !== undefined && authorization.replace(/^bearer /i, '') !== key)
    throw new GatewayError('unauthenticated', 'the request carries two credentials that differ', {
      details: { reason: 'malformed' },
    })
  return { authorization: `Bearer ${key}` }
}

/** Builds the access rules of the data listener: RFC 6750 challenges, RFC 9728 metadata per MCP endpoint. */
export function createAccess(deps: AccessDeps): Access {
  const visits = new WeakMap<object, LastVisit>()
  return {
    recall({ socket, headers }, path) {
      const last = visits.get(socket)
      if (last === undefined || last.path !== path || last.authorization !== headers.authorization) return undefined
      if (last.xApiKey !== headers['x-api-key'] || last.apiKey !== headers['api-key']) return undefined
      return deps.holds(last.identity) ? last.identity : undefined
    },
    async authenticate(request, path) {
      const presented = path.startsWith('/v1/') ? modelCredential(request.headers) : credential(request.headers)
      const address = request.socket.remoteAddress ?? ''
      const resource = `${deps.publicUrl}${ENDPOINT.test(path) ? path : '/mcp'}`
      try {
        const identity = await deps.authenticate(presented, resource, { knownOnly: deps.failedSignIns.isBlocked(address) })
        const { authorization, 'x-api-key': xApiKey, 'api-key': apiKey } = request.headers
        visits.set(request.socket, { path, authorization, xApiKey, apiKey, identity })
        return identity
      } catch (error) {
        if (error instanceof GatewayError && error.details?.['reason'] === 'bad_signature') deps.failedSignIns.failed(address)
        throw error
      }
    },
    challenge(path, error) {
      if (error.code !== 'unauthenticated' && error.code !== 'insufficient_scope') return {}
      const endpoint = ENDPOINT.test(path) ? path : '/mcp'
      const presented = error.details?.['reason'] !== 'missing'
      const missing = error.details?.['scope']
      const scope = typeof missing === 'string' ? missing : deps.scopes().join(' ')
      const value = challenge({
        resourceMetadataUrl: metadataUrl(deps.publicUrl, endpoint),
        ...(scope === '' ? {} : { scope }),
        ...(error.code === 'insufficient_scope' ? { error: 'insufficient_scope' } : presented ? { error: 'invalid_token' } : {}),
      })
      return { 'www-authenticate': value }
    },
    resourceMetadata(endpoint) {
      if (!ENDPOINT.test(endpoint)) return undefined // any well-formed catalog id gets one, so that ids cannot be guessed from here
      return resourceMetadata({
        resource: `${deps.publicUrl}${endpoint}`,
        issuers: deps.issuers(),
        scopes: deps.scopes(),
        name: deps.title,
      })
    },
  }
}

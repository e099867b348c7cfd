import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../core/errors.ts'

/** Which `Host` and `Origin` values the data listener accepts. */
export interface OriginRules {
  readonly hosts: ReadonlySet<string>
  readonly origins: ReadonlySet<string>
  /** On a loopback listener: pages served from loopback may call, whatever their port. */
  readonly loopback: boolean
}

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Builds the rules from what the operator configured. Hosts compare with and without the port they were given with. */
export function originRules(options: {
  publicUrl: string
  hosts: readonly string[]
  origins: readonly string[]
  loopback: boolean
}): OriginRules {
  const url = new URL(options.publicUrl)
  return {
    hosts: new Set([url.host.toLowerCase(), ...options.hosts.map((host) => host.toLowerCase())]),
    origins: new Set([url.origin, ...options.origins]),
    loopback: options.loopback,
  }
}

/** RFC 9110 section 7.2, without percent escapes: a name or an IPv4 address, or an IPv6 address in brackets, and a port. */
const HOST = /^(?:[a-z0-9._~-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

/** DNS rebinding protection: the `Host` must be one of ours. */
export function assertHost(rules: OriginRules, host: string | undefined): void {
  if (host !== undefined && rules.hosts.has(host.toLowerCase())) return
  if (host !== undefined && rules.loopback && LOOPBACK_NAMES.has(hostName(host))) return
  if (host !== undefined && !HOST.test(host)) throw new GatewayError('invalid_request', 'the Host header is malformed')
  throw new GatewayError('misdirected', 'this gateway does not answer for that Host')
}

/** The allowed origin of a browser request, or undefined when it carries none. MCP 2026-07-28, transports: a foreign one is 403. */
export function allowedOrigin(rules: OriginRules, headers: IncomingHttpHeaders): string | undefined {
  const { origin } = headers
  if (origin === undefined) return undefined
  if (rules.origins.has(origin)) return origin
  if (rules.loopback && isLoopbackOrigin(origin)) return origin
  throw new GatewayError('origin_forbidden', 'requests from that origin are not allowed')
}

function isLoopbackOrigin(origin: string): boolean {
  const match = /^https?:\/\/([^/]+)$/.exec(origin)
  return match?.[1] !== undefined && LOOPBACK_NAMES.has(hostName(match[1]))
}

function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d{1,5}$/, '')
}

const ALLOWED_HEADERS = [
  'Authorization',
  'Content-Type',
  'Accept',
  'MCP-Protocol-Version',
  'Mcp-Method',
  'Mcp-Name',
  'Mcp-Session-Id',
  'Last-Event-ID',
  'X-Api-Key',
  'Api-Key',
  'X-Tollgate-Session',
  'X-Tollgate-Strict',
  'Anthropic-Version',
  'Anthropic-Beta',
  'Anthropic-Dangerous-Direct-Browser-Access',
  'OpenAI-Beta',
  'OpenAI-Organization',
  'OpenAI-Project',
  'traceparent',
  'tracestate',
  'baggage',
]

const EXPOSED_HEADERS = [
  'WWW-Authenticate, Mcp-Session-Id, Retry-After, X-Tollgate-Exchange',
  'X-Tollgate-Request-Id, X-Tollgate-Overhead-Ms, X-Tollgate-Dropped, X-Tollgate-Estimated, X-Request-Id, Request-Id',
  ...['Limit', 'Remaining', 'Reset'].flatMap((part) => [`X-RateLimit-${part}-Requests`, `X-RateLimit-${part}-Tokens`]),
].join(', ')

/** CORS headers for answers to an allowed origin. */
export function corsHeaders(origin: string): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED_HEADERS,
    vary: 'Origin',
  }
}

/** Answer headers of a preflight. No wildcard covers `Mcp-Param-*` and the `X-Stainless-*` of model clients, so those asked for are echoed. */
export function preflightHeaders(origin: string, requested: string | undefined): Record<string, string> {
  const parameters = (requested ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => /^(mcp-param|x-stainless)-[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/i.test(name))
    .slice(0, 32)
  return {
    ...corsHeaders(origin),
    'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
    'access-control-allow-headers': [...ALLOWED_HEADERS, ...parameters].join(', '),
    'access-control-max-age': '600',
  }
}

/** Beginning of every path of the MCP registry API. */
export const REGISTRY_PATH = '/v0.1/servers'

/** Registries are read by web pages of any origin; their callers prove themselves by a header, never by a cookie. */
export const REGISTRY_HEADERS: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, OPTIONS',
  'access-control-allow-headers': 'Authorization, Content-Type',
}

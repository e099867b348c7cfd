/** What a 401 or 403 asks of the client (RFC 6750 3, RFC 9728 5.1). */
export interface Challenge {
  readonly resourceMetadataUrl: string
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope'
  readonly description?: string
  /** All scopes the operation needs, separated by blanks, in one challenge: clients do not ask step by step. */
  readonly scope?: string
}

/** The value of `WWW-Authenticate`. */
export function challenge({ resourceMetadataUrl, error, description, scope }: Challenge): string {
  const problem = [
    ['error', error],
    ['error_description', description],
  ] as const
  const needs = ['scope', scope] as const
  const where = ['resource_metadata', resourceMetadataUrl] as const
  // The order of the examples in the MCP authorization section; parameters have no order of their own.
  const parameters = error === 'insufficient_scope' ? [...problem, needs, where] : [where, needs, ...problem]
  const written = parameters.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`${name}=${quote(value)}`]))
  return `Bearer ${written.join(', ')}`
}

/** What RFC 9728 metadata says of one MCP endpoint. */
export interface ProtectedResource {
  readonly resource: string
  readonly issuers: readonly string[]
  readonly scopes: readonly string[]
  readonly name: string
}

/** The RFC 9728 document of one MCP endpoint. Issuers that are no web addresses (local ones) are of no use to a client and left out. */
export function resourceMetadata({ resource, issuers, scopes, name }: ProtectedResource): Readonly<Record<string, unknown>> {
  const servers = issuers.filter((issuer) => /^https?:\/\//.test(issuer))
  const supported = scopes.filter((scope) => scope !== 'offline_access')
  return {
    resource,
    ...(servers.length > 0 ? { authorization_servers: servers } : {}),
    ...(supported.length > 0 ? { scopes_supported: supported } : {}),
    bearer_methods_supported: ['header'],
    resource_name: name,
  }
}

/** Where the RFC 9728 document of an endpoint is: the well-known part comes before the path (RFC 9728 3.1). */
export function metadataUrl(publicUrl: string, endpointPath: string): string {
  return `${new URL(publicUrl).origin}/.well-known/oauth-protected-resource${endpointPath === '/' ? '' : endpointPath}`
}

/** A quoted-string (RFC 9110 5.6.4); characters that no header may hold are dropped. */
function quote(text: string): string {
  return `"${text.replaceAll(/[^\x20-\x7e]/g, '').replaceAll(/["\\]/g, (character) => `\\${character}`)}"`
}

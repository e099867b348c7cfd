import { GatewayError } from '../core/errors.ts'

const SINGLE = new Set([
  'authorization',
  'content-length',
  'content-type',
  'host',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'last-event-id',
  'origin',
  'x-api-key',
  'x-tollgate-session',
])

/** Refuses repeated headers whose copies two readers could choose differently, and underscore spellings of them. */
export function assertSingleHeaders(rawHeaders: readonly string[]): void {
  const seen = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    const isParameter = name.startsWith('mcp-param-')
    if (!SINGLE.has(name) && !isParameter) {
      if (name.includes('_') && SINGLE.has(name.replaceAll('_', '-')))
        throw new GatewayError('invalid_request', `header ${name} is spelt with an underscore`)
      continue
    }
    if (seen.has(name)) throw new GatewayError('invalid_request', `header ${name} is given more than once`)
    seen.add(name)
  }
}

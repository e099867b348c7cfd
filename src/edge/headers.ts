import { GatewayError } from '../core/errors.ts'

/** Each with a bit of its own, to note which were seen. */
const SINGLE: ReadonlyMap<string, number> = new Map(
  [
    'api-key',
    'authorization',
    'content-encoding',
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
    'x-tollgate-strict',
  ].map((name, place) => [name, 1 << place]),
)

/** Refuses repeated headers whose copies two readers could choose differently, and underscore spellings of them. */
export function assertSingleHeaders(rawHeaders: readonly string[]): void {
  let seen = 0
  let parameters: Set<string> | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    const bit = SINGLE.get(name)
    if (bit !== undefined) {
      if ((seen & bit) !== 0) throw repeated(name)
      seen |= bit
    } else if (name.startsWith('mcp-param-')) {
      if (parameters?.has(name) === true) throw repeated(name)
      parameters = (parameters ?? new Set()).add(name)
    } else if (name.includes('_') && SINGLE.has(name.replaceAll('_', '-')))
      throw new GatewayError('invalid_request', `header ${name} is spelt with an underscore`)
  }
}

function repeated(name: string): GatewayError {
  return new GatewayError('invalid_request', `header ${name} is given more than once`)
}

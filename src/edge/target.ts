import { GatewayError } from '../core/errors.ts'

/** What a request line points at: one canonical path that router, policy and log all use, and its query. */
export interface Target {
  readonly path: string
  readonly query: Pick<URLSearchParams, 'get' | 'keys' | 'has'>
}

/** Names of the registry and of models hold a slash, which clients escape in a path. */
const NAMED = ['/v0.1/servers/', '/v1/models/']

const NO_QUERY: Target['query'] = new URLSearchParams()

const PATH = /^(\/[A-Za-z0-9._~!$&'()*+,=:@-]+)*\/?$/

/** A segment of one or two dots. */
const DOTS = /\/\.\.?(?:\/|$)/

/**
 * Reads a request target in origin form. Everything with two readings is refused: absolute form, `//`, dot segments,
 * percent escapes in the path, `;` parameters, backslashes and control characters.
 */
export function parseTarget(url: string, maxBytes: number): Target {
  if (url.length > maxBytes) throw new GatewayError('invalid_request', `the request target is longer than ${maxBytes} bytes`)
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const plain = NAMED.some((front) => path.startsWith(front)) ? path.replace(/%2f/gi, '-') : path
  if (!path.startsWith('/') || !PATH.test(plain) || DOTS.test(path)) {
    throw new GatewayError('invalid_request', 'the request path is not in canonical form')
  }
  const canonical = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
  return { path: canonical, query: mark < 0 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1)) }
}

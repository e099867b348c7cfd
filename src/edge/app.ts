import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import { type GatewayError, toGatewayError } from '../core/errors.ts'
import type { Identity } from '../core/principal.ts'
import { REGISTRY_HEADERS, REGISTRY_PATH } from './origin.ts'
import { HTTP_STATUS } from './errors.ts'

/** What the quiet routes of the data listener need. */
export interface AppDeps {
  /** RFC 9728 document of an MCP endpoint path (`/mcp`, `/mcp/<catalog>`), or undefined when there is no such endpoint. */
  resourceMetadata(endpoint: string): unknown
  /** Verifies the caller of `/v0.1/*`; throws GatewayError. */
  authenticate(request: Request): Promise<Identity>
  /** Body of a registry route for a caller (GET /v0.1/servers...); throws GatewayError when there is no such thing. */
  registry(visit: { readonly identity: Identity; readonly path: readonly string[]; readonly query: URLSearchParams }): unknown
  /** WWW-Authenticate for a refused registry call. */
  challenge(error: GatewayError): Record<string, string>
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** The routes that are not hot: protected resource metadata and the MCP registry API. Everything else is 404. */
export function createApp(deps: AppDeps): Express {
  const app = express()
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple').set('case sensitive routing', true)

  app.get([WELL_KNOWN, `${WELL_KNOWN}/*endpoint`], (request, response) => {
    const rest = request.path.slice(WELL_KNOWN.length)
    const body = deps.resourceMetadata(rest === '' ? '/mcp' : rest)
    response.setHeader('access-control-allow-origin', '*')
    if (body === undefined) sendProblem(response, 404, 'there is no such MCP endpoint')
    else response.setHeader('cache-control', 'max-age=60').json(body)
  })

  app.get(`${REGISTRY_PATH}{/*rest}`, async (request, response) => {
    response.set({ ...REGISTRY_HEADERS, 'cache-control': 'private, no-store' })
    const identity = await deps.authenticate(request)
    const url = new URL(request.originalUrl, 'http://gateway.invalid')
    const path = url.pathname.slice(REGISTRY_PATH.length).split('/').filter(Boolean).map(decodeURIComponent)
    response.json(deps.registry({ identity, path, query: url.searchParams }))
  })

  app.use((_request, response) => sendProblem(response, 404, 'there is nothing at this path'))
  const onError: ErrorRequestHandler = (error, _request, response, _next) => {
    const failure = toGatewayError(error)
    response.set(deps.challenge(failure))
    sendProblem(response, HTTP_STATUS[failure.code], failure.message)
  }
  app.use(onError)
  return app
}

/** RFC 9457 problem document; `error` is what clients of the registry API read. */
function sendProblem(response: Response, status: number, detail: string): void {
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', status, detail, error: detail }))
}

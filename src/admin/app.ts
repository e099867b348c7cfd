import express, { type ErrorRequestHandler, type Express, type NextFunction, type Request, type Response } from 'express'
import { GatewayError, toGatewayError } from '../core/errors.ts'
import type { Identity } from '../core/principal.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { Ledger } from '../metering/contract.ts'
import { exchangeRoute, type ExchangeDeps } from './exchange.ts'
import { explainRoute, type ExplainDeps } from './explain.ts'
import { statusRoute, type StatusDeps } from './status.ts'
import { targetsRoute, type TargetsDeps } from './targets.ts'
import { entriesRoute, usageRoute } from './usage.ts'

/** What an administrator may be: `auditor` alone sees captured payloads, `viewer` only reads. */
export type Role = 'admin' | 'auditor' | 'viewer'

/** What the admin API borrows. */
export interface AdminDeps extends ExplainDeps, StatusDeps, TargetsDeps, ExchangeDeps {
  /** Verifies the credential of an admin request; throws GatewayError. */
  authenticate(request: Request): Promise<Identity>
  readonly ledger: Ledger
  metrics(): Promise<{ contentType: string; body: string }>
  /** Reads the files again now. */
  reload(): Promise<{ generation: number; problems: Snapshot['problems'] }>
  now(): Date
}

/** The admin listener: every route asks for a credential with a role, on loopback too. */
export function createAdminApp(deps: AdminDeps): Express {
  const app = express()
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple')
  app.use((_request, response, next) => {
    response.set({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    })
    next()
  })
  const anyone = allow(deps, ['admin', 'auditor', 'viewer'])
  app.get('/metrics', anyone, async (_request, response) => {
    const { contentType, body } = await deps.metrics()
    response.set('content-type', contentType).send(body)
  })
  app.get('/admin/v1/status', anyone, statusRoute(deps))
  app.get('/admin/v1/explain', anyone, explainRoute(deps))
  app.get('/admin/v1/usage', anyone, usageRoute(deps))
  app.get('/admin/v1/entries', anyone, entriesRoute(deps))
  app.get('/admin/v1/exchanges/:id', anyone, exchangeRoute(deps))
  app.get('/admin/v1/targets', anyone, targetsRoute(deps))
  app.post('/admin/v1/reload', allow(deps, ['admin']), async (_request, response) => {
    response.json(await deps.reload())
  })
  app.use(() => {
    throw new GatewayError('not_found', 'there is nothing at this path')
  })
  app.use(onError)
  return app
}

function allow(deps: AdminDeps, roles: readonly Role[]) {
  return async (request: Request, _response: Response, next: NextFunction): Promise<void> => {
    if (request.headers.origin !== undefined)
      throw new GatewayError('origin_forbidden', 'the admin API is not for web pages of other origins')
    const identity = await deps.authenticate(request)
    if (!roles.some((role) => identity.principal.roles.includes(role))) {
      throw new GatewayError('forbidden', `this needs one of the roles ${roles.join(', ')}`)
    }
    next()
  }
}

const STATUS: Partial<Record<GatewayError['code'], number>> = {
  unauthenticated: 401,
  forbidden: 403,
  insufficient_scope: 403,
  origin_forbidden: 403,
  not_found: 404,
  invalid_request: 400,
  invalid_params: 400,
  ledger_unavailable: 503,
}

const onError: ErrorRequestHandler = (error, _request, response, _next) => {
  const failure = toGatewayError(error)
  const status = STATUS[failure.code] ?? 500
  if (status === 401) response.set('www-authenticate', 'Bearer')
  // RFC 9457 problem document
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: `urn:tollgate:error:${failure.code}`, status, detail: failure.message, ...failure.details }))
}

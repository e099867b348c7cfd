import type { RequestHandler } from 'express'
import { GatewayError } from '../core/errors.ts'
import type { Ledger } from '../metering/contract.ts'
import { parseUsageQuery, renderUsage } from '../metering/usage-format.ts'
import { answerUsage } from '../metering/usage-runs.ts'

/** What the usage routes borrow. */
export interface UsageDeps {
  readonly ledger: Ledger
  now(): Date
}

const FORMATS = ['json', 'csv', 'table'] as const

/** `GET /admin/v1/usage?by=team,server&from=7d&format=csv`: grouped calls, errors, latency, bytes, tokens and money. */
export function usageRoute(deps: UsageDeps): RequestHandler {
  return async (request, response) => {
    const params = new URL(request.originalUrl, 'http://gateway.invalid').searchParams
    const format = FORMATS.find((known) => known === (params.get('format') ?? 'json'))
    if (format === undefined) throw new GatewayError('invalid_request', `format must be one of ${FORMATS.join(', ')}`)
    params.delete('format')
    const query = parseUsageQuery(params, deps.now())
    const { contentType, body } = renderUsage(await answerUsage(deps.ledger, query), query, format)
    response.set('content-type', contentType).send(body)
  }
}

/** `GET /admin/v1/entries?team=...&limit=100`: single ledger entries, newest first, with digests and no payload. */
export function entriesRoute(deps: UsageDeps): RequestHandler {
  return async (request, response) => {
    const params = new URL(request.originalUrl, 'http://gateway.invalid').searchParams
    const limit = Number(params.get('limit') ?? 100)
    if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
      throw new GatewayError('invalid_request', 'limit must be a whole number from 1 to 10000')
    params.delete('limit')
    const { from, to, where } = parseUsageQuery(params, deps.now())
    response.json({ entries: await deps.ledger.entries({ from, to, where, limit }) })
  }
}

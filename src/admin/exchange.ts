import type { RequestHandler } from 'express'
import type { Entry } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'

/** What `GET /admin/v1/exchanges/:id` borrows. */
export interface ExchangeDeps {
  /** The entries of one exchange, an attempt each, in any order; none when the ledger does not know it. */
  exchange(id: string): Promise<readonly Entry[]>
}

/** The attempts of one exchange, by the id a caller was given in `X-Tollgate-Request-Id`. */
export function exchangeRoute(deps: ExchangeDeps): RequestHandler {
  return async (request, response) => {
    const { id } = request.params
    if (typeof id !== 'string' || !/^[\w-]{1,64}$/.test(id))
      throw new GatewayError('invalid_request', 'an exchange is named by the value of X-Tollgate-Request-Id')
    const entries = await deps.exchange(id)
    if (entries.length === 0) throw new GatewayError('not_found', `the ledger has no exchange ${id}`)
    response.json({
      exchange: id,
      attempts: entries
        .toSorted((a, b) => a.attempt - b.attempt)
        .map((entry) => ({
          ...entry,
          routing: parsed(entry.routing),
          verdicts: parsed(entry.verdicts),
          labels: parsed(entry.labels),
        })),
    })
  }
}

/** Columns that hold JSON, as JSON. */
function parsed(text: string | null): unknown {
  if (text === null) return null
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return text // written by another version
    throw error
  }
}

import type { JsonObject } from '../../core/json.ts'
import type { DialectError } from '../wire.ts'

/** Writes one event of a Responses stream. */
export function responsesFrame(type: string, sequence: number, members: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence, ...members })}\n\n`
}

/** The `error` of a response that failed. Clients know a closed list of codes, so most failures are the server's. */
export function toResponseError({ type, code, status, message }: DialectError): JsonObject {
  const isLimit = type === 'rate_limit_error' || status === 429
  return { code: isLimit ? 'rate_limit_exceeded' : (code ?? 'server_error'), message }
}

import type { JsonObject } from '../../core/json.ts'
import type { DialectError } from '../wire.ts'

/** Writes an error as the body of an answer. */
export function toErrorBody({ message, type, param, code }: DialectError): JsonObject {
  return { error: { message, type, param: param ?? null, code: code ?? null } }
}

/** The code of a response that failed; clients know only a closed list, so most failures are the server's. */
export function toErrorCode({ type, code, status }: DialectError): string {
  if (type === 'rate_limit_error' || status === 429) return 'rate_limit_exceeded'
  return code ?? 'server_error'
}

import type { JsonObject } from '../../core/json.ts'
import { formatEvent } from '../../lib/sse.ts'
import type { DialectError } from '../wire.ts'

/** The body of a refusal. */
export function messagesErrorBody({ type, message }: DialectError, requestId: string): JsonObject {
  return { type: 'error', error: { type, message }, request_id: requestId }
}

/** The last frame of a stream that failed. */
export function messagesErrorFrame(error: DialectError, requestId: string): string {
  return formatEvent(JSON.stringify(messagesErrorBody(error, requestId)), { event: 'error' })
}

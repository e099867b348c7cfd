// A thread is a conversation Anthropic's own API holds between requests: from the second one on the client sends only the newest messages.
// Where nobody holds it, it must be refused: left out in silence, it would cost the caller its history. Clients know the codes below and
// send the whole conversation again.
import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'

const UNSUPPORTED = 'thread_unsupported_request'
const CODES: ReadonlySet<unknown> = new Set([
  UNSUPPORTED,
  'thread_not_found',
  'thread_already_continued',
  'thread_continue_in_flight',
])

/** Refuses a request with a `thread`, for every target but Anthropic's own API. */
export function refuseThread(thread: Json | undefined): void {
  if (thread === undefined || thread === null) return
  throw new GatewayError(
    'dropped_parameters',
    'this model keeps no message threads: send the whole conversation without "thread"',
    {
      details: { code: UNSUPPORTED, param: 'thread', dropped: ['thread'] },
    },
  )
}

/** The code of a refusal that only concerns a thread; undefined for any other. */
export function threadCodeOf(error: JsonObject): string | undefined {
  const { details } = error
  const code = isJsonObject(details) ? details['error_code'] : undefined
  return typeof code === 'string' && CODES.has(code) ? code : undefined
}

/** Writes such a code where clients look for it. */
export function threadDetails(code: string | undefined): JsonObject {
  if (!CODES.has(code)) return {}
  return { details: { error_code: code, ...(code === UNSUPPORTED ? { unsupported: ['thread'] } : {}) } }
}

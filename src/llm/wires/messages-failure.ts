import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { formatEvent } from '../../lib/sse.ts'
import { failureMessage, KIND_OF_STATUS, plainWords, refusalBody } from '../failure-words.ts'
import { textOf, wordsOf } from '../loose-json.ts'
import type { Failure, FailureKind } from '../middle.ts'
import type { RefusedAnswer } from '../provider.ts'
import { retryFacts } from '../retry-after.ts'
import type { DialectError } from '../wire.ts'
import { threadCodeOf, threadDetails } from './messages-thread.ts'

const KIND_OF_TYPE: Readonly<Record<string, FailureKind>> = {
  invalid_request_error: 'bad_request',
  authentication_error: 'auth',
  billing_error: 'billing',
  permission_error: 'forbidden',
  not_found_error: 'not_found',
  request_too_large: 'too_large',
  rate_limit_error: 'rate_limited',
  timeout_error: 'timeout',
  overloaded_error: 'overloaded',
  api_error: 'server',
}

/** Kinds only the words of an `invalid_request_error` tell apart. */
const KIND_OF_WORDS: readonly (readonly [RegExp, FailureKind])[] = [
  [/credit balance is too low/i, 'billing'],
  [/content filter/i, 'filtered'],
  [/prompt is too long|exceeds? the maximum (?:allowed )?(?:number of )?tokens|context (?:window|limit)/i, 'too_large'],
]

/** Reads a refusal of a provider that speaks Messages; also an error body that came with status 200. */
export function messagesRefusal({ status, headers, body }: RefusedAnswer): Failure {
  return { ...messagesFailure(refusalBody(body), status < 400 ? undefined : status), ...retryFacts(headers) }
}

/** Reads an error body or the data of an `error` event; `status` is absent inside a stream. */
export function messagesFailure(body: JsonObject, status?: number): Failure {
  const error = isJsonObject(body['error']) ? body['error'] : body
  const type = wordsOf(error['type'])
  const said = textOf(error['message'])
  const threadCode = threadCodeOf(error)
  const kind = threadCode === undefined ? kindOf(type, said, status) : 'bad_request'
  return {
    kind,
    ...(status === undefined ? {} : { status }),
    message: failureMessage(said, kind, plainWords(status)),
    ...(type === 'invalid_request_error' && kind !== 'bad_request' ? { code: CODE_OF_WORDS[kind] ?? kind } : {}),
    ...(threadCode === undefined ? {} : { code: threadCode }),
  }
}

/** What OpenAI clients call these, in `error.code`. */
const CODE_OF_WORDS: Partial<Record<FailureKind, string>> = {
  too_large: 'context_length_exceeded',
  filtered: 'content_filter',
  billing: 'insufficient_quota',
}

function kindOf(type: string | undefined, said: string, status: number | undefined): FailureKind {
  const byType = type !== undefined && Object.hasOwn(KIND_OF_TYPE, type) ? KIND_OF_TYPE[type] : undefined
  if (byType === 'bad_request') return KIND_OF_WORDS.find(([words]) => words.test(said))?.[1] ?? byType
  if (byType !== undefined && byType !== 'server') return byType
  if (status === undefined) return byType ?? 'server'
  return KIND_OF_STATUS[status] ?? (status >= 500 ? 'server' : (byType ?? 'bad_request'))
}

/** The body of a refusal, in the words of this protocol. */
export function messagesErrorBody({ type, message, code }: DialectError, requestId: string): JsonObject {
  return { type: 'error', error: { type, message, ...threadDetails(code) }, request_id: requestId }
}

/** The last frame of a stream that failed. */
export function messagesErrorFrame(error: DialectError, requestId: string): string {
  return formatEvent(JSON.stringify(messagesErrorBody(error, requestId)), { event: 'error' })
}

import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Failure, FailureKind } from '../middle.ts'
import { formatEvent } from '../../lib/sse.ts'
import type { RefusedAnswer } from '../provider.ts'
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

const KIND_OF_STATUS: Readonly<Record<number, FailureKind>> = {
  401: 'auth',
  402: 'billing',
  403: 'forbidden',
  404: 'not_found',
  408: 'timeout',
  413: 'too_large',
  424: 'server',
  429: 'rate_limited',
  503: 'overloaded',
  504: 'timeout',
  529: 'overloaded',
}

/** Kinds only the words of an `invalid_request_error` tell apart. */
const KIND_OF_WORDS: readonly (readonly [RegExp, FailureKind])[] = [
  [/credit balance is too low/i, 'billing'],
  [/content filter/i, 'filtered'],
  [/prompt is too long|exceeds? the maximum (?:allowed )?(?:number of )?tokens|context (?:window|limit)/i, 'too_large'],
]

/** Reads a refusal of a provider that speaks Messages; also an error body that came with status 200. */
export function messagesRefusal({ status, headers, body }: RefusedAnswer): Failure {
  const retryAfterMs = retryAfter(headers)
  const shouldRetry = headers['x-should-retry']
  return {
    ...messagesFailure(parse(body), status < 400 ? undefined : status),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(shouldRetry === 'true' || shouldRetry === 'false' ? { shouldRetry: shouldRetry === 'true' } : {}),
  }
}

/** Reads an error body or the data of an `error` event; `status` is absent inside a stream. */
export function messagesFailure(body: JsonObject, status?: number): Failure {
  const error = isJsonObject(body['error']) ? body['error'] : body
  const type = textOf(error['type'])
  const said = textOf(error['message']) ?? ''
  const threadCode = threadCodeOf(error)
  const kind = threadCode === undefined ? kindOf(type, said, status) : 'bad_request'
  return {
    kind,
    ...(status === undefined ? {} : { status }),
    message: messageOf(said, kind, status),
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

const MAX_MESSAGE = 2_000
const KEY_LIKE = /\b(?:sk-ant-[A-Za-z0-9_-]{4,}|Bearer [^\s"',]{6,})/g

/** Words of a failed sign-in may hold pieces of the key: they are never repeated. */
function messageOf(said: string, kind: FailureKind, status: number | undefined): string {
  const otherwise = status === undefined ? 'the provider reported an error' : `the provider answered ${status}`
  if (said === '' || kind === 'auth' || kind === 'forbidden') return otherwise
  return said.slice(0, MAX_MESSAGE).replaceAll(KEY_LIKE, '***')
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function parse(body: Buffer): JsonObject {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    return isJsonObject(json) ? json : {}
  } catch {
    return {} // a page of some proxy: the status has to do
  }
}

const MAX_RETRY_AFTER_MS = 60_000

/** Milliseconds to wait: `retry-after-ms` before `retry-after`, whose date is read by the provider's own clock. */
function retryAfter(headers: RefusedAnswer['headers']): number | undefined {
  const milliseconds = numberOf(headers['retry-after-ms'])
  if (milliseconds !== undefined) return clamp(milliseconds)
  const seconds = numberOf(headers['retry-after'])
  if (seconds !== undefined) return clamp(seconds * 1_000)
  const until = Date.parse(headers['retry-after'] ?? '')
  const now = Date.parse(headers['date'] ?? '')
  if (Number.isNaN(until)) return undefined
  return Number.isNaN(now) ? MAX_RETRY_AFTER_MS : clamp(until - now)
}

const numberOf = (text: string | undefined) =>
  text !== undefined && /^\d{1,12}(\.\d{1,6})?$/.test(text.trim()) ? Number(text) : undefined

const clamp = (milliseconds: number) => Math.min(Math.max(0, Math.ceil(milliseconds)), MAX_RETRY_AFTER_MS)

/** The body of a refusal, in the words of this protocol. */
export function messagesErrorBody({ type, message, code }: DialectError, requestId: string): JsonObject {
  return { type: 'error', error: { type, message, ...threadDetails(code) }, request_id: requestId }
}

/** The last frame of a stream that failed. */
export function messagesErrorFrame(error: DialectError, requestId: string): string {
  return formatEvent(JSON.stringify(messagesErrorBody(error, requestId)), { event: 'error' })
}

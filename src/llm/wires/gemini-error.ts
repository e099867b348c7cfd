import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Failure, FailureKind } from '../middle.ts'
import type { RefusedAnswer } from '../provider.ts'
import { listOf } from './gemini-json.ts'

const MAX_MESSAGE = 2_000
const MAX_RETRY_MS = 60_000

const BY_STATUS: Readonly<Record<string, FailureKind>> = {
  INVALID_ARGUMENT: 'bad_request',
  FAILED_PRECONDITION: 'bad_request',
  OUT_OF_RANGE: 'bad_request',
  UNIMPLEMENTED: 'bad_request',
  UNAUTHENTICATED: 'auth',
  PERMISSION_DENIED: 'forbidden',
  NOT_FOUND: 'not_found',
  RESOURCE_EXHAUSTED: 'rate_limited',
  ABORTED: 'overloaded',
  CANCELLED: 'timeout',
  DEADLINE_EXCEEDED: 'timeout',
  UNAVAILABLE: 'overloaded',
  INTERNAL: 'server',
  UNKNOWN: 'server',
  DATA_LOSS: 'server',
}

const BY_CODE: Readonly<Record<number, FailureKind>> = {
  401: 'auth',
  402: 'billing',
  403: 'forbidden',
  404: 'not_found',
  408: 'timeout',
  413: 'too_large',
  429: 'rate_limited',
  499: 'timeout',
  503: 'overloaded',
  504: 'timeout',
}

/** Reads a refusal of Google's: the error object, or nothing but the status when a proxy answered instead. */
export function geminiRefusal(answer: RefusedAnswer): Failure {
  const error = errorObject(answer.body)
  const failure = geminiFailure(error ?? {}, answer.status)
  const retryAfterMs = retryAfter(answer.headers) ?? failure.retryAfterMs
  return { ...failure, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

/** The error object of a body, also of one wrapped in a list; undefined when there is none. */
export function errorObject(body: Buffer): JsonObject | undefined {
  let json: unknown
  try {
    json = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined // a page of some proxy
  }
  const first: unknown = Array.isArray(json) ? json[0] : json
  return isJsonObject(first) && isJsonObject(first['error']) ? first['error'] : undefined
}

/** Reads Google's error object `{ code, message, status, details }`; `httpStatus` is that of the answer, absent inside a stream. */
export function geminiFailure(error: JsonObject, httpStatus: number | undefined): Failure {
  const code = typeof error['code'] === 'number' ? error['code'] : undefined
  // An error may come inside an answer with status 200.
  const status = httpStatus === undefined || httpStatus < 400 ? code : httpStatus
  const name = typeof error['status'] === 'string' ? error['status'] : undefined
  const details = listOf(error['details'])
  const reason = textOf(details, 'ErrorInfo', 'reason')
  const kind = kindOf({ name, status, message: typeof error['message'] === 'string' ? error['message'] : '', reason })
  const retryAfterMs = retryDelay(textOf(details, 'RetryInfo', 'retryDelay'))
  return {
    kind,
    ...(status === undefined ? {} : { status }),
    message: messageOf(error['message'], kind, name ?? status),
    ...(name === undefined ? {} : { code: name }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

/** The kind of a refusal that says nothing but its HTTP status. */
function kindOfStatus(status: number | undefined): FailureKind {
  if (status === undefined || status >= 500) return (status !== undefined ? BY_CODE[status] : undefined) ?? 'server'
  return BY_CODE[status] ?? 'bad_request'
}

const KEY_LIKE = /\b(?:AIza[\w-]{6,}|ya29\.[\w.-]{4,}|Bearer [^\s"',]{6,})/g

/** Words of a failed sign-in may hold pieces of a key or name a project: they are never repeated. */
function messageOf(said: Json | undefined, kind: FailureKind, what: string | number | undefined): string {
  if (typeof said === 'string' && said !== '' && kind !== 'auth' && kind !== 'forbidden')
    return said.slice(0, MAX_MESSAGE).replaceAll(KEY_LIKE, '***')
  return what === undefined ? 'the provider reported an error' : `the provider answered ${what}`
}

interface Facts {
  readonly name: string | undefined
  readonly status: number | undefined
  readonly message: string
  readonly reason: string | undefined
}

function kindOf({ name, status, message, reason }: Facts): FailureKind {
  // A wrong key is an INVALID_ARGUMENT with status 400 here.
  if (reason?.startsWith('API_KEY_') === true || /API key (?:not valid|expired)/i.test(message)) return 'auth'
  if (reason === 'BILLING_DISABLED') return 'billing'
  const kind = (name !== undefined && Object.hasOwn(BY_STATUS, name) ? BY_STATUS[name] : undefined) ?? kindOfStatus(status)
  if (kind === 'bad_request' && /token count .{0,80}exceeds|exceeds the maximum|payload size exceeds/i.test(message))
    return 'too_large'
  return kind
}

function textOf(details: readonly Json[], type: string, member: string): string | undefined {
  for (const detail of details) {
    if (!isJsonObject(detail) || typeof detail['@type'] !== 'string' || !detail['@type'].endsWith(`.${type}`)) continue
    const value = detail[member]
    if (typeof value === 'string') return value
  }
  return undefined
}

/** A protobuf duration such as `12s` or `0.5s`. */
function retryDelay(text: string | undefined): number | undefined {
  const seconds = text === undefined ? undefined : /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(text)?.[1]
  return seconds === undefined ? undefined : Math.min(Math.ceil(Number(seconds) * 1000), MAX_RETRY_MS)
}

/** Milliseconds of a `retry-after` header: seconds, or a date by the clock of whoever sent it. */
function retryAfter(headers: RefusedAnswer['headers']): number | undefined {
  const text = headers['retry-after']?.trim()
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text) * 1000, MAX_RETRY_MS)
  const until = Date.parse(text)
  const now = Date.parse(headers['date'] ?? '')
  if (Number.isNaN(until)) return undefined
  return Number.isNaN(now) ? MAX_RETRY_MS : Math.min(Math.max(until - now, 0), MAX_RETRY_MS)
}

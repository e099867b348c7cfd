import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { failureMessage, KIND_OF_STATUS, plainWords, refusalBody } from '../failure-words.ts'
import { listOf, textOf } from '../loose-json.ts'
import type { Failure, FailureKind } from '../middle.ts'
import type { RefusedAnswer } from '../provider.ts'
import { boundedWaitMs, retryFacts } from '../retry-after.ts'

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

/** Reads a refusal of Google's: the error object, or nothing but the status when a proxy answered instead. */
export function geminiRefusal(answer: RefusedAnswer): Failure {
  return { ...geminiFailure(errorObject(answer.body) ?? {}, answer.status), ...retryFacts(answer.headers) }
}

/** The error object of a body, also of one wrapped in a list; undefined when there is none. */
export function errorObject(body: Buffer): JsonObject | undefined {
  const { error } = refusalBody(body)
  return isJsonObject(error) ? error : undefined
}

/** Reads Google's error object `{ code, message, status, details }`; `httpStatus` is that of the answer, absent inside a stream. */
export function geminiFailure(error: JsonObject, httpStatus: number | undefined): Failure {
  const code = typeof error['code'] === 'number' ? error['code'] : undefined
  // An error may come inside an answer with status 200.
  const status = httpStatus === undefined || httpStatus < 400 ? code : httpStatus
  const name = typeof error['status'] === 'string' ? error['status'] : undefined
  const details = listOf(error['details'])
  const reason = detailOf(details, 'ErrorInfo', 'reason')
  const said = textOf(error['message'])
  const kind = kindOf({ name, status, message: said, reason })
  const retryAfterMs = retryDelay(detailOf(details, 'RetryInfo', 'retryDelay'))
  return {
    kind,
    ...(status === undefined ? {} : { status }),
    message: failureMessage(said, kind, plainWords(name ?? status)),
    ...(name === undefined ? {} : { code: name }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

/** The kind of a refusal that says nothing but its HTTP status. */
function kindOfStatus(status: number | undefined): FailureKind {
  if (status === undefined) return 'server'
  return KIND_OF_STATUS[status] ?? (status >= 500 ? 'server' : 'bad_request')
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

function detailOf(details: readonly Json[], type: string, member: string): string | undefined {
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
  return seconds === undefined ? undefined : boundedWaitMs(Number(seconds) * 1_000)
}

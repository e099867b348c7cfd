import { toGatewayError, type ErrorCode, GatewayError } from '../core/errors.ts'
import type { DialectName, Failure, FailureKind } from './middle.ts'
import type { DialectError } from './wire.ts'

interface Row {
  readonly status: number
  /** `error.type` in the OpenAI dialects. */
  readonly openai: string
  /** `error.type` in the Messages dialect. */
  readonly anthropic: string
}

const row = (status: number, openai: string, anthropic: string): Row => ({ status, openai, anthropic })
const caller = (status: number) => row(status, 'invalid_request_error', 'invalid_request_error')
const ours = (status: number) => row(status, 'server_error', status === 503 ? 'overloaded_error' : 'api_error')
const tooMany = row(429, 'rate_limit_error', 'rate_limit_error')
const denied = row(403, 'permission_error', 'permission_error')
const missing = row(404, 'invalid_request_error', 'not_found_error')

const TABLE: Readonly<Record<ErrorCode, Row>> = {
  abandoned: caller(499),
  approval_required: denied,
  budget_exceeded: row(429, 'insufficient_quota', 'rate_limit_error'),
  concurrency_limited: tooMany,
  draining: ours(503),
  dropped_parameters: caller(400),
  forbidden: denied,
  guard_blocked: row(400, 'invalid_request_error', 'invalid_request_error'),
  header_mismatch: caller(400),
  insufficient_scope: denied,
  internal: ours(500),
  invalid_params: caller(400),
  invalid_request: caller(400),
  ledger_unavailable: ours(503),
  method_not_allowed: caller(405),
  method_not_found: missing,
  misdirected: caller(421),
  missing_capability: caller(400),
  model_disabled: ours(503),
  not_acceptable: caller(406),
  not_found: missing,
  origin_forbidden: denied,
  overloaded: ours(503),
  parse_error: caller(400),
  payload_too_large: row(413, 'invalid_request_error', 'request_too_large'),
  rate_limited: tooMany,
  request_timeout: row(408, 'invalid_request_error', 'timeout_error'),
  session_limit: tooMany,
  session_not_found: missing,
  unauthenticated: row(401, 'invalid_request_error', 'authentication_error'),
  unpriced: denied,
  unsupported_media_type: caller(415),
  unsupported_version: caller(400),
  upstream_auth: ours(502),
  upstream_cut: ours(502),
  upstream_invalid: ours(502),
  upstream_limited: tooMany,
  upstream_refused: caller(400),
  upstream_timeout: row(504, 'server_error', 'timeout_error'),
  upstream_too_large: ours(502),
  upstream_unavailable: ours(503),
}

/** Codes OpenAI clients know by another name than ours. */
const OPENAI_CODES: Partial<Record<ErrorCode, string>> = {
  not_found: 'model_not_found',
  rate_limited: 'rate_limit_exceeded',
  upstream_limited: 'rate_limit_exceeded',
  budget_exceeded: 'insufficient_quota',
  unauthenticated: 'invalid_api_key',
  guard_blocked: 'content_filter',
  upstream_cut: 'upstream_interrupted',
}

/** One failure in the words of a dialect. */
export function toDialectError(thrown: unknown, dialect: DialectName): DialectError {
  const error = toGatewayError(thrown)
  const { status, openai, anthropic } = TABLE[error.code]
  const said = error.details ?? {}
  const upstreamStatus = said['status']
  const code = said['code']
  const param = said['param']
  return {
    // A caller's fault keeps the status the provider gave it.
    status: error.code === 'upstream_refused' && typeof upstreamStatus === 'number' ? upstreamStatus : status,
    type: dialect === 'messages' ? anthropic : openai,
    code: typeof code === 'string' ? code : (OPENAI_CODES[error.code] ?? error.code),
    ...(typeof param === 'string' ? { param } : {}),
    message: error.message,
  }
}

const CODE_OF: Readonly<Record<FailureKind, ErrorCode>> = {
  bad_request: 'upstream_refused',
  too_large: 'upstream_refused',
  filtered: 'upstream_refused',
  auth: 'upstream_auth',
  forbidden: 'upstream_auth',
  billing: 'upstream_unavailable',
  not_found: 'upstream_invalid',
  rate_limited: 'upstream_limited',
  timeout: 'upstream_timeout',
  overloaded: 'upstream_unavailable',
  server: 'upstream_invalid',
  invalid: 'upstream_invalid',
  unreachable: 'upstream_unavailable',
}

const WORDS: Readonly<Record<FailureKind, string>> = {
  bad_request: 'refused the request',
  too_large: 'refused the request as too large',
  filtered: 'refused the content',
  auth: "did not accept the gateway's credential",
  forbidden: "does not allow this to the gateway's credential",
  billing: "has no credit left for the gateway's account",
  not_found: 'does not know the model',
  rate_limited: 'is at its rate limit',
  timeout: 'did not answer in time',
  overloaded: 'is overloaded',
  server: 'failed',
  invalid: 'sent an answer that cannot be read',
  unreachable: 'cannot be reached',
}

const MAX_RETRY_AFTER_S = 60
const BRIEF_S = 2

/** What a caller is told about a provider's failure: the provider's own words only when the caller is at fault. */
export function failureError(provider: string, failure: Failure): GatewayError {
  const code = CODE_OF[failure.kind]
  const isCallers = code === 'upstream_refused'
  const status = failure.status === undefined || isCallers ? '' : ` (status ${failure.status})`
  const message = isCallers ? failure.message : `provider "${provider}" ${WORDS[failure.kind]}${status}`
  return new GatewayError(code, message, {
    cause: new Error(failure.message),
    details: {
      ...(isCallers ? { status: failure.status ?? 400 } : {}),
      ...(isCallers && failure.code !== undefined ? { code: failure.code } : {}),
      ...(isCallers && failure.param !== undefined ? { param: failure.param } : {}),
    },
    ...retryAfter(failure),
  })
}

function retryAfter({ kind, retryAfterMs }: Failure): { readonly retryAfterSeconds?: number } {
  if (kind === 'rate_limited')
    return { retryAfterSeconds: Math.min(Math.max(1, Math.ceil((retryAfterMs ?? 1_000) / 1_000)), MAX_RETRY_AFTER_S) }
  return kind === 'overloaded' || kind === 'unreachable' || kind === 'billing' ? { retryAfterSeconds: BRIEF_S } : {}
}

/** The code an attempt's entry carries. */
export function failureCode(kind: FailureKind): ErrorCode {
  return CODE_OF[kind]
}

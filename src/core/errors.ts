/** Every way an exchange can fail. Closed: each wire has one table with a row per code (edge/errors.ts, mcp/errors.ts). */
export const ERROR_CODES = [
  'abandoned',
  'approval_required',
  'budget_exceeded',
  'concurrency_limited',
  'draining',
  'dropped_parameters',
  'forbidden',
  'guard_blocked',
  'header_mismatch',
  'insufficient_scope',
  'internal',
  'invalid_params',
  'invalid_request',
  'ledger_unavailable',
  'method_not_allowed',
  'method_not_found',
  'misdirected',
  'missing_capability',
  'model_disabled',
  'not_acceptable',
  'not_found',
  'origin_forbidden',
  'overloaded',
  'parse_error',
  'payload_too_large',
  'rate_limited',
  'request_timeout',
  'session_limit',
  'session_not_found',
  'unauthenticated',
  'unpriced',
  'unsupported_media_type',
  'unsupported_version',
  'upstream_auth',
  'upstream_cut',
  'upstream_invalid',
  'upstream_limited',
  'upstream_refused',
  'upstream_timeout',
  'upstream_too_large',
  'upstream_unavailable',
] as const

/** One of the closed list of failure codes. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** What may accompany an error: `details` reach the caller, `cause` never does. */
export interface GatewayErrorOptions {
  readonly cause?: unknown
  /** Public facts for the caller, for instance `{ supported: [...] }`. Nothing secret, no upstream body. */
  readonly details?: Readonly<Record<string, unknown>>
  /** When to come back, in whole seconds, at least 1. */
  readonly retryAfterSeconds?: number
}

/** The only error the gateway throws on purpose. `message` may reach the caller; `cause` stays in the process. */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>> | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'GatewayError'
    this.code = code
    this.details = options.details
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** Turns anything thrown into a GatewayError: what is not one already becomes `internal` with a fixed message. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError('internal', 'the gateway failed to handle this request', { cause: error })
}

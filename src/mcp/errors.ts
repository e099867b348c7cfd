import { toGatewayError, type ErrorCode, type GatewayError } from '../core/errors.ts'
import type { Json } from '../core/json.ts'
import type { Era } from '../core/snapshot.ts'
import type { JsonRpcError } from './upstream/contract.ts'

/** One failure as a caller gets it: HTTP status, headers and JSON-RPC error object. */
export interface WireError {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly error: JsonRpcError
}

/**
 * Where a failure happened. `envelope`: before the request was understood, so that HTTP carries it. `answer`: it is the answer
 * to a well-formed request, which legacy clients only read with status 200.
 */
export type Stage = 'envelope' | 'answer'

interface Row {
  readonly jsonRpcCode: number
  readonly envelope: number
  readonly modern: number
  readonly legacy: number
}

const row = (jsonRpcCode: number, envelope: number, modern: number, legacy: number): Row => ({
  jsonRpcCode,
  envelope,
  modern,
  legacy,
})

// Codes below -32000 belong to JSON-RPC and MCP (mcp-protocol 2.4); ours are positive and borrow the numbers of HTTP.
const TABLE: Readonly<Record<ErrorCode, Row>> = {
  abandoned: row(499, 499, 499, 499),
  approval_required: row(403, 200, 200, 200),
  budget_exceeded: row(429, 429, 429, 429),
  concurrency_limited: row(429, 429, 429, 429),
  draining: row(503, 503, 503, 503),
  dropped_parameters: row(400, 400, 200, 200),
  forbidden: row(403, 403, 403, 403),
  guard_blocked: row(403, 200, 200, 200),
  header_mismatch: row(-32020, 400, 400, 400),
  insufficient_scope: row(403, 403, 403, 403),
  internal: row(-32603, 500, 200, 200),
  invalid_params: row(-32602, 400, 200, 200),
  invalid_request: row(-32600, 400, 400, 400),
  ledger_unavailable: row(503, 503, 503, 503),
  method_not_allowed: row(-32601, 405, 405, 405),
  method_not_found: row(-32601, 404, 404, 200),
  misdirected: row(421, 421, 421, 421),
  missing_capability: row(-32021, 400, 400, 200),
  model_disabled: row(503, 503, 200, 200),
  not_acceptable: row(-32600, 406, 406, 406),
  not_found: row(-32602, 404, 200, 200),
  origin_forbidden: row(403, 403, 403, 403),
  overloaded: row(503, 503, 503, 503),
  parse_error: row(-32700, 400, 400, 400),
  payload_too_large: row(-32600, 413, 413, 413),
  rate_limited: row(429, 429, 429, 429),
  request_timeout: row(408, 408, 408, 408),
  session_limit: row(429, 429, 429, 429),
  session_not_found: row(-32001, 404, 404, 404),
  unauthenticated: row(401, 401, 401, 401),
  unpriced: row(403, 403, 200, 200),
  unsupported_media_type: row(-32600, 415, 415, 415),
  unsupported_version: row(-32022, 400, 400, 400),
  upstream_auth: row(502, 200, 200, 200),
  upstream_cut: row(502, 502, 200, 200),
  upstream_invalid: row(502, 200, 200, 200),
  upstream_limited: row(429, 429, 429, 429),
  upstream_refused: row(400, 400, 200, 200),
  upstream_timeout: row(504, 200, 200, 200),
  upstream_too_large: row(502, 200, 200, 200),
  upstream_unavailable: row(503, 200, 200, 200),
}

/** Turns anything thrown into what a caller of this era gets. The exchange id goes along when the fault is ours. */
export function toWireError(thrown: unknown, era: Era, stage: Stage, exchangeId: string): WireError {
  const failure = toGatewayError(thrown)
  const { jsonRpcCode, ...status } = TABLE[failure.code]
  const wait = failure.retryAfterSeconds
  const data = dataOf(failure, jsonRpcCode, exchangeId)
  const code = isUnknownResource(failure) && era === 'legacy' ? LEGACY_UNKNOWN_RESOURCE : jsonRpcCode
  return {
    status: stage === 'envelope' ? status.envelope : status[era],
    headers: wait === undefined ? {} : { 'retry-after': String(wait) },
    error: { code, message: failure.message, ...(data === undefined ? {} : { data }) },
  }
}

/** A second stream where a session may have one: the first stays, whoever opened it. */
export function conflictError(message: string): WireError {
  return { status: 409, headers: {}, error: { code: -32600, message } }
}

/** Revisions up to 2025-11-25 had a code of its own for a resource that is not there. */
const LEGACY_UNKNOWN_RESOURCE = -32002

const isUnknownResource = (failure: GatewayError) => failure.code === 'not_found' && failure.details?.['uri'] !== undefined

function dataOf(failure: GatewayError, jsonRpcCode: number, exchangeId: string): Json | undefined {
  // Details are plain facts put there by us; what JSON cannot say does not occur in them.
  const details = failure.details as Record<string, Json> | undefined
  const wait = failure.retryAfterSeconds
  if (failure.code === 'internal') return { reason: 'internal', exchange: exchangeId }
  if (jsonRpcCode < 0) return details
  return { reason: failure.code, ...details, ...(wait === undefined ? {} : { retryAfterSeconds: wait }) }
}

/** The error an upstream answered, as a caller of this era gets it. */
export function relayError(error: JsonRpcError, era: Era, uri: string | undefined): WireError {
  const code = relayedCode(error, era, uri)
  const data = uri !== undefined && code !== error.code && error.data === undefined ? { uri } : error.data
  return {
    status: era === 'modern' ? (STATUS_OF_CODE[code] ?? 200) : 200,
    headers: {},
    error: { code, message: error.message, ...(data === undefined ? {} : { data }) },
  }
}

const STATUS_OF_CODE: Readonly<Record<number, number>> = { [-32601]: 404, [-32021]: 400 }

/** Unknown resources are -32602 for modern clients and -32002 for legacy ones, whatever the upstream speaks. */
function relayedCode(error: JsonRpcError, era: Era, uri: string | undefined): number {
  if (era === 'modern') return error.code === LEGACY_UNKNOWN_RESOURCE ? -32602 : error.code
  const names = typeof error.data === 'object' && error.data !== null && 'uri' in error.data
  return uri !== undefined && error.code === -32602 && names ? LEGACY_UNKNOWN_RESOURCE : error.code
}

/** The body of an error answer. Without an id when the request's own could not be read. */
export function errorBody(idText: string | undefined, error: JsonRpcError): string {
  const id = idText === undefined ? '' : `"id":${idText},`
  return `{"jsonrpc":"2.0",${id}"error":${JSON.stringify(error)}}`
}

import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Caller } from './contract.ts'

/** The modern revision we speak to upstreams. */
export const MODERN_VERSION = '2026-07-28'
/** The legacy revision we offer in `initialize`. */
export const OFFERED_VERSION = '2025-11-25'
/** Legacy revisions we accept in the answer to `initialize`. */
export const LEGACY_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']

const PREFIX = 'io.modelcontextprotocol/'

/** Key in `_meta` that ties a notification to a listen request. */
export const SUBSCRIPTION_ID = `${PREFIX}subscriptionId`

/** What a modern server must learn with every request: who asks (the gateway) and what the caller's client can do. */
export function toEnvelope(clientInfo: JsonObject, capabilities: JsonObject, logLevel?: string): JsonObject {
  return {
    [`${PREFIX}protocolVersion`]: MODERN_VERSION,
    [`${PREFIX}clientCapabilities`]: capabilities,
    [`${PREFIX}clientInfo`]: clientInfo,
    ...(logLevel === undefined ? {} : { [`${PREFIX}logLevel`]: logLevel }),
  }
}

/** `traceparent`, `tracestate` and `baggage` of a call as bare `_meta` keys (SEP-414). */
function toTraceKeys({ trace }: Caller): JsonObject {
  return {
    traceparent: `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`,
    ...(trace.tracestate === undefined ? {} : { tracestate: trace.tracestate }),
    ...(trace.baggage === undefined ? {} : { baggage: trace.baggage }),
  }
}

/** The params of one call as sent: the caller's unknown `_meta` keys stay, ours are put over them. */
export function toCallParams(params: JsonObject, caller: Caller, token: number, envelope: JsonObject | undefined): JsonObject {
  const kept = isJsonObject(params['_meta']) ? params['_meta'] : {}
  const progress = caller.progress ? { progressToken: token } : {}
  return { ...params, _meta: { ...kept, ...envelope, ...toTraceKeys(caller), ...progress } }
}

import type { TraceContext } from '../core/exchange.ts'
import type { McpDeps, McpRequest } from './contract.ts'
import type { RequestMessage } from './message.ts'

/** The trace an exchange belongs to: from HTTP headers, and from `_meta` when the message brings one of its own. */
export function traceOf(deps: McpDeps, { trace }: McpRequest, { meta }: RequestMessage): TraceContext {
  return meta?.['traceparent'] === undefined ? trace : deps.traceOf(trace, meta)
}

import type { IncomingHttpHeaders } from 'node:http'
import type { TraceContext } from '../core/exchange.ts'
import type { Json } from '../core/json.ts'
import type { Identity } from '../core/principal.ts'

/** Where the name of a run may stand. */
export interface RunFacts {
  readonly identity: Identity
  readonly headers: IncomingHttpHeaders
  readonly meta: Readonly<Record<string, Json | undefined>> | undefined
  readonly trace: TraceContext
  readonly mcpSession: string | undefined
}

const NAME = /^[\x21-\x7e]{1,128}$/

/**
 * The run an exchange belongs to: the claim of the credential, else `X-Tollgate-Session`, else `_meta["dev.tollgate/session"]`, else the
 * W3C trace id the caller sent, else the MCP session, else a trace of its own. A name is worth nothing without its principal: whoever
 * counts or looks up by session does so per principal.
 */
export function sessionOf({ identity, headers, meta, trace, mcpSession }: RunFacts): string {
  const named = [identity.session, headers['x-tollgate-session'], meta?.['dev.tollgate/session']]
  for (const name of named) if (typeof name === 'string' && NAME.test(name)) return name
  if (trace.parentSpanId !== undefined) return trace.traceId
  return mcpSession ?? trace.traceId
}

import type { Entry } from '../core/entry.ts'
import { escapeActive, type LogFields } from './log-line.ts'
import { redact } from './redact.ts'

/** The log line of one exchange that left a ledger entry: the keys of every other line, facts under their OpenTelemetry names. */
export function toExchangeLine(entry: Entry, at: number): string {
  const line = {
    timestamp: new Date(at).toISOString(),
    level: 'info',
    message: 'exchange',
    trace_id: present(entry.traceId),
    request_id: entry.id,
    'mcp.method.name': redact(entry.method),
    ...targetOf(entry),
    'error.type': errorTypeOf(entry),
    'tollgate.status': entry.status,
    'tollgate.decision': entry.decision,
    'tollgate.reason': entry.reason,
    'tollgate.rule': present(entry.rule),
    'tollgate.catalog': present(entry.catalog),
    'tollgate.server': present(entry.server),
    'tollgate.team': present(entry.team),
    'tollgate.project': present(entry.project),
    'tollgate.agent': present(entry.agent),
    'tollgate.user': present(entry.user),
    'tollgate.subject': entry.subject,
    'tollgate.session': entry.session,
    'tollgate.duration_ms': rounded(entry.durationMs),
    'tollgate.gateway_ms': rounded(entry.gatewayMs),
    'tollgate.queue_ms': rounded(entry.queueMs),
    'tollgate.guard_ms': rounded(entry.guardMs),
    'tollgate.upstream_ms': rounded(entry.upstreamMs),
    'tollgate.request_bytes': entry.requestBytes,
    'tollgate.response_bytes': entry.responseBytes,
  }
  return `${escapeActive(JSON.stringify(line))}\n`
}

/** `error.type` of the conventions: `tool_error` for a tool that answered with one, else the code; absent when all went well. */
export function errorTypeOf(entry: Pick<Entry, 'status' | 'error'>): string | undefined {
  if (entry.status === 'ok' || entry.status === 'input_required') return undefined
  return entry.status === 'tool_error' ? 'tool_error' : (entry.error ?? entry.status)
}

function targetOf({ kind, target }: Entry): LogFields {
  const name = redact(target.length > 256 ? `${target.slice(0, 256)}…` : target)
  if (kind === 'tool') return { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': name }
  return kind === 'resource' ? { 'mcp.resource.uri': name } : { 'gen_ai.prompt.name': name }
}

function present(value: string | null): string | undefined {
  return value ?? undefined
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1_000) / 1_000
}

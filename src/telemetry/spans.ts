import type { Entry } from '../core/entry.ts'
import type { TraceContext } from '../core/exchange.ts'
import { errorTypeOf, inputOf, operationOf, outputOf } from './exchange-line.ts'

/** What a span says beyond the entry of its exchange. */
export interface SpanFacts {
  readonly protocolVersion: string
  /** JSON-RPC id of the caller's request. */
  readonly requestId?: string | number
  /** Legacy era only. */
  readonly mcpSession?: string
  readonly client?: { readonly address: string; readonly port: number }
  readonly upstream?: {
    readonly transport: 'tcp' | 'pipe'
    readonly address?: string
    readonly port?: number
    readonly protocolVersion?: string
  }
}

/** The trace of an exchange; `link` is the span of the HTTP request when the message named another parent. */
export type TracedBy = TraceContext & { readonly link?: { readonly traceId: string; readonly spanId: string } }

/** One span as it is going to be sent. Times are milliseconds since the epoch. */
export interface SpanPlan {
  readonly name: string
  readonly kind: 'server' | 'client'
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly start: number
  readonly end: number
  readonly attributes: SpanAttributes
  readonly isError: boolean
  readonly link?: { readonly traceId: string; readonly spanId: string }
}

/**
 * The spans of one exchange: the caller's request, and below it our request to the upstream when there was one. The id the upstream got as
 * its parent is that of our request to it; without such a request it is that of the caller's.
 */
export function planSpans(trace: TracedBy, entry: Entry, facts: SpanFacts, newSpanId: () => string): SpanPlan[] {
  const end = entry.at + entry.durationMs
  const hasUpstream = (entry.server !== null || entry.provider !== null) && entry.upstreamMs > 0
  const server: SpanPlan = {
    name: spanName(entry, entry.target),
    kind: 'server',
    spanId: hasUpstream ? newSpanId() : trace.spanId,
    parentSpanId: trace.parentSpanId,
    start: entry.at,
    end,
    attributes: serverAttributes(entry, facts),
    isError: isServerError(entry),
    ...(trace.link === undefined ? {} : { link: trace.link }),
  }
  if (!hasUpstream) return [server]
  const client: SpanPlan = {
    name: spanName(entry, entry.model ?? entry.upstreamTarget ?? entry.target),
    kind: 'client',
    spanId: trace.spanId,
    parentSpanId: server.spanId,
    start: Math.max(entry.at, end - entry.upstreamMs),
    end,
    attributes: clientAttributes(entry, facts),
    isError: CLIENT_ERRORS.has(entry.status),
  }
  return [server, client]
}

const CLIENT_ERRORS: ReadonlySet<Entry['status']> = new Set(['tool_error', 'error', 'cut', 'retried'])

/** Attributes of a span; absent ones are left out by the SDK's own rules. */
type SpanAttributes = Record<string, string | number>

/** Name of a span: the method and what it is about. Never a resource URI, whose number has no bound. */
function spanName({ kind, method }: Entry, target: string): string {
  if (kind === 'model') return `chat ${target}`
  return kind === 'resource' ? method : `${method} ${target}`
}

/** Attributes of the span of a caller's request. */
function serverAttributes(entry: Entry, facts: SpanFacts): SpanAttributes {
  return {
    ...commonAttributes(entry, entry.target),
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'mcp.protocol.version': facts.protocolVersion,
    ...present('jsonrpc.request.id', facts.requestId === undefined ? undefined : String(facts.requestId)),
    ...present('mcp.session.id', facts.mcpSession),
    ...present('client.address', facts.client?.address),
    ...present('client.port', facts.client?.port),
    'tollgate.exchange': entry.id,
    'tollgate.decision': entry.decision,
    'tollgate.reason': entry.reason,
    ...present('tollgate.rule', entry.rule),
    ...present('tollgate.catalog', entry.catalog),
    ...present('tollgate.server', entry.server),
    ...present('tollgate.team', entry.team),
    ...present('tollgate.project', entry.project),
    ...present('tollgate.agent', entry.agent),
    ...present('tollgate.user', entry.user),
    'tollgate.session': entry.session,
  }
}

/** Attributes of the span of the request to the upstream. */
function clientAttributes(entry: Entry, { upstream }: SpanFacts): SpanAttributes {
  return {
    ...commonAttributes(entry, entry.upstreamTarget ?? entry.target),
    ...present('network.transport', upstream?.transport),
    ...present('network.protocol.name', upstream?.transport === 'tcp' ? 'http' : undefined),
    ...present('server.address', upstream?.address),
    ...present('server.port', upstream?.port),
    ...present('mcp.protocol.version', upstream?.protocolVersion),
    ...present('tollgate.server', entry.server),
  }
}

/** Whether an ending is an error of the serving side: a caller's own mistake is none. */
function isServerError(entry: Entry): boolean {
  if (entry.status === 'tool_error') return true
  if (entry.status !== 'error') return false
  const code = Number(entry.error)
  return Number.isNaN(code) || code === -32_603 || (code <= -32_000 && code >= -32_099)
}

function commonAttributes(entry: Entry, target: string): SpanAttributes {
  const error = errorTypeOf(entry)
  if (entry.kind === 'model') return { ...modelAttributes(entry, target), ...present('error.type', error) }
  return {
    'mcp.method.name': entry.method,
    ...(entry.kind === 'tool' ? { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': target } : {}),
    ...(entry.kind === 'prompt' ? { 'gen_ai.prompt.name': target } : {}),
    ...present('error.type', error),
    ...present('rpc.response.status_code', error !== undefined && /^-?\d+$/.test(error) ? error : undefined),
  }
}

function modelAttributes(entry: Entry, target: string): SpanAttributes {
  return {
    'gen_ai.operation.name': operationOf(entry.method),
    'gen_ai.request.model': target,
    'http.route': entry.method,
    ...present('gen_ai.provider.name', entry.provider),
    ...present('gen_ai.response.model', entry.reportedModel),
    ...present('gen_ai.usage.input_tokens', inputOf(entry)),
    ...present('gen_ai.usage.output_tokens', outputOf(entry)),
    ...present('gen_ai.usage.cache_read.input_tokens', entry.cacheReadTokens),
    ...present('gen_ai.usage.reasoning.output_tokens', entry.reasoningTokens),
    ...present('gen_ai.response.time_to_first_chunk', entry.firstTokenMs === null ? null : entry.firstTokenMs / 1_000),
    ...present('tollgate.nano_usd', entry.nanoUsd),
  }
}

function present(name: string, value: string | number | null | undefined): SpanAttributes {
  return value === undefined || value === null ? {} : { [name]: value }
}

import type { TraceContext } from '../../core/exchange.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { encodeHeaderValue, paramHeaders } from '../param-headers.ts'
import type { SendOptions } from './contract.ts'
import { MODERN_VERSION } from './rpc-envelope.ts'

/** Headers of every POST, names and values in turn. */
export const POST_HEADERS: readonly string[] = [
  'content-type',
  'application/json',
  'accept',
  'application/json, text/event-stream',
]

/** Headers of every GET stream. */
export const GET_HEADERS: readonly string[] = ['accept', 'text/event-stream']

const HEADER_TEXT = /^[\x20-\x7e]+$/
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/** Headers of one modern request (2026-07-28): version, method, name and annotated arguments, computed from the body that goes with them. */
export function modernHeaders(method: string, params: JsonObject, options?: SendOptions): string[] {
  const headers = [...POST_HEADERS, 'mcp-protocol-version', MODERN_VERSION, 'mcp-method', method]
  const member = Object.hasOwn(NAMED, method) ? NAMED[method] : undefined
  const name = member === undefined ? undefined : params[member]
  if (typeof name === 'string') headers.push('mcp-name', encodeHeaderValue(name))
  if (options && method === 'tools/call') pushParams(headers, params, options)
  if (options) pushTrace(headers, options.caller.trace)
  return headers
}

function pushParams(headers: string[], params: JsonObject, { item }: SendOptions): void {
  const schema = item?.definition.raw['inputSchema']
  const args = params['arguments']
  if (!isJsonObject(schema)) return
  for (const [name, value] of Object.entries(paramHeaders(schema, isJsonObject(args) ? args : {}))) headers.push(name, value)
}

/** Adds the W3C trace headers of a call; what a header cannot carry is left out. */
export function pushTrace(headers: string[], trace: TraceContext): void {
  headers.push('traceparent', `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`)
  if (trace.tracestate !== undefined && HEADER_TEXT.test(trace.tracestate)) headers.push('tracestate', trace.tracestate)
  if (trace.baggage !== undefined && HEADER_TEXT.test(trace.baggage)) headers.push('baggage', trace.baggage)
}

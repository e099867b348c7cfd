/** A JSON-RPC id. */
export type Id = string | number

/** One request inside a line. */
export interface Call {
  readonly id: Id
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** A line of the client: its text goes out as it came, the rest says how. */
export interface Outgoing {
  readonly text: string
  /** Requests that want an answer; several only in a batch of 2025-03-26. */
  readonly calls: readonly Call[]
  readonly isBatch: boolean
  /** Method of a single request or notification; absent for answers and batches. */
  readonly method?: string
  readonly params: Readonly<Record<string, unknown>>
  /** Version of the modern envelope; absent: legacy. */
  readonly version?: string
}

/** An argument of a tool that travels as a header as well: its path through `properties`, and the header. */
export interface MirroredArgument {
  readonly path: readonly string[]
  readonly header: string
}

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion'

/** Which parameter names the target of a method, for the header `Mcp-Name`. */
const NAMED_BY: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/** Tells whether a parsed value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads one line of the client; undefined when it is no JSON-RPC message. */
export function readOutgoing(text: string): Outgoing | undefined {
  const value = parseJson(text)
  if (Array.isArray(value)) return { text, calls: value.flatMap((part) => callOf(part) ?? []), isBatch: true, params: {} }
  if (!isRecord(value)) return undefined
  const params = isRecord(value['params']) ? value['params'] : {}
  const call = callOf(value)
  const meta = isRecord(params['_meta']) ? params['_meta'] : {}
  const version = meta[VERSION_KEY]
  const method = value['method']
  if (typeof method !== 'string' && !('result' in value) && !('error' in value)) return undefined
  return {
    text,
    calls: call === undefined ? [] : [call],
    isBatch: false,
    params,
    ...(typeof method === 'string' ? { method } : {}),
    ...(typeof version === 'string' ? { version } : {}),
  }
}

function callOf(value: unknown): Call | undefined {
  if (!isRecord(value) || typeof value['method'] !== 'string') return undefined
  const { id, method, params } = value
  if (typeof id !== 'string' && typeof id !== 'number') return undefined
  return { id, method, params: isRecord(params) ? params : {} }
}

/** Parses JSON; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The headers a modern request needs besides its body (2026-07-28, Streamable HTTP). */
export function modernHeaders(message: Outgoing, mirrored: readonly MirroredArgument[]): Record<string, string> {
  const { method = '', params, version = '' } = message
  const headers: Record<string, string> = { 'mcp-protocol-version': version, 'mcp-method': method }
  const named = NAMED_BY[method]
  const name = named === undefined ? undefined : params[named]
  if (typeof name === 'string') headers['mcp-name'] = headerValue(name)
  for (const { path, header } of mirrored) {
    const value = path.reduce<unknown>(
      (at, key) => (isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined),
      params['arguments'],
    )
    if (['string', 'number', 'boolean'].includes(typeof value))
      headers[`mcp-param-${header.toLowerCase()}`] = headerValue(String(value))
  }
  return headers
}

/** A header value as it is when it can be, else the sentinel with base64 of its UTF-8. */
export function headerValue(text: string): string {
  const plain = /^[\x20-\x7E\t]+$/.test(text) && !/^[ \t]|[ \t]$/.test(text) && !/^=\?base64\?.*\?=$/.test(text)
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}

/** The mirrored arguments of every tool in the result of a `tools/list`. */
export function mirroredArguments(result: unknown): Map<string, readonly MirroredArgument[]> {
  const tools = isRecord(result) && Array.isArray(result['tools']) ? result['tools'] : []
  return new Map(
    tools.flatMap((tool: unknown) =>
      isRecord(tool) && typeof tool['name'] === 'string' ? [[tool['name'], annotated(tool['inputSchema'], [])]] : [],
    ),
  )
}

/** Deeper schemas than this carry no annotation we send; it also ends a walk through a hostile schema. */
const MAX_DEPTH = 16

function annotated(schema: unknown, path: readonly string[]): readonly MirroredArgument[] {
  if (!isRecord(schema) || path.length > MAX_DEPTH) return []
  const header = schema['x-mcp-header']
  const own = path.length > 0 && typeof header === 'string' && /^[!#$%&'*+.^_`|~\w-]+$/.test(header) ? [{ path, header }] : []
  const { properties } = schema
  return isRecord(properties)
    ? [...own, ...Object.keys(properties).flatMap((key) => annotated(properties[key], [...path, key]))]
    : own
}

/** A JSON-RPC error line for one request of the client. Codes above -32000 are ours to use in both eras. */
export function errorLine(id: Id | null, reason: string, message: string, data: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32603, message, data: { reason, ...data } } })
}

/** One answer of an MCP endpoint, whether it came as JSON or as a stream whose last message is the answer. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // The tests look into it and assert what they find.
  readonly message:
    | {
        id?: unknown
        result?: Record<string, unknown>
        error?: { code: number; message: string; data?: Record<string, unknown> }
      }
    | undefined
}

/** The envelope every 2026-07-28 request carries in `_meta`. */
const ENVELOPE = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
} as const

/** Sends one modern request by hand. */
export async function modernRequest(
  url: string,
  method: string,
  params: Record<string, unknown> = {},
  options: { headers?: Record<string, string>; id?: unknown } = {},
): Promise<RawAnswer> {
  const name = params['name'] ?? params['uri']
  const headers: Record<string, string> = {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(typeof name === 'string' && ['tools/call', 'prompts/get', 'resources/read'].includes(method) ? { 'mcp-name': name } : {}),
    ...options.headers,
  }
  const meta = { ...ENVELOPE, ...(params['_meta'] as object | undefined) }
  return await post(url, { jsonrpc: '2.0', id: options.id ?? 1, method, params: { ...params, _meta: meta } }, headers)
}

/** Opens `subscriptions/listen` for changes of the tools; resolves when the answer has begun. */
export async function openListen(url: string, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
  const params = { notifications: { toolsListChanged: true }, _meta: ENVELOPE }
  return await fetch(url, {
    method: 'POST',
    signal: signal ?? null,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'subscriptions/listen',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 'L', method: 'subscriptions/listen', params }),
  })
}

/** Posts any body. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<RawAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, message: lastMessage(text) }
}

function lastMessage(text: string): RawAnswer['message'] {
  const data = text.startsWith('{')
    ? text
    : (text
        .split('\n')
        .findLast((line) => line.startsWith('data: {'))
        ?.slice(6) ?? '')
  return data === '' ? undefined : (JSON.parse(data) as RawAnswer['message'])
}

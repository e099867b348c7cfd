import type { JsonObject } from '../../src/core/json.ts'
import { modernMeta } from './mcp-catalog.ts'

/** One HTTP answer with its JSON-RPC messages, whether they came as JSON or as events. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Every message, the answer last. */
  readonly messages: readonly Message[]
  /** The answer: the last message with a result or an error. */
  readonly answer: Message
}

/** A JSON-RPC message as a test looks into it. */
export interface Message {
  readonly jsonrpc: '2.0'
  readonly id?: string | number
  readonly method?: string
  readonly params?: JsonObject & { readonly _meta?: JsonObject }
  // What a test looks into is checked by its expectations.
  // oxlint-disable-next-line typescript/no-explicit-any -- results differ per method
  readonly result?: any
  readonly error?: { readonly code: number; readonly message: string; readonly data?: JsonObject }
}

/** How a raw request differs from the usual. `undefined` takes a header away. */
export interface RawOptions {
  readonly token?: string
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
}

/** Sends one body to a gateway and reads the whole answer. */
export async function postRaw(url: string, body: string | Uint8Array<ArrayBuffer>, options: RawOptions = {}): Promise<RawAnswer> {
  const response = await openRaw(url, body, options)
  return readAnswer(response, await response.text())
}

/** Sends one body and gives the answer while it is still coming. */
export async function openRaw(url: string, body: string | Uint8Array<ArrayBuffer>, options: RawOptions = {}): Promise<Response> {
  const headers = withoutUndefined({
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    ...(options.token === undefined ? {} : { Authorization: `Bearer ${options.token}` }),
    ...options.headers,
  })
  return fetch(url, { method: 'POST', headers, body, ...(options.signal ? { signal: options.signal } : {}) })
}

/** Headers that go with a stateless message. */
export function modernHeaders(message: JsonObject): Record<string, string> {
  const params = (message['params'] ?? {}) as JsonObject
  const method = typeof message['method'] === 'string' ? message['method'] : ''
  const name = method === 'resources/read' ? params['uri'] : params['name']
  return {
    'MCP-Protocol-Version': '2026-07-28',
    'Mcp-Method': method,
    ...(typeof name === 'string' && method !== 'completion/complete' ? { 'Mcp-Name': name } : {}),
  }
}

/** A stateless message with its envelope. */
export function modernMessage(method: string, params: JsonObject = {}, capabilities: JsonObject = {}): JsonObject {
  const meta = (params['_meta'] ?? {}) as JsonObject
  return { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: modernMeta(capabilities, meta) } }
}

/** Sends one stateless request. */
export async function modern(
  url: string,
  method: string,
  params: JsonObject = {},
  options: RawOptions & { readonly capabilities?: JsonObject } = {},
) {
  const message = modernMessage(method, params, options.capabilities)
  return postRaw(url, JSON.stringify(message), { ...options, headers: { ...modernHeaders(message), ...options.headers } })
}

/** A legacy session driven by hand. */
export interface RawSession {
  readonly id: string
  readonly initialized: RawAnswer
  post(message: JsonObject, options?: RawOptions): Promise<RawAnswer>
  request(method: string, params?: JsonObject, options?: RawOptions): Promise<RawAnswer>
  get(headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>
  delete(): Promise<Response>
}

/** Opens a session with `initialize` and `notifications/initialized`. */
export async function openSession(
  url: string,
  options: RawOptions & { readonly version?: string; readonly capabilities?: JsonObject } = {},
): Promise<RawSession> {
  const version = options.version ?? '2025-11-25'
  const params = {
    protocolVersion: version,
    capabilities: options.capabilities ?? {},
    clientInfo: { name: 'test', version: '1' },
  }
  const initialized = await postRaw(url, JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }), options)
  const id = initialized.headers.get('mcp-session-id') ?? ''
  const headers = { 'Mcp-Session-Id': id, 'MCP-Protocol-Version': version }
  const auth = options.token === undefined ? {} : { Authorization: `Bearer ${options.token}` }
  let next = 0
  const post = (message: JsonObject, more: RawOptions = {}) =>
    postRaw(url, JSON.stringify(message), { ...options, ...more, headers: { ...headers, ...more.headers } })
  if (id !== '') await post({ jsonrpc: '2.0', method: 'notifications/initialized' })
  return {
    id,
    initialized,
    post,
    request: (method, requestParams = {}, more = {}) =>
      post({ jsonrpc: '2.0', id: (next += 1), method, params: requestParams }, more),
    get: (more = {}, signal) =>
      fetch(url, { headers: { Accept: 'text/event-stream', ...headers, ...auth, ...more }, ...(signal ? { signal } : {}) }),
    delete: () => fetch(url, { method: 'DELETE', headers: { ...headers, ...auth } }),
  }
}

/** One server-sent event. */
export interface RawEvent {
  readonly id?: string
  readonly retry?: string
  readonly data: string
  readonly comment?: string
}

/** Reads the events of an answer one by one; `next` waits. */
export function eventsOf(response: Response): {
  next(): Promise<RawEvent | undefined>
  message(): Promise<Message>
  cancel(): Promise<void>
} {
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader()
  let pending = ''
  const next = async (): Promise<RawEvent | undefined> => {
    for (;;) {
      const end = pending.indexOf('\n\n')
      if (end >= 0) {
        const block = pending.slice(0, end)
        pending = pending.slice(end + 2)
        return toEvent(block)
      }
      const { done, value } = await reader.read()
      if (done) return undefined
      pending += value
    }
  }
  return {
    next,
    async message() {
      for (;;) {
        const event = await next()
        if (event === undefined) throw new Error('the stream ended')
        if (event.data !== '') return JSON.parse(event.data) as Message
      }
    },
    cancel: () => reader.cancel(),
  }
}

function toEvent(block: string): RawEvent {
  const fields = Object.fromEntries(
    block.split('\n').map((line) => {
      const colon = line.indexOf(':')
      return [colon === 0 ? 'comment' : line.slice(0, colon), line.slice(colon + 1).trim()]
    }),
  )
  return { data: '', ...fields }
}

function readAnswer(response: Response, text: string): RawAnswer {
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream')
  const texts = isStream ? text.split('\n\n').map((block) => toEvent(block).data) : [text]
  const messages = texts.filter((part) => part !== '').flatMap((part) => JSON.parse(part) as Message | Message[])
  const answer = messages.findLast((message) => 'result' in message || 'error' in message) ?? { jsonrpc: '2.0' }
  return { status: response.status, headers: response.headers, text, messages, answer }
}

function withoutUndefined(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

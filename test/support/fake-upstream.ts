import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { JsonObject } from '../../src/core/json.ts'

/** One request as the fake upstream saw it. */
export interface SeenRequest {
  readonly method: string
  readonly headers: IncomingMessage['headers']
  /** The JSON body; an empty object when there was none. */
  readonly body: JsonObject
}

/** Answers one HTTP request; what it leaves open stays open until the server closes. */
export type Behaviour = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

/** A raw HTTP server on a free port of the loopback interface. */
export interface FakeUpstream extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly requests: SeenRequest[]
  /** Requests of one JSON-RPC method, in order. */
  called(method: string): SeenRequest[]
  /** Resolves at the next HTTP request that `wanted` holds for (also one that was already seen). */
  seen(wanted: (request: SeenRequest) => boolean): Promise<SeenRequest>
  become(behaviour: Behaviour): void
}

/** Starts a server that does exactly what the behaviour says, right or wrong. */
export async function startFakeUpstream(first: Behaviour, port = 0): Promise<FakeUpstream> {
  let behaviour = first
  const requests: SeenRequest[] = []
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => undefined)
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      // `as`: only JSON objects are posted in these tests
      const seen = {
        method: request.method ?? '',
        headers: request.headers,
        body: (text === '' ? {} : JSON.parse(text)) as JsonObject,
      }
      requests.push(seen)
      for (const check of waiting) check()
      void behaviour(seen, response)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { port: number } // a TCP server has an address object
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    port: address.port,
    requests,
    called: (method) => requests.filter(({ body }) => body['method'] === method),
    seen: (wanted) =>
      new Promise((resolve) => {
        const check = (): void => {
          const found = requests.find((request) => wanted(request))
          if (!found) return
          waiting.delete(check)
          resolve(found)
        }
        waiting.add(check)
        check()
      }),
    become: (next) => void (behaviour = next),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Sends one JSON-RPC result. */
export function answer(
  response: ServerResponse,
  request: SeenRequest,
  result: JsonObject,
  headers: Record<string, string> = {},
): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify({ jsonrpc: '2.0', id: request.body['id'], result }))
}

/** Sends one JSON-RPC error with a status. */
export function refuse(response: ServerResponse, request: SeenRequest, status: number, error: JsonObject): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', id: request.body['id'] ?? null, error }))
}

/** Starts an event stream. */
export function stream(response: ServerResponse): (message: JsonObject, fields?: string) => void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  return (message, fields = '') => void response.write(`${fields}data: ${JSON.stringify(message)}\n\n`)
}

/** A tool as the fakes list it. */
export function tool(name: string, properties: JsonObject = {}): JsonObject {
  return { name, description: name, inputSchema: { type: 'object', properties } }
}

type Tools = () => readonly JsonObject[]

/** A correct modern server with these tools; `call` answers tools/call. */
export function modern(tools: Tools, call: Behaviour, capabilities: JsonObject = { tools: {} }): Behaviour {
  return (request, response) => {
    const { method } = request.body
    const hints = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' }
    if (request.method !== 'POST') return void response.writeHead(405).end()
    if (method === 'server/discover')
      return answer(response, request, { ...hints, supportedVersions: ['2026-07-28'], capabilities })
    if (method === 'tools/list') return answer(response, request, { ...hints, tools: [...tools()] })
    if (method === 'tools/call') return call(request, response)
    return refuse(response, request, 404, { code: -32_601, message: 'method not found' })
  }
}

/** A correct legacy server with sessions; `call` answers tools/call and everything else that is not the handshake. */
export function legacy(
  tools: Tools,
  call: Behaviour,
  capabilities: JsonObject = { tools: {} },
): Behaviour & { readonly sessions: Set<string> } {
  const sessions = new Set<string>()
  let count = 0
  const behaviour: Behaviour = (request, response) => {
    const { method } = request.body
    if (method === 'initialize') {
      const session = `session-${++count}`
      sessions.add(session)
      const result = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'fake', version: '1' } }
      return answer(response, request, result, { 'mcp-session-id': session })
    }
    const session = request.headers['mcp-session-id']
    if (session === undefined) return refuse(response, request, 400, { code: -32_000, message: 'no session' })
    if (!sessions.has(String(session))) return refuse(response, request, 404, { code: -32_001, message: 'unknown session' })
    if (request.method === 'GET')
      return void (request.headers['last-event-id'] === undefined ? response.writeHead(405).end() : call(request, response))
    if (request.method === 'DELETE') return void (sessions.delete(String(session)), response.writeHead(200).end())
    if (method === 'tools/list') return answer(response, request, { tools: [...tools()] })
    if (method === 'tools/call') return call(request, response)
    if (request.body['id'] === undefined || method === undefined) return void response.writeHead(202).end()
    return call(request, response)
  }
  return Object.assign(behaviour, { sessions })
}

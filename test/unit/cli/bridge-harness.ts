import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { bridgeUrl, runBridge } from '../../../src/cli/bridge/bridge.ts'
import { readLines } from '../../../src/cli/bridge/lines.ts'

/** A message a test looks into without proving its shape first. */
export type Loose = ReturnType<typeof JSON.parse>

/** One request a fake gateway got. */
export interface Seen {
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly message: Loose
}

/** A gateway that does what a test says. */
export async function startGateway(answer: (seen: Seen, response: ServerResponse, count: number) => void, onPort = 0) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const one = {
        method: request.method ?? '',
        headers: request.headers,
        body,
        message: body === '' ? undefined : JSON.parse(body),
      }
      seen.push(one)
      answer(one, response, seen.length)
    })
  })
  server.listen(onPort, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    seen,
    port,
    url: `http://127.0.0.1:${port}/mcp`,
    bodies: () => seen.filter(({ method }) => method === 'POST').map(({ message }) => message.method ?? 'answer'),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A JSON answer. */
export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(typeof body === 'string' ? body : JSON.stringify(body))
}

/** A bridge in this process, spoken to in messages. */
export function startBridge(url: string, options: Partial<Parameters<typeof runBridge>[0]> = {}) {
  const input = new PassThrough()
  const output = new PassThrough()
  const stop = new AbortController()
  const logged: string[] = []
  const lines = readLines(output, 1e9)
  const done = runBridge(
    { url: bridgeUrl(url, false), log: (_level, line) => void logged.push(line), ...options },
    { input, output, signal: stop.signal },
  ).finally(() => output.end())
  return {
    logged,
    done,
    /** Sends a message, or a line as it is. */
    send: (message: unknown) => void input.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
    /** The next line, raw. */
    nextLine: async (): Promise<string | undefined> => {
      const { value } = await lines.next()
      return value !== undefined && 'text' in value ? value.text : undefined
    },
    async next(): Promise<Loose> {
      const line = await this.nextLine()
      return line === undefined ? undefined : JSON.parse(line)
    },
    closeInput: () => void input.end(),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await done
    },
  }
}

/** Messages of a legacy client. */
export const LEGACY = {
  initialize: {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
  },
  initialized: { jsonrpc: '2.0', method: 'notifications/initialized' },
  call: (id: number, name = 'x', args: object = {}) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name, arguments: args },
  }),
} as const

/** A request of a modern client. */
export function modern(id: number | string, method: string, params: object = {}) {
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
  return { jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } }
}

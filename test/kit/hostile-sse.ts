import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readBody } from './hostile-http.ts'
import { eventOf, partsOf, type Desk, type Wire } from './hostile-step.ts'
import { writeThrough } from './write-through.ts'

/** The transport of 2024: one stream of events from the server, messages posted beside it. */
export async function startHostileSse(desk: Desk): Promise<Wire> {
  const streams = new Map<ServerResponse, AbortController>()
  const server = createServer((request, response) => {
    response.on('error', () => undefined)
    if (request.method !== 'GET') return void take(desk, [...streams].at(-1), request, response)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('event: endpoint\ndata: /messages\n\n')
    streams.set(response, new AbortController())
    response.on('close', () => {
      streams.get(response)?.abort()
      streams.delete(response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    file: { type: 'sse', url: `http://127.0.0.1:${port}/sse` },
    push: async (message) =>
      void (await Promise.all([...streams.keys()].map((stream) => writeThrough(stream, eventOf(message))))),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function take(
  desk: Desk,
  open: readonly [ServerResponse, AbortController] | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts = partsOf(await readBody(request))
  response.writeHead(202).end()
  if (open === undefined) return
  const [stream, gone] = open
  const id = parts.id ?? null
  desk.take({
    ...parts,
    headers: request.headers,
    gone: gone.signal,
    result: (result) => void writeThrough(stream, eventOf({ jsonrpc: '2.0', id, result })),
    error: (code, message) => void writeThrough(stream, eventOf({ jsonrpc: '2.0', id, error: { code, message } })),
    send: (message) => writeThrough(stream, eventOf(message)),
    body: (bytes) => void writeThrough(stream, bytes),
    raw: (bytes) => writeThrough(stream, bytes),
    hangUp: () => stream.socket?.destroySoon(),
  })
}

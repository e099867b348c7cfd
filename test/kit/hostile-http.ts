import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { eventOf, partsOf, type Desk, type Step, type Wire } from './hostile-step.ts'
import { writeThrough } from './write-through.ts'

const SESSION = 'hostile-session'

/** The streamable HTTP transport: a POST is a step, a GET is a stream for messages nobody asked for. */
export async function startHostileHttp(desk: Desk): Promise<Wire> {
  const streams = new Set<ServerResponse>()
  const server = createServer((request, response) => {
    response.on('error', () => undefined)
    request.on('error', () => undefined)
    if (request.method === 'GET') return openStream(streams, response)
    if (request.method !== 'POST') return void response.writeHead(200).end()
    void readBody(request).then((body) => desk.take(stepOf({ request, response, body, streams })))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    file: { type: 'http', url: `http://127.0.0.1:${port}/mcp` },
    push: async (message) => void (await Promise.all([...streams].map((stream) => writeThrough(stream, eventOf(message))))),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** The whole body as JSON; an empty one is an empty object. */
export async function readBody(request: IncomingMessage): Promise<Json> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  return text === '' ? {} : (JSON.parse(text) as Json) // what JSON.parse gives
}

function openStream(streams: Set<ServerResponse>, response: ServerResponse): void {
  startEvents(response)
  streams.add(response)
  response.on('close', () => streams.delete(response))
}

function startEvents(response: ServerResponse): void {
  if (response.headersSent) return
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
}

interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Json
  readonly streams: Set<ServerResponse>
}

function stepOf({ request, response, body, streams }: Asked): Step {
  const parts = partsOf(body)
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  // A notification or an answer to the server is taken without words.
  if (parts.id === undefined || parts.method === '') response.writeHead(202).end()
  if (parts.method === 'subscriptions/listen') {
    streams.add(response)
    response.on('close', () => streams.delete(response))
  }
  const answer = (message: JsonObject): void => {
    if (response.headersSent) return void response.end(eventOf(message))
    const session = parts.method === 'initialize' ? { 'mcp-session-id': SESSION } : {}
    response.writeHead(200, { 'content-type': 'application/json', ...session }).end(JSON.stringify(message))
  }
  return {
    ...parts,
    headers: request.headers,
    gone: gone.signal,
    result: (result) => answer({ jsonrpc: '2.0', id: parts.id ?? null, result }),
    error: (code, message) => answer({ jsonrpc: '2.0', id: parts.id ?? null, error: { code, message } }),
    async send(message) {
      startEvents(response)
      await writeThrough(response, eventOf(message))
    },
    body: (bytes, contentType = 'application/json') => void response.writeHead(200, { 'content-type': contentType }).end(bytes),
    raw: (bytes) => writeThrough(response.socket ?? response, bytes),
    hangUp: () => response.socket?.destroySoon(),
  }
}

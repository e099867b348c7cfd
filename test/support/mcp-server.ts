import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Identity } from '../../src/core/principal.ts'
import type { EventStream, Responder } from '../../src/core/responder.ts'
import { uuidv7 } from '../../src/lib/id.ts'
import type { McpFacet, McpRequest } from '../../src/mcp/contract.ts'

/** A facet behind a bare HTTP server on a free port; `await using` closes both. */
export type McpServer = AsyncDisposable & { readonly url: string; readonly origin: string }

/** Who calls is named by the bearer token; each token stands for one identity. */
export async function serveFacet(facet: McpFacet, identities: Readonly<Record<string, Identity>>): Promise<McpServer> {
  const server = createServer((request, response) => void handle(facet, identities, request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  return {
    origin,
    url: `${origin}/mcp`,
    async [Symbol.asyncDispose]() {
      facet.close()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function handle(
  facet: McpFacet,
  identities: Readonly<Record<string, Identity>>,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const httpMethod = incoming.method ?? 'GET'
  const identity = identities[(incoming.headers.authorization ?? 'Bearer default').replace(/^Bearer /, '')]
  if (httpMethod !== 'POST' && httpMethod !== 'GET' && httpMethod !== 'DELETE') return void response.writeHead(405).end()
  if (identity === undefined) return void response.writeHead(401).end()
  const catalog = /^\/mcp\/([^/?]+)$/.exec(incoming.url ?? '')?.[1]
  const now = Date.now()
  const exchangeId = uuidv7(now)
  const request: McpRequest = {
    httpMethod,
    headers: incoming.headers,
    body: httpMethod === 'POST' ? await buffer(incoming) : undefined,
    identity,
    catalog,
    exchangeId,
    trace: { traceId: exchangeId.replaceAll('-', ''), spanId: '00f067aa0ba902b7', sampled: false },
    receivedAt: now,
    startedAt: performance.now(),
  }
  await facet.handle(request, toResponder(response))
}

function toResponder(response: ServerResponse): Responder {
  let started = false
  const isGone = () => response.destroyed && !response.writableFinished
  return {
    get hungUp() {
      return isGone()
    },
    onHangUp(listener) {
      if (isGone()) return listener()
      response.on('close', () => {
        if (!response.writableFinished) listener()
      })
    },
    get started() {
      return started
    },
    send(status, headers, body) {
      if (started) throw new Error('answered twice')
      started = true
      response.writeHead(status, headers).end(body)
    },
    stream(headers) {
      if (started) throw new Error('answered twice')
      started = true
      response.writeHead(200, headers)
      response.flushHeaders()
      return toEventStream(response)
    },
    bytes() {
      throw new Error('the MCP facet writes no bytes of its own')
    },
  }
}

function toEventStream(response: ServerResponse): EventStream {
  const listeners: ((byCaller: boolean) => void)[] = []
  let ours = false
  let closed = false
  const close = () => {
    if (closed) return
    closed = true
    for (const listener of listeners.splice(0)) listener(!ours)
  }
  response.on('close', close)
  return {
    get closed() {
      return closed
    },
    send(data, fields = {}) {
      if (closed) return
      const retry = fields.retryMs === undefined ? '' : `retry: ${fields.retryMs}\n`
      const id = fields.id === undefined ? '' : `id: ${fields.id}\n`
      response.write(`${id}${retry}data: ${data}\n\n`)
    },
    comment(text) {
      if (!closed) response.write(`: ${text}\n\n`)
    },
    end() {
      ours = true
      response.end()
      close()
    },
    onClose(listener) {
      if (closed) listener(!ours)
      else listeners.push(listener)
    },
  }
}

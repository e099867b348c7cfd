import { createServer, type IncomingMessage, type Server as HttpListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { afterEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { Server, type SseServer } from '../../src/config/server.ts'
import { createEgress } from '../../src/lib/egress.ts'
import type { Connection } from '../../src/mcp/upstream/contract.ts'
import { connectSse, type SseDeps } from '../../src/mcp/upstream/sse-connection.ts'
import { callTool, createCaller, jsonOf, textOf } from '../support/stdio-fixtures.ts'

const cleanups: (() => Promise<unknown> | void)[] = []

afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

async function listenOn(handle: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
  const listener: HttpListener = createServer(handle)
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    listener.closeAllConnections()
    return new Promise<void>((resolve) => listener.close(() => resolve()))
  })
  // `as`: a listener on a TCP port has an address with a port.
  return `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
}

function toSseServer(url: string, settings: object = {}): SseServer {
  const server = Server.parse({ type: 'sse', url, ...settings })
  if (server.type !== 'sse') throw new Error('no SSE server')
  return server
}

async function connect(url: string, settings: object = {}, deps: Partial<SseDeps> = {}): Promise<Connection> {
  const egress = createEgress({ allow: [] })
  const dispatcher = egress.dispatcher(url, { literalAllowed: true, connectTimeoutMs: 1_000 })
  cleanups.push(() => dispatcher.destroy())
  const connection = await connectSse(toSseServer(url, settings), {
    id: 'old',
    dispatcher,
    now: () => performance.now(),
    clientInfo: { name: 'tollgate', version: '0' },
    ...deps,
  })
  cleanups.push(() => connection.close())
  return connection
}

function createOldServer(): McpServer {
  const server = new McpServer({ name: 'old', version: '1' }, { capabilities: { tools: {}, logging: {} } })
  server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => ({ content: [{ type: 'text', text }] }))
  server.registerTool('count', { inputSchema: {} }, async (_input, { sendNotification, _meta }) => {
    for (const progress of [1, 2]) {
      if (_meta?.progressToken === undefined) continue
      await sendNotification({ method: 'notifications/progress', params: { progressToken: _meta.progressToken, progress } })
    }
    return { content: [{ type: 'text', text: 'counted' }] }
  })
  server.registerTool('confirm', { inputSchema: {} }, async () => {
    const answer = await server.server.elicitInput({ message: 'Sure?', requestedSchema: { type: 'object', properties: {} } })
    return { content: [{ type: 'text', text: JSON.stringify(answer) }] }
  })
  server.registerTool('never', { inputSchema: {} }, (_input, { signal }) => {
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        cancelled.push('never')
        resolve({ content: [] })
      })
    })
  })
  return server
}

const cancelled: string[] = []

/** A server of the v1 SDK, as they were written in 2024. */
async function startOldServer(): Promise<{ url: string; seen: IncomingMessage[]; endStreams: () => void }> {
  const transports = new Map<string, SSEServerTransport>()
  const seen: IncomingMessage[] = []
  const streams: ServerResponse[] = []
  const origin = await listenOn((request, response) => {
    seen.push(request)
    const url = new URL(request.url ?? '/', 'http://x')
    if (request.method === 'GET') {
      const transport = new SSEServerTransport('/messages', response)
      transports.set(transport.sessionId, transport)
      streams.push(response)
      void createOldServer().connect(transport)
    } else {
      const transport = transports.get(url.searchParams.get('sessionId') ?? '')
      if (transport === undefined) response.writeHead(404).end()
      else void transport.handlePostMessage(request, response)
    }
  })
  return { url: `${origin}/sse`, seen, endStreams: () => streams.forEach((stream) => stream.end()) }
}

describe('a server of the v1 SDK over HTTP+SSE', () => {
  test('is initialized, lists and answers', async () => {
    const { url } = await startOldServer()
    const connection = await connect(url)

    const list = await connection.send({ method: 'tools/list', params: {}, caller: createCaller() })

    expect(connection.facts).toMatchObject({ era: 'legacy', protocolVersion: '2025-11-25', serverInfo: { name: 'old' } })
    expect(list).toMatchObject({
      kind: 'result',
      result: { tools: [{ name: 'echo' }, { name: 'count' }, { name: 'confirm' }, { name: 'never' }] },
    })
    expect(textOf(await callTool(connection, 'echo', { text: 'hello' }))).toBe('hello')
  })

  test('progress reaches the caller that asked, and only that one', async () => {
    const { url } = await startOldServer()
    const connection = await connect(url)
    const [asks, quiet] = [createCaller({ progress: true }), createCaller()]

    await Promise.all([callTool(connection, 'count', {}, asks), callTool(connection, 'count', {}, quiet)])

    expect(asks.heard.map(({ params }) => params)).toEqual([{ progress: 1 }, { progress: 2 }])
    expect(quiet.heard).toEqual([])
  })

  test('a question parks the call until the caller answered', async () => {
    const { url } = await startOldServer()
    const connection = await connect(url, {}, { capabilities: { elicitation: {} } })
    const step = await callTool(connection, 'confirm', {}, createCaller({ capabilities: { elicitation: {} } }))
    if (step.kind !== 'input') throw new Error('expected a question')
    const [[key, request] = ['', undefined]] = Object.entries(step.requests)

    const end = await step.held?.resume({ [key]: { action: 'accept', content: {} } }, createCaller())

    expect(request).toMatchObject({ method: 'elicitation/create', params: { message: 'Sure?' } })
    expect(jsonOf(end!)).toEqual({ action: 'accept', content: {} })
  })

  test('a caller that hangs up cancels its call at the server', async () => {
    const { url } = await startOldServer()
    const connection = await connect(url)
    const hangUp = new AbortController()
    const call = callTool(connection, 'never', {}, createCaller({ signal: hangUp.signal }))
    await callTool(connection, 'echo', { text: 'both under way' })

    hangUp.abort()

    await expect(call).rejects.toMatchObject({ code: 'abandoned' })
    await expect.poll(() => cancelled).toEqual(['never'])
  })

  test('calls under way fail when the stream ends, and the connection says that it is over', async () => {
    const { url, endStreams } = await startOldServer()
    const connection = await connect(url)
    const closed = new Promise<string>((resolve) => connection.onClose(resolve))
    const call = callTool(connection, 'never')
    await callTool(connection, 'echo', { text: 'both under way' })

    endStreams()

    await expect(call).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(await closed).toBe('its stream ended')
    await expect(callTool(connection, 'echo', { text: 'x' })).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })

  test('fixed headers and the credential go with every request', async () => {
    const { url, seen } = await startOldServer()
    const connection = await connect(
      url,
      { headers: { 'x-region': 'eu' } },
      { credential: { headers: async () => ({ authorization: 'Bearer t' }), rejected: () => undefined } },
    )

    await callTool(connection, 'echo', { text: 'x' })

    expect(seen.map(({ method, headers }) => [method, headers['x-region'], headers.authorization])).toEqual(
      ['GET', 'POST', 'POST', 'POST'].map((method) => [method, 'eu', 'Bearer t']),
    )
  })
})

test('a 401 renews the credential and asks once more', async () => {
  const { url: inner } = await startOldServer()
  const tokens = ['stale', 'fresh']
  const seen: (string | undefined)[] = []
  const url = await listenOn((request, response) => {
    seen.push(request.headers.authorization)
    if (request.headers.authorization !== 'Bearer fresh') return response.writeHead(401).end()
    return response.writeHead(307, { location: inner }).end()
  })
  const credential = {
    headers: async () => ({ authorization: `Bearer ${tokens[0]}` }),
    rejected: () => void tokens.shift(),
  }

  await expect(connect(url, {}, { credential })).rejects.toMatchObject({ code: 'upstream_invalid' })

  expect(seen).toEqual(['Bearer stale', 'Bearer fresh'])
})

describe('a server over HTTP+SSE that lies', () => {
  const stream = (response: ServerResponse, ...events: string[]): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const event of events) response.write(event)
  }
  const endpoint = (url: string): string => `event: endpoint\ndata: ${url}\n\n`

  test.each([
    ['another host', 'http://169.254.169.254/messages'],
    ['another port', 'http://127.0.0.1:1/messages'],
    ['another scheme', 'file:///etc/passwd'],
    ['a network path', '//127.0.0.2/messages'],
    ['credentials in it', 'http://user:pass@127.0.0.1/messages'],
    ['no URL at all', 'http://['],
  ])('E27: an endpoint event that names %s is refused', async (_name, named) => {
    const url = await listenOn((_request, response) => stream(response, endpoint(named)))

    await expect(connect(url)).rejects.toMatchObject({ code: 'upstream_invalid' })
  })

  test('a second endpoint event changes nothing', async () => {
    const posted: string[] = []
    const url = await listenOn((request, response) => {
      if (request.method === 'GET') return stream(response, endpoint('/one'), endpoint('/two'))
      posted.push(request.url ?? '')
      response.writeHead(202).end()
    })

    await expect(connect(url, { timeouts: { firstByteMs: 300 } })).rejects.toMatchObject({ code: 'upstream_timeout' })

    expect(posted).toEqual(['/one'])
  })

  test.each([
    ['no endpoint event', 'upstream_timeout', (response: ServerResponse) => stream(response, ': hello\n\n')],
    [
      'HTML',
      'upstream_invalid',
      (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
    ],
    ['a redirect', 'upstream_invalid', (response: ServerResponse) => response.writeHead(302, { location: '/elsewhere' }).end()],
    ['401', 'upstream_auth', (response: ServerResponse) => response.writeHead(401).end()],
    ['503', 'upstream_unavailable', (response: ServerResponse) => response.writeHead(503).end()],
    [
      'an event over the bound',
      'upstream_unavailable',
      (response: ServerResponse) => stream(response, `data: ${'x'.repeat(5_000)}`),
    ],
    [
      'a compressed stream',
      'upstream_invalid',
      (response: ServerResponse) =>
        response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }).end(),
    ],
  ])('%s instead of a stream ends as %s', async (_name, code, answer) => {
    const url = await listenOn((_request, response) => answer(response))

    await expect(connect(url, { timeouts: { firstByteMs: 300 }, bounds: { eventBytes: 1_000 } })).rejects.toMatchObject({ code })
  })

  test('a POST that is refused fails its own call and no other', async () => {
    let refuse = false
    const url = await listenOn((request, response) => {
      if (request.method === 'GET') {
        stream(response, endpoint('/messages'))
        streams.push(response)
        return
      }
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        const { id, method } = JSON.parse(body) as { id?: number; method: string }
        response.writeHead(refuse && body.includes('"refuse"') ? 500 : 202).end()
        const result =
          method === 'initialize'
            ? { protocolVersion: '2024-11-05', capabilities: {} }
            : { content: [{ type: 'text', text: 'ok' }] }
        if (id !== undefined && !body.includes('"refuse"'))
          streams[0]?.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`)
      })
    })
    const streams: ServerResponse[] = []
    const connection = await connect(url)
    refuse = true

    const [bad, good] = await Promise.allSettled([callTool(connection, 'refuse'), callTool(connection, 'fine')])

    expect(connection.facts.protocolVersion).toBe('2024-11-05')
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'upstream_unavailable' } })
    expect(good).toMatchObject({ status: 'fulfilled', value: { kind: 'result' } })
  })
})

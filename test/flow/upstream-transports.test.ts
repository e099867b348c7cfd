import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { afterEach, describe, expect, test } from 'vitest'
import type { StdioServer } from '../../src/config/server.ts'
import { createSecrets } from '../../src/lib/secrets.ts'
import { createChildGuard } from '../../src/mcp/upstream/child-guard.ts'
import type { Caller, UpstreamStep } from '../../src/mcp/upstream/contract.ts'
import { connectStdio, type StdioConnection } from '../../src/mcp/upstream/stdio-connection.ts'
import type { UpstreamDeps } from '../../src/mcp/upstream/upstream.ts'
import { npmServer } from '../support/npm-server.ts'
import { callerWith, connectServer, connectTo, type TestUpstream } from '../support/upstream.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]()
})

async function listen(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push({
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
  const { port } = server.address() as { port: number } // a TCP server has an address object
  return `http://127.0.0.1:${port}/mcp`
}

/** A server of the v1 SDK whose one tool asks the client without saying for which call: the question goes to the session's own stream. */
function asking(): McpServer {
  const server = new McpServer({ name: 'v1', version: '1' })
  server.registerTool('ask', {}, async () => {
    const answer = await server.server.elicitInput({ message: 'Sure?', requestedSchema: { type: 'object', properties: {} } })
    return { content: [{ type: 'text', text: answer.action }] }
  })
  return server
}

const call = ({ upstream }: TestUpstream, name: string, caller: Caller = callerWith(), args = {}): Promise<UpstreamStep> =>
  upstream.call({ method: 'tools/call', params: { name, arguments: args } }, caller)
const names = ({ upstream }: TestUpstream): string[] => upstream.inventory()?.definitions.tool.map(({ name }) => name) ?? []
const connected = (upstream: TestUpstream): TestUpstream => {
  open.push(upstream)
  return upstream
}

async function answerOnce(step: UpstreamStep): Promise<UpstreamStep> {
  if (step.kind !== 'input' || !step.held) throw new Error('the server did not ask')
  const responses = Object.fromEntries(Object.keys(step.requests).map((key) => [key, { action: 'accept', content: {} }]))
  return await step.held.resume(responses, callerWith({ capabilities: { elicitation: {} } }))
}

describe('an HTTP URL', () => {
  test('of a server that only knows HTTP+SSE is served over HTTP+SSE', async () => {
    const transports = new Map<string, SSEServerTransport>()
    const url = await listen((request, response) => {
      const session = new URL(request.url ?? '/', 'http://x').searchParams.get('sessionId') ?? ''
      if (request.method === 'GET') {
        const transport = new SSEServerTransport('/messages', response)
        transports.set(transport.sessionId, transport)
        void asking().connect(transport)
        return
      }
      const transport = transports.get(session)
      if (transport) void transport.handlePostMessage(request, response)
      else response.writeHead(404).end()
    })
    const upstream = connected(connectTo(url))

    await upstream.upstream.refresh()

    expect(upstream.upstream.status()).toMatchObject({ state: 'ready', era: 'legacy' })
    expect(names(upstream)).toEqual(['ask'])
    const asked = await call(upstream, 'ask', callerWith({ capabilities: { elicitation: {} } }))
    expect(JSON.stringify(await answerOnce(asked))).toContain('accept')
  })

  test('of a v1 SDK server: a question on the session’s own stream reaches the caller at work', async () => {
    const sessions = new Map<string, StreamableHTTPServerTransport>()
    const url = await listen((request, response) => {
      const known = sessions.get(String(request.headers['mcp-session-id']))
      if (known) return void known.handleRequest(request, response)
      const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        onsessioninitialized: (id) => void sessions.set(id, transport),
      })
      // `as`: the SDK's own types disagree under exactOptionalPropertyTypes
      void asking()
        .connect(transport as Parameters<McpServer['connect']>[0])
        .then(() => transport.handleRequest(request, response))
    })
    const upstream = connected(connectTo(url))
    await upstream.upstream.refresh()

    const asked = await call(upstream, 'ask', callerWith({ capabilities: { elicitation: {} } }))

    expect(JSON.stringify(await answerOnce(asked))).toContain('accept')
  })
})

describe('a child', () => {
  const guard = createChildGuard()
  const children: StdioConnection[] = []
  const starting: Pick<UpstreamDeps, 'connectStdio'> = {
    connectStdio: async (config: StdioServer, wishes) => {
      const child = await connectStdio(config, {
        id: 'fake',
        secrets: createSecrets({}, '.'),
        env: process.env,
        baseDir: process.cwd(),
        guard,
        report: () => undefined,
        now: () => performance.now(),
        clientInfo: { name: 'tollgate', version: '0' },
        ...wishes,
      })
      children.push(child)
      return child
    },
  }

  test('is listed, called, shared by its callers, and started again after it died', async () => {
    const upstream = connected(connectServer(npmServer('server-everything', []), starting))
    await upstream.upstream.refresh()
    expect(names(upstream)).toContain('echo')

    const steps = await Promise.all(['alice', 'bob'].map((key) => call(upstream, 'echo', callerWith({ key }), { message: key })))
    expect(JSON.stringify(steps)).toMatch(/alice.*bob/)
    expect(children).toHaveLength(1)

    process.kill(children[0]?.pid ?? 0, 'SIGKILL')
    await children[0]?.exited

    expect(JSON.stringify(await call(upstream, 'echo', callerWith(), { message: 'again' }))).toContain('again')
    expect(children.length).toBeGreaterThanOrEqual(2)
  })
})

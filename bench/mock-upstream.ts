import { createServer, type IncomingMessage } from 'node:http'

// A stand-alone MCP server that does as little as possible, for both eras on one URL: `node bench/mock-upstream.ts <port>`.

interface Call {
  readonly id?: string | number
  readonly method: string
  readonly params?: { readonly protocolVersion?: string }
}

const INFO = { name: 'mock', version: '1.0.0' }
const CAPABILITIES = { tools: { listChanged: false } }
const TEXT = 'x'.repeat(64)
const TOOLS = Array.from({ length: 10 }, (_, index) => ({
  name: index === 0 ? 'echo' : `tool_${index}`,
  description: 'Looks up one record of the mock back end by its key and returns it as text.',
  inputSchema: { type: 'object', properties: { size: { type: 'integer' }, key: { type: 'string' } } },
}))

function resultOf({ method, params }: Call): object | undefined {
  const common = { resultType: 'complete', _meta: { 'io.modelcontextprotocol/serverInfo': INFO } }
  const cached = { ttlMs: 60_000, cacheScope: 'public' }
  if (method === 'initialize')
    return { protocolVersion: params?.protocolVersion ?? '2025-11-25', capabilities: CAPABILITIES, serverInfo: INFO }
  if (method === 'server/discover') return { ...common, supportedVersions: ['2026-07-28'], capabilities: CAPABILITIES, ...cached }
  if (method === 'tools/list') return { ...common, tools: TOOLS, ...cached }
  if (method === 'tools/call') return { ...common, content: [{ type: 'text', text: TEXT }], isError: false }
  return method === 'ping' ? {} : undefined
}

async function read(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

const server = createServer((request, response) => {
  if (request.method !== 'POST') return void response.writeHead(405).end()
  void read(request).then((text) => {
    // Only this bench talks to it, and it sends JSON-RPC.
    const call = JSON.parse(text) as Call
    if (call.id === undefined) return response.writeHead(202).end()
    const result = resultOf(call)
    const answer = result === undefined ? { error: { code: -32_601, message: 'method not found' } } : { result }
    const headers = call.method === 'initialize' ? { 'mcp-session-id': 'mock-session' } : {}
    const body = JSON.stringify({ jsonrpc: '2.0', id: call.id, ...answer })
    return response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers })
      .end(body)
  })
})
server.keepAliveTimeout = 120_000
server.listen(Number(process.argv[2]), '127.0.0.1')

import { Pool } from 'undici'

/** What one kind of request looks like on the wire. */
export interface Scenario {
  readonly name: string
  readonly era: 'legacy' | 'modern'
  readonly method: 'tools/call' | 'tools/list'
}

/** Where requests go, and with which headers of their own. */
export interface Destination {
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
}

const MODERN = '2026-07-28'
const LEGACY = '2025-11-25'
const META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

/** Sends requests over so many connections, each the next when its last was answered, until the time is over. Returns how many were answered. */
export async function load(
  destination: Destination,
  scenario: Scenario,
  options: { readonly connections: number; readonly milliseconds: number },
): Promise<number> {
  const pool = new Pool(destination.origin, { connections: options.connections, pipelining: 1 })
  try {
    const end = performance.now() + options.milliseconds
    const counts = await Promise.all(Array.from({ length: options.connections }, () => one(pool, destination, scenario, end)))
    return counts.reduce((sum, count) => sum + count, 0)
  } finally {
    await pool.close()
  }
}

async function one(pool: Pool, destination: Destination, scenario: Scenario, end: number): Promise<number> {
  const isModern = scenario.era === 'modern'
  const session = isModern ? {} : await openSession(pool, destination)
  const isCall = scenario.method === 'tools/call'
  const mirrors = isModern ? { 'mcp-method': scenario.method, ...(isCall ? { 'mcp-name': 'echo' } : {}) } : {}
  const headers = { ...session, ...mirrors, 'mcp-protocol-version': isModern ? MODERN : LEGACY }
  const params = { ...(isCall ? { name: 'echo', arguments: { size: 64 } } : {}), ...(isModern ? { _meta: META } : {}) }
  let count = 0
  for (let id = 1; performance.now() < end; id += 1) {
    const { status, text } = await post(pool, { ...destination.headers, ...headers }, { id, method: scenario.method, params })
    if (status !== 200 || !text.includes('"result"')) throw new Error(`${scenario.name} got ${status}: ${text.slice(0, 200)}`)
    count += 1
  }
  return count
}

async function openSession(pool: Pool, { headers }: Destination): Promise<Record<string, string>> {
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: { name: 'bench', version: '1' } }
  const { session, status } = await post(pool, headers, { id: 0, method: 'initialize', params })
  if (session === undefined) throw new Error(`initialize got ${status} and no session`)
  return { 'mcp-session-id': session }
}

async function post(pool: Pool, headers: Readonly<Record<string, string>>, message: object) {
  const {
    statusCode,
    headers: received,
    body,
  } = await pool.request({
    path: '/mcp',
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
  })
  const session = received['mcp-session-id']
  return { status: statusCode, text: await body.text(), session: typeof session === 'string' ? session : undefined }
}

// An agent with one credential uses both doors: its model proposes a tool, the tool is called, the model hears the result. One run in the ledger.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { usage } from '../../src/cli/usage.ts'
import { createCliIo } from '../support/cli-io.ts'
import { gatewayFile, startTestGateway, type TestGateway } from '../support/gateway.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8')) as Record<string, unknown>

/** A bundled server, started from where it lies. */
const bundled = (id: string) => ({ ...read(`servers/${id}.json`), args: [join(root, `servers/${id}/main.ts`)] })

let gateway: TestGateway
let token: string

beforeAll(async () => {
  const { providers, routes, prices } = read('tollgate.json')
  gateway = await startTestGateway({
    'tollgate.json': gatewayFile({ providers, routes, prices }),
    ...Object.fromEntries(['notes', 'clock', 'tickets'].map((id) => [`servers/${id}.json`, bundled(id)])),
    'catalogs/research.json': read('catalogs/research.json'),
    'catalogs/prices/demo.json': read('catalogs/prices/demo.json'),
  })
  token = await gateway.token('research', { subject: 'agent-7' })
  await gateway.until((snapshot) => snapshot.servers.get('notes')?.status.state === 'ready', 20_000)
}, 60_000)
afterAll(() => gateway[Symbol.asyncDispose]())

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

describe.each([
  { by: 'X-Tollgate-Session', session: 'run-42', headers: { 'x-tollgate-session': 'run-42' } },
  { by: 'traceparent', session: TRACE, headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` } },
])('a run named by $by', ({ session, headers }) => {
  test('is listed in order with its model calls and its tool call', async () => {
    await runAgent(headers)
    const admin = await gateway.token('research', { roles: ['admin'], subject: 'admin' })
    const io = createCliIo({ now: () => new Date() })
    const source = { adminUrl: gateway.adminUrl, stateFolder: '/nowhere', token: () => Promise.resolve(admin) }

    const code = await usage({ by: 'session', where: [`session=${session}`] }, source, io)

    expect([code, io.written.err]).toEqual([0, ''])
    const lines = io.written.out.split('\n')
    const own = lines.slice(lines.findIndex((line) => line.startsWith(`run ${session} `)))
    expect(own[0]).toContain('agent-7')
    expect(own[1]).toMatch(/^3 entries, [1-9]\d* tokens in \(0 cached\), [1-9]\d* out, 0\.00\d+ USD/)
    const rows = own.filter((line) => /^20\d\d-/.test(line)).map((line) => line.split(/\s{2,}/))
    expect(rows.map(([, kind, target, servedBy, status]) => [kind, target, servedBy, status])).toEqual([
      ['model', 'demo', 'demo/tollgate-demo', 'ok'],
      ['tool', 'take_note', 'notes', 'ok'],
      ['model', 'demo', 'demo/tollgate-demo', 'ok'],
    ])
    const [first, tool, last] = rows
    expect(Number(first?.[5])).toBeGreaterThan(0)
    expect(tool?.slice(5, 8)).toEqual(['-', '-', '-'])
    expect(Number(last?.[5])).toBeGreaterThan(Number(first?.[5]))
    const times = rows.map(([time = '']) => Date.parse(time))
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })
})

test('the session of another caller is another run', async () => {
  const other = await gateway.token('research', { subject: 'agent-8' })
  const client = new OpenAI({ apiKey: other, baseURL: `${gateway.url}/v1`, defaultHeaders: { 'x-tollgate-session': 'run-42' } })

  await client.chat.completions.create({ model: 'demo', messages: [{ role: 'user', content: 'hi' }] })

  const admin = await gateway.token('research', { roles: ['admin'], subject: 'admin' })
  const io = createCliIo({ now: () => new Date() })
  const source = { adminUrl: gateway.adminUrl, stateFolder: '/nowhere', token: () => Promise.resolve(admin) }
  await usage({ by: 'session', where: ['session=run-42', 'subject=agent-8'] }, source, io)
  expect(io.written.out).toContain('1 entry')
  expect(io.written.out).not.toContain('agent-7')
})

/** One turn of an agent: ask, do what was proposed, say what came of it. */
async function runAgent(headers: Readonly<Record<string, string>>): Promise<void> {
  const model = new OpenAI({ apiKey: token, baseURL: `${gateway.url}/v1`, defaultHeaders: headers, maxRetries: 0 })
  const tools = new Client({ name: 'agent', version: '1.0.0' })
  await tools.connect(
    new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${token}`, ...headers } },
    }),
  )
  const offered = (await tools.listTools()).tools.map(({ name, description = '', inputSchema }) => ({
    type: 'function' as const,
    function: { name, description, parameters: inputSchema },
  }))
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: 'user', content: 'Please take_note {"title":"Tea","text":"Buy tea"}' },
  ]

  const first = await model.chat.completions.create({ model: 'demo', messages, tools: offered })
  const said = first.choices[0]?.message
  if (said === undefined) throw new Error('the model said nothing')
  messages.push(said)
  for (const call of said.tool_calls ?? []) {
    if (call.type !== 'function') continue
    const args = JSON.parse(call.function.arguments) as Record<string, unknown>
    const result = await tools.callTool({ name: call.function.name, arguments: args })
    expect(result.isError ?? false).toBe(false)
    messages.push({ role: 'tool', tool_call_id: call.id, content: JSON.stringify(result.content) })
  }
  const second = await model.chat.completions.create({ model: 'demo', messages, tools: offered })

  expect(second.choices[0]?.message.content).toContain('[demo]')
  await tools.close()
}

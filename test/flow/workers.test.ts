// Two workers on one port. Which of them a connection reaches is the kernel's choice, so every test opens many connections: that all of them reach
// the same worker is as likely as sixteen coins that fall alike.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEverythingFixture } from '../support/everything.ts'
import { gatewayFile, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { developmentToken, startGatewayProcess, writeFiles } from '../support/gateway-process.ts'
import { startModelGateway } from '../support/model-gateway.ts'
import { modernRequest } from '../support/raw-mcp.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const CONNECTIONS = 16
const KILLS = 2
const root = join(import.meta.dirname, '../..')
const LEGACY = '2025-11-25'
const MODERN = '2026-07-28'
const ENVELOPE = { 'io.modelcontextprotocol/protocolVersion': MODERN, 'io.modelcontextprotocol/clientCapabilities': {} }

let gateway: TestGateway
let upstream: Awaited<ReturnType<typeof startEverythingFixture>>
let connections: readonly Agent[]

const catalog = {
  title: 'Research',
  for: { teams: ['research'] },
  tools: [
    { server: 'every', tool: 'test_simple_text', as: 'limited', limits: { callsPerMinute: 40 } },
    { server: 'every', tool: 'test_image_content', as: 'free' },
    { server: 'every', tool: 'test_tool_with_progress', as: 'alone', limits: { concurrent: 1 } },
    { server: 'every', tool: 'test_elicitation', as: 'asks' },
    { server: 'notes', allow: ['*'] },
  ],
}

beforeAll(async () => {
  upstream = await startEverythingFixture()
  gateway = await startTestGateway({
    'tollgate.json': gatewayFile({ workers: 2, bounds: { sessionsPerPrincipal: 6 } }),
    'servers/every.json': { type: 'http', url: upstream.url },
    'servers/notes.json': { type: 'stdio', command: process.execPath, args: [join(root, 'servers/notes/main.ts')] },
    'catalogs/research.json': catalog,
    'catalogs/paid.json': {
      title: 'Paid',
      for: { teams: ['paid'] },
      budgets: [{ usd: '0.025', per: 'day' }],
      tools: [{ server: 'every', tool: 'test_simple_text', as: 'paid', price: { usd: '0.001' } }],
    },
  })
  await gateway.until(({ servers }) => ['every', 'notes'].every((id) => servers.get(id)?.status.state === 'ready'))
  connections = Array.from({ length: CONNECTIONS }, () => new Agent({ connections: 1, pipelining: 1 }))
}, 60_000)

afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.destroy()))
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

async function send(connection: Agent | undefined, body: object | undefined, headers: Record<string, string>): Promise<Answer> {
  const answer = await request(`${gateway.url}/mcp`, {
    dispatcher: connection ?? connections[0]!,
    method: body === undefined ? 'DELETE' : 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }) }),
  })
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() }
}

const bearer = async (team: string, subject = 'ann') => ({ authorization: `Bearer ${await gateway.token(team, { subject })}` })

/** A stateless call of a tool. */
async function call(
  connection: Agent | undefined,
  name: string,
  options: { team?: string; args?: object } = {},
): Promise<Answer> {
  const headers = {
    ...(await bearer(options.team ?? 'research')),
    'mcp-protocol-version': MODERN,
    'mcp-method': 'tools/call',
    'mcp-name': name,
  }
  return send(connection, { method: 'tools/call', params: { name, arguments: options.args ?? {}, _meta: ENVELOPE } }, headers)
}

async function initialize(connection: Agent | undefined, subject: string): Promise<Answer> {
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: { name: 'test', version: '1' } }
  return send(connection, { method: 'initialize', params }, await bearer('research', subject))
}

/** Headers of a new session. */
async function open(connection: Agent | undefined, subject: string): Promise<Record<string, string>> {
  const { headers } = await initialize(connection, subject)
  return {
    ...(await bearer('research', subject)),
    'mcp-session-id': String(headers['mcp-session-id']),
    'mcp-protocol-version': LEGACY,
  }
}

const overAll = <T>(work: (connection: Agent, index: number) => Promise<T>): Promise<T[]> => Promise.all(connections.map(work))
const count = (answers: readonly Answer[], status: number) => answers.filter((answer) => answer.status === status).length

async function admin(path: string): Promise<Response> {
  return fetch(`${gateway.adminUrl}${path}`, {
    headers: { authorization: `Bearer ${await gateway.token('ops', { roles: ['viewer'] })}` },
  })
}

describe('what is counted', () => {
  test('a limit of 40 calls admits exactly 40 of a storm over many connections', async () => {
    const answers = (
      await overAll((connection) => Promise.all(Array.from({ length: 8 }, () => call(connection, 'limited'))))
    ).flat()

    expect([count(answers, 200), count(answers, 429)]).toEqual([40, CONNECTIONS * 8 - 40])
  })

  test('a tool that allows one call at one time runs one, whatever the worker, and gives its place back', async () => {
    const first = await overAll((connection) => call(connection, 'alone'))
    const again = await call(connections[1], 'alone')

    expect(count(first, 200)).toBe(1)
    expect(count(first, 429)).toBe(CONNECTIONS - 1)
    expect(again.status).toBe(200)
  })

  test('a budget of 25 calls pays for exactly 25, and the ledger says the same', async () => {
    const answers = (
      await overAll((connection) => Promise.all([1, 2, 3].map(() => call(connection, 'paid', { team: 'paid' }))))
    ).flat()

    expect(count(answers, 200)).toBe(25)
    const usage = (await (await admin('/admin/v1/usage?by=catalog,status&from=1h&catalog=paid')).json()) as {
      rows: { group: { status: string }; calls: number; nanoUsd: number }[]
    }
    const paid = usage.rows.find(({ group }) => group.status === 'ok')
    expect([paid?.calls, paid?.nanoUsd]).toEqual([25, 25_000_000])
  })

  test('metrics and status are those of all workers together', async () => {
    const before = await total('tollgate_calls_total', 'research')

    await overAll((connection) => call(connection, 'free'))

    expect((await total('tollgate_calls_total', 'research')) - before).toBe(CONNECTIONS)
    expect(await (await admin('/admin/v1/status')).json()).toMatchObject({ workers: 2 })
  })

  async function total(name: string, label: string): Promise<number> {
    const lines = (await (await admin('/metrics')).text())
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && line.includes(`"${label}"`))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }
})

describe('what lives at one worker', () => {
  test('a session works over any connection and is over for all of them when it ends', async () => {
    const session = await open(connections[0], 'sue')

    const calls = await overAll((connection, id) =>
      send(connection, { id, method: 'tools/call', params: { name: 'free', arguments: {} } }, session),
    )
    const ended = await send(connections[3], undefined, session)
    const after = await overAll((connection) => send(connection, { method: 'tools/list' }, session))

    expect(count(calls, 200)).toBe(CONNECTIONS)
    expect(calls.every(({ text }) => text.includes('image'))).toBe(true)
    expect(ended.status).toBe(204)
    expect(count(after, 404)).toBe(CONNECTIONS)
  })

  test('a session of somebody else is not found, whatever the worker', async () => {
    const session = await open(connections[0], 'sue')
    const stolen = { ...session, ...(await bearer('research', 'mallory')) }

    const answers = await overAll((connection) => send(connection, { method: 'tools/list' }, stolen))

    expect(count(answers, 404)).toBe(CONNECTIONS)
  })

  test('a principal has no more sessions than its bound, over all workers', async () => {
    const answers = await overAll((connection) => initialize(connection, 'many'))

    expect([count(answers, 200), count(answers, 429) + count(answers, 503)]).toEqual([6, CONNECTIONS - 6])
  })

  test('a client is asked and answers over other connections than its call', async () => {
    const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } })
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { username: 'ann', email: 'a@b.test' } }))
    const transport = new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), {
      requestInit: { headers: await bearer('research', 'eve') },
    })
    await client.connect(transport)

    const answers = await Promise.all(
      Array.from({ length: 8 }, () => client.callTool({ name: 'asks', arguments: { message: 'who?' } })),
    )
    await client.close()

    expect(answers.every(({ isError }) => isError !== true)).toBe(true)
    expect(JSON.stringify(answers)).toContain('ann')
  })

  test('a stateless call that waits for an answer goes on where it waits', async () => {
    const rounds = await overAll(async (connection, index) => {
      const said = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
      const params = { name: 'asks', arguments: { message: 'who?' }, _meta: { ...ENVELOPE, ...said } }
      const headers = {
        ...(await bearer('research', `asker ${index % 4}`)),
        'mcp-protocol-version': MODERN,
        'mcp-method': 'tools/call',
        'mcp-name': 'asks',
      }
      const first = JSON.parse((await send(connection, { method: 'tools/call', params }, headers)).text) as {
        result: { requestState: string; inputRequests: object }
      }
      const answer = { action: 'accept', content: { username: 'ann', email: 'a@b.test' } }
      const inputResponses = Object.fromEntries(Object.keys(first.result.inputRequests).map((key) => [key, answer]))
      const next = { ...params, inputResponses, requestState: first.result.requestState }
      return send(connections[(index + 5) % CONNECTIONS], { method: 'tools/call', params: next }, headers)
    })

    expect(count(rounds, 200)).toBe(CONNECTIONS)
    expect(rounds.every(({ text }) => text.includes('"content"'))).toBe(true)
  })

  test('a child is one process for all connections', async () => {
    await overAll((connection, index) => call(connection, 'create_note', { args: { title: `note ${index}`, text: 'text' } }))

    const lists = await overAll((connection) => call(connection, 'list_notes'))

    for (const { text } of lists) for (let index = 0; index < CONNECTIONS; index += 1) expect(text).toContain(`note ${index}`)
  })

  test('an item of an answer is known to every worker', async () => {
    await using models = await startModelGateway({ file: { workers: 2 } })
    const headers = { authorization: `Bearer ${models.token}`, 'content-type': 'application/json' }
    const ask = (connection: Agent, input: unknown) =>
      request(`${models.url}/v1/responses`, {
        dispatcher: connection,
        method: 'POST',
        headers,
        body: JSON.stringify({ model: 'anthropic', input }),
      })
    const first = (await (await ask(connections[0]!, 'hello')).body.json()) as { output: { id: string }[] }

    const answers = await overAll((connection) =>
      ask(connection, [
        { type: 'item_reference', id: first.output[0]!.id },
        { role: 'user', content: 'go on' },
      ]),
    )

    expect(
      await Promise.all(answers.map(async ({ statusCode, body }) => [statusCode, (await body.text()).includes('"error":{')])),
    ).toEqual(answers.map(() => [200, false]))
  })
})

describe('what changes', () => {
  test('a changed catalog is in force for every connection within a second', async () => {
    gateway.write('catalogs/research.json', {
      ...catalog,
      tools: [...catalog.tools, { server: 'every', tool: 'test_audio_content', as: 'added' }],
    })
    await gateway.until(({ catalogs }) => catalogs.get('research')?.items.tool.some(({ name }) => name === 'added') === true)

    await expect
      .poll(async () => count(await overAll((connection) => call(connection, 'added')), 200), { timeout: 1_000, interval: 20 })
      .toBe(CONNECTIONS)
  })
})

describe('what ends', () => {
  const files = (url: string) => ({
    'tollgate.json': gatewayFile({ workers: 2, telemetry: { exchanges: false } }),
    'servers/every.json': { type: 'http', url },
    'catalogs/research.json': { title: 'Research', for: { teams: ['research'] }, tools: [{ server: 'every', allow: ['*'] }] },
  })

  test(`H12 after ${KILLS} kills with two workers no acknowledged call is missing and none is there twice`, async () => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, files(upstream.url))
    const acknowledged: string[] = []
    for (let kill = 0; kill < KILLS; kill += 1) {
      const running = await startGatewayProcess(folder.path)
      const headers = { authorization: `Bearer ${await developmentToken(folder.path, { team: 'research' })}` }
      const enough = acknowledged.length + 40
      const callers = Array.from({ length: CONNECTIONS }, async () => {
        for (;;) {
          const tool = { name: 'test_simple_text', arguments: {} }
          const answer = await modernRequest(`${running.url}/mcp`, 'tools/call', tool, { headers }).catch(() => undefined)
          if (answer?.message === undefined) return
          acknowledged.push(answer.headers.get('x-tollgate-exchange') ?? '')
        }
      })
      await expect.poll(() => acknowledged.length, { timeout: 20_000, interval: 5 }).toBeGreaterThan(enough)
      await running.kill('SIGKILL')
      await Promise.all(callers)
    }

    const last = await startGatewayProcess(folder.path)
    const headers = { authorization: `Bearer ${await developmentToken(folder.path, { roles: ['viewer'] })}` }
    const { entries } = (await (await fetch(`${last.adminUrl}/admin/v1/entries?limit=10000&from=1h`, { headers })).json()) as {
      entries: { id: string }[]
    }
    const code = await last.kill('SIGTERM')

    const ids = entries.map(({ id }) => id)
    expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([])
    expect(new Set(ids).size).toBe(ids.length)
    expect(code).toBe(0)
  }, 120_000)
})

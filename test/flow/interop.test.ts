// Real clients in front, real servers behind, over real sockets and pipes: the official SDK clients v1 and v2 in each era, and
// servers on SDK v1 (stdio from npm), on SDK v2 (HTTP, both eras or one), all at once through one catalog.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEverythingFixture } from '../support/everything.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { npmServer } from '../support/npm-server.ts'

const shared = join(mkdtempSync(join(tmpdir(), 'tollgate-files-')))
writeFileSync(join(shared, 'hello.txt'), 'hello from a file')

let gateway: TestGateway
let modern: Awaited<ReturnType<typeof startEverythingFixture>>
let legacy: Awaited<ReturnType<typeof startEverythingFixture>>

beforeAll(async () => {
  modern = await startEverythingFixture('modern')
  legacy = await startEverythingFixture('legacy')
  gateway = await startTestGateway({
    'servers/modern.json': { type: 'http', url: modern.url },
    'servers/legacy.json': { type: 'http', url: legacy.url },
    'servers/everything.json': npmServer('server-everything', ['stdio']),
    'servers/files.json': npmServer('server-filesystem', [shared]),
    'servers/memory.json': { ...npmServer('server-memory', []), env: { MEMORY_FILE_PATH: join(shared, 'memory.jsonl') } },
    'catalogs/all.json': {
      title: 'All',
      for: { teams: ['research'] },
      tools: [
        {
          server: 'modern',
          allow: ['test_simple_text', 'test_tool_with_progress', 'test_input_required_result_elicitation'],
          prefix: true,
        },
        { server: 'legacy', allow: ['test_simple_text', 'test_elicitation', 'test_tool_with_progress'], prefix: true },
        { server: 'everything', allow: ['echo', 'get-sum'] },
        { server: 'files', allow: ['read_text_file', 'list_directory'] },
        { server: 'memory', allow: ['create_entities', 'read_graph'] },
      ],
      prompts: [{ server: 'modern', allow: ['test_simple_prompt'] }],
      resources: [{ server: 'modern', allow: ['test://static-text'] }],
    },
  })
  await gateway.until((snapshot) => [...snapshot.servers.values()].every(({ status }) => status.state === 'ready'), 20_000)
}, 60_000)

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await modern[Symbol.asyncDispose]()
  await legacy[Symbol.asyncDispose]()
})

interface Session extends AsyncDisposable {
  list(): Promise<string[]>
  call(
    name: string,
    args?: Record<string, unknown>,
  ): Promise<{ content: { type: string; text?: string }[]; isError?: boolean | undefined }>
  prompt(name: string): Promise<unknown>
  read(uri: string): Promise<unknown>
}

async function headers(): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await gateway.token('research')}` }
}

const accept = async () => ({ action: 'accept' as const, content: { response: 'yes', name: 'Ann', n: 'Ann' } })

async function v2(mode: 'legacy' | 'auto' | { pin: '2026-07-28' }): Promise<Session> {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode } },
  )
  client.setRequestHandler('elicitation/create', accept)
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit: { headers: await headers() } }),
  )
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}) => await client.callTool({ name, arguments: args }),
    prompt: (name) => client.getPrompt({ name }),
    read: (uri) => client.readResource({ uri }),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

async function v1(): Promise<Session> {
  const { ElicitRequestSchema } = await import('@modelcontextprotocol/sdk/types.js')
  const client = new ClientV1({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } })
  client.setRequestHandler(ElicitRequestSchema, accept)
  await client.connect(new TransportV1(new URL(`${gateway.url}/mcp`), { requestInit: { headers: await headers() } }))
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}) => (await client.callTool({ name, arguments: args })) as never, // the shape under test is asserted
    prompt: (name) => client.getPrompt({ name }),
    read: (uri) => client.readResource({ uri }),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

const clients: { name: string; open: () => Promise<Session> }[] = [
  { name: 'SDK v1', open: v1 },
  { name: 'SDK v2 legacy', open: () => v2('legacy') },
  { name: 'SDK v2 auto', open: () => v2('auto') },
  { name: 'SDK v2 pinned to 2026-07-28', open: () => v2({ pin: '2026-07-28' }) },
]

async function refusal(session: Session, name: string): Promise<string> {
  return await session.call(name).then(JSON.stringify, String)
}

const TOOLS = [
  'modern_test_input_required_result_elicitation',
  'modern_test_simple_text',
  'modern_test_tool_with_progress',
  'legacy_test_elicitation',
  'legacy_test_simple_text',
  'legacy_test_tool_with_progress',
  'echo',
  'get-sum',
  'list_directory',
  'read_text_file',
  'create_entities',
  'read_graph',
]

describe.each(clients)('$name', ({ open }) => {
  it('lists the tools of all servers in the order of the catalog', async () => {
    await using session = await open()

    expect(await session.list()).toEqual(TOOLS)
  })

  it('calls every kind of server', async () => {
    await using session = await open()

    expect((await session.call('modern_test_simple_text')).content[0]?.text).toBe('This is a simple text response for testing.')
    expect((await session.call('legacy_test_simple_text')).content[0]?.text).toBe('This is a simple text response for testing.')
    expect((await session.call('echo', { message: 'hi' })).content[0]?.text).toContain('hi')
    expect((await session.call('get-sum', { a: 2, b: 3 })).content[0]?.text).toContain('5')
    expect((await session.call('read_text_file', { path: join(shared, 'hello.txt') })).content[0]?.text).toContain(
      'hello from a file',
    )
    expect((await session.call('read_graph')).isError ?? false).toBe(false)
  })

  it('is asked by a modern server', async () => {
    await using session = await open()

    const answer = await session.call('modern_test_input_required_result_elicitation')

    expect(answer.content[0]?.text).toContain('Ann')
  })

  it('is asked by a legacy server', async () => {
    await using session = await open()

    const answer = await session.call('legacy_test_elicitation', { message: 'Sure?' })

    expect(JSON.stringify(answer.content)).toContain('yes')
  })

  it('gets prompts and reads resources', async () => {
    await using session = await open()

    expect(JSON.stringify(await session.prompt('test_simple_prompt'))).toContain('messages')
    expect(JSON.stringify(await session.read('test://static-text'))).toContain('This is the content of the static text resource.')
  })

  it('learns of an unknown tool and of a forbidden one in the same way', async () => {
    await using session = await open()

    const unknown = await refusal(session, 'no_such_tool')
    const forbidden = await refusal(session, 'write_file')

    expect(forbidden.replace('write_file', 'X')).toBe(unknown.replace('no_such_tool', 'X'))
  })
})

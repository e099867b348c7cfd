import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { crc32, inflateRawSync } from 'node:zlib'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js'
import { ElicitRequestSchema, LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, test } from 'vitest'
import { startEverythingFixture } from '../support/everything.ts'
import { runCli } from '../unit/cli/cli-harness.ts'

const INFORMATION = { name: 'test', version: '1.0.0' }
const SAID = [{ type: 'text', text: 'This is a simple text response for testing.' }]

/** The Node an MCPB host might have: that of the machine, when there is one besides ours. */
const systemNode = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .map((folder) => join(folder, 'node'))
  .find((path) => existsSync(path))

describe('the bundle of "tollgate connect claude-desktop --mcpb"', () => {
  test('is the same file for the same input, and a zip other tools read', async () => {
    await using folder = await temporaryFolder()
    const make = (name: string) =>
      runCli(
        ['connect', 'claude-desktop', '--mcpb', '--catalog', 'research', '--url', 'https://gate.example.com', '--out', name],
        { io: { cwd: folder.path } },
      )

    const [first, second] = [await make('a.mcpb'), await make('b.mcpb')]
    const bytes = await readFile(join(folder.path, 'a.mcpb'))

    expect([first.code, second.code, first.out]).toEqual([0, 0, `${join(folder.path, 'a.mcpb')}\n`])
    expect(bytes.equals(await readFile(join(folder.path, 'b.mcpb')))).toBe(true)
    expect([...unzip(bytes).keys()]).toEqual(['manifest.json', 'package.json', 'server/index.js'])
  })

  test('has the manifest Claude Desktop asks for, with the token as a secret and no secret inside', async () => {
    await using folder = await temporaryFolder()
    await runCli(['connect', 'claude-desktop', '--mcpb', '--catalog', 'research', '--url', 'https://gate.example.com'], {
      io: { cwd: folder.path, env: { TOLLGATE_TOKEN: 'a-secret-token' } },
    })

    const files = unzip(await readFile(join(folder.path, 'tollgate-research.mcpb')))

    expect(JSON.parse(files.get('manifest.json')!.toString())).toMatchObject({
      manifest_version: '0.3',
      name: 'tollgate-research',
      version: '1.2.3',
      server: {
        type: 'node',
        entry_point: 'server/index.js',
        mcp_config: {
          command: 'node',
          args: ['${__dirname}/server/index.js'],
          env: { TOLLGATE_TOKEN: '${user_config.token}', TOLLGATE_URL: '${user_config.url}' },
        },
      },
      user_config: {
        url: { type: 'string', default: 'https://gate.example.com/mcp/research', required: true },
        token: { type: 'string', sensitive: true, required: true },
      },
      tools_generated: true,
      compatibility: { runtimes: { node: '>=18' } },
    })
    expect([...files.values()].join('')).not.toContain('a-secret-token')
  })

  test('is made for Claude Desktop alone', async () => {
    expect(await runCli(['connect', 'cursor', '--mcpb', '--url', 'https://gate.example.com'])).toMatchObject({ code: 2, out: '' })
  })

  test('imports nothing but modules of Node', async () => {
    await using folder = await temporaryFolder()
    const program = (await unpackBundle(folder.path, 'http://127.0.0.1:1')).source

    const imported = [...program.matchAll(/^import .* from '(.*)'$/gm)].map(([, name]) => name)
    expect(imported.length).toBeGreaterThan(3)
    expect(imported.filter((name) => !name!.startsWith('node:'))).toEqual([])
    expect(program.match(/^\s*import\b|\bimport\(|\brequire\(/gm)).toHaveLength(imported.length)
  })

  test('uses nothing that is younger than Node 18', async () => {
    await using folder = await temporaryFolder()
    const { source } = await unpackBundle(folder.path, 'http://127.0.0.1:1')

    const younger =
      /URL\.canParse|URL\.parse|AbortSignal\.any|Promise\.(withResolvers|try)|\.(toSorted|toReversed|toSpliced|with|isWellFormed|bytes)\(|\.groupBy\(|Array\.fromAsync|await using|structuredClone|\bnavigator\b|import\.meta\.(dirname|filename)|crc32|parseEnv|getBuiltinModule/
    expect(source.match(younger)).toBeNull()
  })

  const nodes = [
    ['this Node', process.execPath],
    ['the Node of the machine', systemNode ?? process.execPath],
  ] as const
  test.each(nodes)('runs on %s for a legacy client: list, call, elicitation, log, progress', async (_name, node) => {
    await using everything = await startEverythingFixture()
    await using folder = await temporaryFolder()
    const { index } = await unpackBundle(folder.path, everything.url)
    const client = new LegacyClient(INFORMATION, { capabilities: { elicitation: {} } })
    await using _closing = { [Symbol.asyncDispose]: () => client.close() }
    const logged: unknown[] = []
    const progress: number[] = []
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => ({ action: 'accept', content: { response: params.message } }))
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void logged.push(params.data))

    await client.connect(
      new LegacyStdio({
        command: node,
        args: [index],
        env: { TOLLGATE_URL: everything.url, TOLLGATE_TOKEN: 't' },
        stderr: 'pipe',
      }),
    )
    const { tools } = await client.listTools()
    const simple = await client.callTool({ name: 'test_simple_text', arguments: {} })
    const elicited = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Tea?' } })
    await client.callTool({ name: 'test_tool_with_logging', arguments: {} })
    await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, undefined, {
      onprogress: (at) => void progress.push(at.progress),
    })

    expect(tools.length).toBeGreaterThan(10)
    expect(simple.content).toEqual(SAID)
    expect(elicited.content).toEqual([
      { type: 'text', text: 'Elicitation completed: action=accept, content={"response":"Tea?"}' },
    ])
    expect(logged).toHaveLength(3)
    // Of notifications that arrive in one piece with the answer, that client drops the last ones itself.
    expect(progress[0]).toBe(0)
  })

  test.each(nodes)('runs on %s for a modern client, in its own era', async (_name, node) => {
    await using everything = await startEverythingFixture('modern')
    await using folder = await temporaryFolder()
    const { index } = await unpackBundle(folder.path, everything.url)
    const client = new Client(INFORMATION, { versionNegotiation: { mode: 'auto' }, capabilities: { elicitation: {} } })
    await using _closing = { [Symbol.asyncDispose]: () => client.close() }
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada', color: 'green' } }))

    await client.connect(
      new StdioClientTransport({
        command: node,
        args: [index],
        env: { TOLLGATE_URL: everything.url, TOLLGATE_TOKEN: 't' },
        stderr: 'pipe',
      }),
    )
    const { tools } = await client.listTools()
    const simple = await client.callTool({ name: 'test_simple_text', arguments: {} })
    const asked = await client.callTool({ name: 'test_input_required_result_multi_round', arguments: {} })

    expect(client.getProtocolEra()).toBe('modern')
    expect(tools.length).toBeGreaterThan(10)
    expect(simple.content).toEqual(SAID)
    expect(asked.content).toEqual([{ type: 'text', text: 'Ada likes green.' }])
  })
})

async function unpackBundle(folder: string, url: string): Promise<{ index: string; source: string }> {
  await runCli(['connect', 'claude-desktop', '--mcpb', '--url', url, '--out', 'x.mcpb'], { io: { cwd: folder } })
  for (const [path, data] of unzip(await readFile(join(folder, 'x.mcpb')))) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), data)
  }
  const index = join(folder, 'server/index.js')
  return { index, source: await readFile(index, 'utf8') }
}

/** Reads a zip from its directory at the end, and checks every size and checksum against the local headers. */
function unzip(bytes: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const end = bytes.length - 22
  expect(bytes.readUInt32LE(end)).toBe(0x06054b50)
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    expect(bytes.readUInt32LE(at)).toBe(0x02014b50)
    const [packed, size, nameLength] = [bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 24), bytes.readUInt16LE(at + 28)]
    const local = bytes.readUInt32LE(at + 42)
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength)
    expect(bytes.readUInt32LE(local)).toBe(0x04034b50)
    expect(bytes.subarray(local + 4, local + 28).equals(bytes.subarray(at + 6, at + 30))).toBe(true)
    const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
    const data = inflateRawSync(bytes.subarray(from, from + packed))
    expect([data.length, crc32(data)]).toEqual([size, bytes.readUInt32LE(at + 16)])
    files.set(name, data)
    at += 46 + nameLength
  }
  expect(at).toBe(end)
  return files
}

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'tollgate-bundle-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

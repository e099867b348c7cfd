import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { env } from 'node:process'
import { describe, expect, test } from 'vitest'
import { importMcpJson } from '../../../src/cli/import.ts'
import { jsonSchemas } from '../../../src/config/json-schema.ts'
import { convertMcpJson } from '../../../src/cli/mcp-json.ts'
import { createCliIo } from '../../support/cli-io.ts'
import { createFolder } from './folder.ts'

const convert = (entry: object, key = 'mcpServers') => {
  const result = convertMcpJson({ [key]: { one: entry } })
  return { file: result.servers[0]?.file, variables: [...result.variables.keys()], notes: result.notes }
}

describe('an entry of a client becomes a registration', () => {
  test.each<[name: string, entry: object, file: object, variables: string[]]>([
    [
      'Claude Code, http',
      { type: 'http', url: 'https://x.example/mcp', headers: { Authorization: 'Bearer ${X_TOKEN}' } },
      { type: 'http', url: 'https://x.example/mcp', credential: { type: 'bearer', token: 'env:X_TOKEN' } },
      ['X_TOKEN'],
    ],
    [
      'Cursor',
      { url: 'https://x.example/mcp', headers: { Authorization: 'Bearer ${env:X_TOKEN}' } },
      { type: 'http', url: 'https://x.example/mcp', credential: { type: 'bearer', token: 'env:X_TOKEN' } },
      ['X_TOKEN'],
    ],
    [
      'VS Code input',
      { type: 'http', url: 'https://x.example/mcp', headers: { Authorization: 'Bearer ${input:my-token}' } },
      { type: 'http', url: 'https://x.example/mcp', credential: { type: 'bearer', token: 'env:MY_TOKEN' } },
      ['MY_TOKEN'],
    ],
    [
      'a literal token',
      { url: 'https://x.example/mcp', headers: { Authorization: 'Bearer abc' } },
      { type: 'http', url: 'https://x.example/mcp', credential: { type: 'bearer', token: 'env:ONE_TOKEN' } },
      ['ONE_TOKEN'],
    ],
    [
      'an API key header',
      { url: 'https://x.example/mcp', headers: { 'X-Api-Key': 'abc', 'X-Region': 'eu' } },
      {
        type: 'http',
        url: 'https://x.example/mcp',
        headers: { 'X-Region': 'eu' },
        credential: { type: 'header', name: 'X-Api-Key', value: 'env:X_API_KEY' },
      },
      ['X_API_KEY'],
    ],
    [
      'basic authorization',
      { url: 'https://x.example/mcp', headers: { Authorization: 'Basic dTpw' } },
      {
        type: 'http',
        url: 'https://x.example/mcp',
        credential: { type: 'header', name: 'Authorization', value: 'env:ONE_TOKEN', prefix: 'Basic ' },
      },
      ['ONE_TOKEN'],
    ],
    [
      'a password in the URL',
      { url: 'https://u:p@x.example/mcp' },
      { type: 'http', url: 'https://x.example/mcp', credential: { type: 'basic', username: 'u', password: 'env:ONE_PASSWORD' } },
      ['ONE_PASSWORD'],
    ],
    ['sse by type', { type: 'sse', url: 'https://x.example/events' }, { type: 'sse', url: 'https://x.example/events' }, []],
    ['sse by path', { url: 'https://x.example/sse' }, { type: 'sse', url: 'https://x.example/sse' }, []],
    ['Gemini', { httpUrl: 'https://x.example/sse' }, { type: 'http', url: 'https://x.example/sse' }, []],
    ['Windsurf', { serverUrl: 'https://x.example/mcp' }, { type: 'http', url: 'https://x.example/mcp' }, []],
    ['a variable in the URL', { url: 'https://${env:HOST}/mcp' }, { type: 'http', url: 'https://${HOST}/mcp' }, ['HOST']],
    [
      'a variable with a default',
      { url: 'https://${HOST:-x.example}/mcp' },
      { type: 'http', url: 'https://${HOST:-x.example}/mcp' },
      [],
    ],
    [
      'stdio',
      { command: 'npx', args: ['-y', 'pkg'], env: { MODE: 'fast', GITHUB_TOKEN: 'ghp_abc', OTHER: '${env:OTHER_KEY}' } },
      {
        type: 'stdio',
        command: 'npx',
        args: ['-y', 'pkg'],
        env: { MODE: 'fast', GITHUB_TOKEN: 'env:GITHUB_TOKEN', OTHER: 'env:OTHER_KEY' },
      },
      ['GITHUB_TOKEN', 'OTHER_KEY'],
    ],
    [
      'a connection string',
      { command: 'x', env: { DB: 'postgres://u:p@h/db' } },
      { type: 'stdio', command: 'x', env: { DB: 'env:ONE_DB' } },
      ['ONE_DB'],
    ],
    [
      'an opaque value',
      { command: 'x', env: { SETTING: 'a1b2c3d4e5f6a7b8c9d0e1' } },
      { type: 'stdio', command: 'x', env: { SETTING: 'env:ONE_SETTING' } },
      ['ONE_SETTING'],
    ],
    [
      'a secret argument',
      { command: 'x', args: ['--api-key', 'abc', '--token=def', '--header', 'Authorization: Bearer ghi'] },
      {
        type: 'stdio',
        command: 'x',
        args: ['--api-key', '${API_KEY}', '--token=${ONE_TOKEN}', '--header', 'Authorization: Bearer ${ONE_AUTHORIZATION}'],
      },
      ['API_KEY', 'ONE_TOKEN', 'ONE_AUTHORIZATION'],
    ],
    [
      'a variable a container takes over',
      { command: 'docker', args: ['run', '-i', '-e', 'GITHUB_TOKEN', 'ghcr.io/github/server'], env: { GITHUB_TOKEN: 'ghp_abc' } },
      {
        type: 'stdio',
        command: 'docker',
        args: ['run', '-i', '-e', 'GITHUB_TOKEN', 'ghcr.io/github/server'],
        env: { GITHUB_TOKEN: 'env:GITHUB_TOKEN' },
      },
      ['GITHUB_TOKEN'],
    ],
    [
      'secrets written into the arguments of a container',
      {
        command: 'docker',
        args: ['run', '-e', 'API_KEY=abc', '--env=OTHER_TOKEN=d=e=', '-e', 'MODE=fast', 'image'],
      },
      {
        type: 'stdio',
        command: 'docker',
        args: [
          'run',
          '-e',
          'API_KEY=${API_KEY}',
          '--env=OTHER_TOKEN=${OTHER_TOKEN}',

          '-e',
          'MODE=fast',
          'image',
        ],
      },
      ['API_KEY', 'OTHER_TOKEN'],
    ],
    ['the home folder', { command: 'x', args: ['${userHome}/a'] }, { type: 'stdio', command: 'x', args: ['${HOME}/a'] }, []],
    [
      'a predefined variable',
      { command: 'x', args: ['${workspaceFolder}/a'] },
      { type: 'stdio', command: 'x', args: ['${WORKSPACE_FOLDER}/a'] },
      ['WORKSPACE_FOLDER'],
    ],
    [
      'Windows shell',
      { command: 'cmd', args: ['/c', 'npx', '-y', 'pkg'] },
      { type: 'stdio', command: 'npx', args: ['-y', 'pkg'] },
      [],
    ],
    [
      'mcp-remote',
      {
        command: 'npx',
        args: ['-y', 'mcp-remote@latest', 'https://x.example/mcp', '--header', 'Authorization: Bearer ${X_TOKEN}'],
      },
      { type: 'http', url: 'https://x.example/mcp', credential: { type: 'bearer', token: 'env:X_TOKEN' } },
      ['X_TOKEN'],
    ],
    ['disabled', { command: 'x', disabled: true }, { type: 'stdio', command: 'x', enabled: false }, []],
  ])('%s', (_name, entry, file, variables) => {
    expect(convert(entry)).toMatchObject({ file, variables })
    expect(convert(entry).file).toEqual(file)
    expect(convert(entry, 'servers').file).toEqual(file)
  })

  test('no literal secret is left anywhere', () => {
    const entries = [
      {
        command: 'x',
        args: ['--token=hunter2', '--password', 'hunter2', 'postgres://u:hunter2@h/d'],
        env: { MY_SECRET: 'hunter2', URL: 'https://u:hunter2@h' },
      },
      { url: 'https://u:hunter2@h/mcp', headers: { Authorization: 'Bearer hunter2', Cookie: 'hunter2', 'X-Token': 'hunter2' } },
      { url: 'https://h/mcp?api_key=hunter2' },
      { command: 'npx', args: ['mcp-remote', 'https://h', '--header', 'X-Api-Key: hunter2'] },
    ]

    const { servers, notes, variables } = convertMcpJson({ mcpServers: entries })

    expect(JSON.stringify([servers, notes, [...variables]])).not.toContain('hunter2')
  })

  test('what cannot be taken over is said', () => {
    expect(convert({ url: 'https://h/mcp?api_key=x' })).toMatchObject({
      file: undefined,
      notes: ['one: left out: it sends a secret in its URL; ask for a header, and write it as "credential"'],
    })
    expect(convert({}).notes).toEqual(['one: left out: it has neither "url" nor "command"'])
    expect(convert({ command: 'x', alwaysAllow: ['a'] }).notes).toEqual(['one: not taken over: alwaysAllow'])
    expect(convertMcpJson({}).notes).toHaveLength(1)
  })

  test('names become ids, each its own, and two secrets never share a variable', () => {
    const entry = { command: 'x', env: { API_KEY: 'a' } }
    const { servers, variables } = convertMcpJson({
      mcpServers: { 'My Server': entry, 'my-server': entry, '✓': entry, ['x'.repeat(40)]: entry },
    })

    expect(servers.map((server) => server.id)).toEqual(['my-server', 'my-server-2', 'server', 'x'.repeat(32)])
    expect(variables.size).toBe(4)
  })
})

describe('import mcp-json', () => {
  const client = `{
  // what Cursor keeps
  "mcpServers": {
    "GitHub": { "url": "https://github.example/mcp", "headers": { "Authorization": "Bearer ghp_hunter2" }, },
    "local": { "command": "node", "args": ["server.js"], "includeTools": ["read_*"] },
  }
}`
  const options = { file: 'mcp.json', out: 'tollgate.json', dryRun: false, force: false }

  async function subject() {
    const folder = await createFolder({ 'tollgate.json': { mode: 'development' }, 'mcp.json': client })
    return {
      folder,
      io: createCliIo({ cwd: folder.path, env: { PATH: env['PATH'] } }),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    }
  }

  test('writes registrations and a catalog that are valid, and lists the variables', async () => {
    await using run = await subject()

    expect(await importMcpJson({ ...options, catalog: 'team', team: 'research' }, run.io)).toBe(0)

    expect(run.io.written.out).toBe(`servers/github.json written
servers/local.json written
catalogs/team.json written
Set these variables before the gateway starts:
  GITHUB_TOKEN  (GitHub: header Authorization)
`)
    expect(await readFile(join(run.folder.path, 'catalogs/schema/server.json'), 'utf8')).toBe(jsonSchemas().get('server.json'))
    expect(JSON.parse(await readFile(join(run.folder.path, 'catalogs/team.json'), 'utf8'))).toMatchObject({
      $schema: './schema/catalog.json',
      for: { teams: ['research'] },
      tools: [
        { server: 'github', allow: ['*'] },
        { server: 'local', allow: ['read_*'] },
      ],
    })
    expect(JSON.parse(await readFile(join(run.folder.path, 'servers/github.json'), 'utf8'))).toEqual({
      $schema: '../catalogs/schema/server.json',
      type: 'http',
      url: 'https://github.example/mcp',
      credential: { type: 'bearer', token: 'env:GITHUB_TOKEN' },
      title: 'GitHub',
    })
  })

  test('overwrites nothing without being told to', async () => {
    await using run = await subject()
    await run.folder.write('servers/local.json', 'mine')

    expect(await importMcpJson(options, run.io)).toBe(1)
    expect(run.io.written.err).toContain('nothing was written: servers/local.json would be overwritten')
    expect(await readdir(join(run.folder.path, 'servers'))).toEqual(['local.json'])
    expect(await importMcpJson({ ...options, force: true }, run.io)).toBe(0)
    expect(await readFile(join(run.folder.path, 'servers/local.json'), 'utf8')).toContain('"stdio"')
  })

  test('a dry run writes nothing and shows everything but the secret', async () => {
    await using run = await subject()

    expect(await importMcpJson({ ...options, dryRun: true }, run.io)).toBe(0)
    expect(await readdir(run.folder.path)).toEqual(['mcp.json', 'tollgate.json'])
    expect(run.io.written.out).toContain('"token": "env:GITHUB_TOKEN"')
    expect(run.io.written.out + run.io.written.err).not.toContain('hunter2')
  })

  test.each([
    ['no such file', 'absent.json', 'cannot be read'],
    ['not JSON', 'bad.json', 'bad.json:1:3  expected a key in double quotes'],
    ['no servers', 'tollgate.json', 'there is no "mcpServers" or "servers" object'],
  ])('%s is said', async (_name, file, message) => {
    await using run = await subject()
    await run.folder.write('bad.json', '{ x }')

    expect(await importMcpJson({ ...options, file }, run.io)).toBe(3)
    expect(run.io.written.err).toContain(message)
  })

  test('what was written and is not valid here is said', async () => {
    await using run = await subject()
    await run.folder.write('mcp.json', { mcpServers: { x: { command: 'no-such-program' } } })

    expect(await importMcpJson(options, run.io)).toBe(3)
    expect(run.io.written.err).toContain('servers/x.json:4:14  error\n  $.command: no-such-program is not on PATH')
  })
})

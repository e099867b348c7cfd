import { execPath } from 'node:process'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/catalog/read.ts'
import { createFolder } from './folder.ts'

const GATEWAY = { mode: 'development' }
const NOTES = { type: 'http', url: 'https://notes.example/mcp' }
const CATALOG = { title: 'Research', for: {}, tools: [{ server: 'notes', allow: ['*'] }] }

async function load(files: Readonly<Record<string, unknown>>, env: Record<string, string> = {}) {
  await using folder = await createFolder({
    'tollgate.json': GATEWAY,
    'servers/notes.json': NOTES,
    'catalogs/research.json': CATALOG,
    ...files,
  })
  return await readConfig(folder.config, { PATH: '/usr/bin:/bin', ...env })
}
const problemsOf = async (files: Readonly<Record<string, unknown>>, env: Record<string, string> = {}) =>
  (await load(files, env)).problems.map(
    (problem) => `${problem.file}:${problem.line}:${problem.column} ${problem.path} ${problem.message}`,
  )

describe('a good set of files', () => {
  test('is loaded whole, frozen, with positions', async () => {
    const files = await load({})

    expect(files.problems).toEqual([])
    expect([...files.servers.keys(), ...files.catalogs.keys()]).toEqual(['notes', 'research'])
    expect(files.gateway?.value.data.port).toBe(8080)
    expect(Object.isFrozen(files.catalogs.get('research')?.value.tools[0])).toBe(true)
    expect(files.catalogs.get('research')?.locate(['tools', 0, 'allow', 0])).toEqual({ line: 8, column: 9 })
    expect(files.catalogs.get('research')?.file).toBe('catalogs/research.json')
  })

  test('ignores locks, folders and files that are not JSON', async () => {
    const files = await load({
      'catalogs/research.lock.json': '{}',
      'catalogs/schema/x.json': 'no',
      'servers/notes/main.ts': '//',
      'servers/readme.md': '',
    })

    expect(files.problems).toEqual([])
  })

  test('has a digest that follows the value, not the blanks', async () => {
    const [plain, spaced, other] = await Promise.all([
      load({ 'servers/notes.json': JSON.stringify(NOTES) }),
      load({ 'servers/notes.json': JSON.stringify(NOTES, null, 8) }),
      load({ 'servers/notes.json': { ...NOTES, enabled: false } }),
    ])

    expect(plain.servers.get('notes')?.digest).toBe(spaced.servers.get('notes')?.digest)
    expect(plain.servers.get('notes')?.digest).not.toBe(other.servers.get('notes')?.digest)
  })
})

test('what a schema cannot see is reported beside what it sees', async () => {
  const issuer = {
    issuer: 'https://i',
    jwks: { discovery: true },
    audience: 'x',
    claims: { team: { cel: 'claims.' }, groups: 5 },
  }
  const problems = await problemsOf({
    'tollgate.json': { ...GATEWAY, admin: { host: '0.0.0.0' }, data: { prot: 1 }, identity: { issuers: [issuer] } },
    'servers/notes.json': { ...NOTES, timeout: 5, headers: { Authorization: 'Bearer x' }, bounds: { pages: 'many' } },
  })

  expect(problems.map((problem) => problem.split(' ', 2)[1])).toEqual([
    '$.admin.host',
    '$.data.prot',
    '$.identity.issuers[0].audience',
    '$.identity.issuers[0].claims.team.cel',
    '$.identity.issuers[0].claims.groups',
    '$.timeout',
    '$.headers.Authorization',
    '$.bounds.pages',
  ])
})

test('a transport by the name clients give it is suggested by ours', async () => {
  const { problems } = await load({ 'servers/notes.json': { ...NOTES, type: 'streamable-http' } })

  expect(problems[0]).toMatchObject({ path: '$.type', suggestion: 'http' })
})

describe('problems name file, line, column, path and the way out', () => {
  test.each<[name: string, files: Record<string, unknown>, problem: string]>([
    ['no tollgate.json value', { 'tollgate.json': '' }, 'tollgate.json:1:1 $ the file is empty'],
    [
      'misspelt key',
      { 'catalogs/research.json': '{\n  "title": "R", "for": {},\n  "tools": [{ "server": "notes", "alow": ["*"] }]\n}' },
      'catalogs/research.json:3:34 $.tools[0].alow unknown key "alow"; did you mean "allow"?',
    ],
    [
      'key of another file',
      { 'tollgate.json': { ...GATEWAY, budgets: [] } },
      '$.budgets unknown key "budgets": budgets stand in the files of catalogs/',
    ],
    [
      'approve',
      { 'catalogs/research.json': { ...CATALOG, tools: [{ server: 'notes', allow: ['*'], approve: 'never' }] } },
      '$.tools[0].approve unknown key "approve": this version has no approvals',
    ],
    [
      'expose',
      { 'catalogs/research.json': { ...CATALOG, expose: 'search' } },
      '$.expose this version lists every item in full: "expose" can only be "all"',
    ],
    ['enumeration', { 'tollgate.json': { mode: 'develop' } }, '$.mode must be "development" or "production"; found "develop"'],
    ['wrong type', { 'tollgate.json': { data: { port: '80' } } }, '$.data.port expected a number, found the text "80"'],
    ['missing value', { 'catalogs/research.json': { for: {} } }, '$ "title" is missing: text'],
    [
      'unknown server type',
      { 'servers/notes.json': { type: 'https', url: 'https://x' } },
      '$.type must be "http", "sse" or "stdio"; found "https"',
    ],
    ['missing server type', { 'servers/notes.json': { url: 'https://x' } }, '$ "type" is missing: "http", "sse" or "stdio"'],
    [
      'key of another server type',
      { 'servers/notes.json': { type: 'stdio', command: 'node', url: 'x' } },
      '$.url unknown key "url"',
    ],
    [
      'union by the nearest variant',
      { 'tollgate.json': { identity: { issuers: [{ issuer: 'https://i', jwks: { url: 5 } }] }, mode: 'development' } },
      '$.identity.issuers[0].jwks.url expected text, found the number 5',
    ],
    [
      'misspelt key in a union',
      { 'tollgate.json': { identity: { issuers: [{ issuer: 'https://i', jwks: { ulr: 'https://x' } }] }, mode: 'development' } },
      '$.identity.issuers[0].jwks.ulr unknown key "ulr"; did you mean "url"?',
    ],
    [
      'two ways where there is one',
      {
        'tollgate.json': {
          ...GATEWAY,
          identity: { issuers: [{ issuer: 'https://i', jwks: { url: 'https://x', discovery: true } }] },
        },
      },
      '$.identity.issuers[0].jwks.discovery "discovery" cannot stand beside the other keys here; keep one of them',
    ],
    [
      'unknown credential type, each variant once',
      { 'servers/notes.json': { ...NOTES, credential: { type: 'oauth' } } },
      '$.credential.type must be "bearer", "header", "basic" or "client_credentials"; found "oauth"',
    ],
    [
      'a prefix',
      { 'catalogs/research.json': { ...CATALOG, tools: [{ server: 'notes', allow: ['*'], prefix: 'a b' }] } },
      'must be 1 to 24 of',
    ],
    [
      'a certificate that is not there',
      { 'tollgate.json': { ...GATEWAY, data: { tls: { cert: 'no.pem', key: 'tollgate.json' } } } },
      '$.data.tls.cert there is no file',
    ],
    [
      'a key set that is not there',
      { 'tollgate.json': { ...GATEWAY, identity: { issuers: [{ issuer: 'https://i', jwks: { file: 'no.json' } }] } } },
      '$.identity.issuers[0].jwks.file there is no file',
    ],
    [
      'an egress entry',
      { 'tollgate.json': { ...GATEWAY, egress: { allow: ['10.0.0.0/8', '10.0.0.0/99'] } } },
      '$.egress.allow[1] "10.0.0.0/99" is not an address or a CIDR range',
    ],
    [
      'a proxy URL with credentials',
      { 'tollgate.json': { ...GATEWAY, egress: { proxy: { url: 'http://me:word@proxy.example:3128' } } } },
      '$.egress.proxy.url the URL carries credentials',
    ],
    [
      'a folder to run in that is not there',
      { 'servers/notes.json': { type: 'stdio', command: 'node', cwd: 'nowhere' } },
      '$.cwd there is no folder',
    ],
    [
      'a field no principal has',
      { 'catalogs/research.json': { ...CATALOG, for: { when: 'principal.teem == "research"' } } },
      '$.for.when the expression does not compile: a principal has no "teem"; it has issuer, subject, kind, org, team',
    ],
    [
      'unknown server',
      { 'catalogs/research.json': { ...CATALOG, tools: [{ server: 'note', allow: ['*'] }] } },
      '$.tools[0].server unknown server "note"; did you mean "notes"?',
    ],
    [
      'file name',
      { 'catalogs/Re Search.json': CATALOG },
      'catalogs/Re Search.json:1:1 $ the file name is the id: must be 1 to 32 of',
    ],
    [
      'expression',
      { 'catalogs/research.json': { ...CATALOG, tools: [{ server: 'notes', allow: ['*'], when: 'arg.x > 1' }] } },
      '$.tools[0].when the expression does not compile: Unknown variable: arg; known: principal, args, tool, time, at character 1',
    ],
    [
      'audience over arguments',
      { 'catalogs/research.json': { ...CATALOG, for: { when: 'args.x > 1' } } },
      '$.for.when the expression does not compile: Unknown variable: args; known: principal, time',
    ],
    [
      'claim expression',
      {
        'tollgate.json': {
          mode: 'development',
          identity: { issuers: [{ issuer: 'https://i', jwks: { discovery: true }, claims: { team: { cel: 'claim.t' } } }] },
        },
      },
      '$.identity.issuers[0].claims.team.cel the expression does not compile',
    ],
    [
      'alias twice',
      { 'catalogs/research.json': { ...CATALOG, tools: ['a', 'b'].map((tool) => ({ server: 'notes', tool, as: 'x' })) } },
      '$.tools[1].as the name "x" is already given to $.tools[0]',
    ],
    [
      'alias too long',
      { 'catalogs/research.json': { ...CATALOG, tools: [{ server: 'notes', tool: 'a', as: 'x'.repeat(49) }] } },
      '$.tools[0].as must be 1 to 48 of',
    ],
    [
      'set and default',
      {
        'catalogs/research.json': {
          ...CATALOG,
          tools: [{ server: 'notes', tool: 'a', arguments: { set: { q: 1 }, default: { q: 2 } } }],
        },
      },
      '$.tools[0].arguments.default.q "q" is also under "set"',
    ],
    [
      'neither tool nor allow',
      { 'catalogs/research.json': { ...CATALOG, tools: [{ server: 'notes' }] } },
      '$.tools[0] needs exactly one of "tool" and "allow"',
    ],
    ['production without callers', { 'tollgate.json': {} }, '$.identity nobody can call: add an issuer'],
    [
      'development on an open listener',
      { 'tollgate.json': { mode: 'development', data: { host: '0.0.0.0' } } },
      '$.data.host development mode accepts tokens anybody',
    ],
    [
      'URL with a password',
      { 'servers/notes.json': { type: 'http', url: 'https://u:p@notes.example' } },
      '$.url the URL carries a user name or password',
    ],
    [
      'URL with a key',
      { 'servers/notes.json': { type: 'http', url: 'https://notes.example/?api_key=1' } },
      '$.url the URL carries a secret in "api_key"',
    ],
    [
      'not a URL',
      { 'servers/notes.json': { type: 'http', url: 'notes.example' } },
      '$.url must be an http or https URL; found "notes.example"',
    ],
    [
      'literal secret',
      { 'servers/notes.json': { ...NOTES, credential: { type: 'bearer', token: 'sk-123' } } },
      '$.credential.token a secret is written by reference: "env:NAME"',
    ],
    [
      'secret header',
      { 'servers/notes.json': { ...NOTES, headers: { Authorization: 'Bearer x' } } },
      '$.headers.Authorization the header Authorization carries a secret: write "credential": { "type": "bearer"',
    ],
    [
      'secret variable',
      { 'servers/notes.json': { type: 'stdio', command: 'node', env: { GITHUB_TOKEN: 'abc' } } },
      '$.env.GITHUB_TOKEN GITHUB_TOKEN looks like a secret: write "env:GITHUB_TOKEN"',
    ],
    [
      'private key',
      {
        'tollgate.json': {
          mode: 'development',
          identity: { issuers: [{ issuer: 'https://i', jwks: { keys: [{ kty: 'EC', d: 'x' }] } }] },
        },
      },
      '$.identity.issuers[0].jwks.keys[0] this is a private key',
    ],
    [
      'unset variable',
      { 'servers/notes.json': '{ "type": "http",\n  "url": "https://${NOTES_HOST}/mcp" }' },
      'servers/notes.json:2:10 $.url the environment variable NOTES_HOST is not set',
    ],
    ['revocations', { 'revocations.json': { jti: 'x' } }, 'revocations.json:2:10 $.jti expected a list, found the text "x"'],
  ])('%s', async (_name, files, expected) => {
    expect((await problemsOf(files)).filter((problem) => problem.includes(expected))).toHaveLength(1)
  })

  test('all problems of all files come at once', async () => {
    const problems = await problemsOf({
      'tollgate.json': { mode: 'x', daat: {} },
      'servers/notes.json': '{',
      'catalogs/research.json': { ...CATALOG, title: 5, tols: [] },
    })

    expect(problems).toHaveLength(5)
  })

  test('a secret in the wrong place is not repeated', async () => {
    const problems = await problemsOf({
      'servers/notes.json': { ...NOTES, credential: { type: 'bearer', token: 'hunter2' }, headers: { Cookie: 'hunter2' } },
    })

    expect(problems.join()).not.toContain('hunter2')
  })
})

describe('one bad file does not take the others with it', () => {
  test('a bad server is quarantined, and the catalogs that use it still load', async () => {
    const files = await load({ 'servers/notes.json': '{', 'servers/clock.json': NOTES })

    expect([...files.quarantined.keys()]).toEqual(['notes'])
    expect([...files.servers.keys()]).toEqual(['clock'])
    expect([...files.catalogs.keys()]).toEqual(['research'])
    expect(files.problems).toHaveLength(1)
  })

  test('a bad catalog is left out', async () => {
    const files = await load({ 'catalogs/bad.json': { title: 'x' } })

    expect([...files.badCatalogs.keys()]).toEqual(['bad'])
    expect([...files.catalogs.keys()]).toEqual(['research'])
  })

  test('a bad tollgate.json still has its other files checked', async () => {
    const files = await load({ 'tollgate.json': { mode: 'x', servers: 'upstreams' }, 'upstreams/other.json': NOTES })

    expect(files.gateway).toBeUndefined()
    expect([...files.servers.keys()]).toEqual(['other'])
  })

  test('a missing tollgate.json is a problem', async () => {
    await using folder = await createFolder({})

    expect((await readConfig(folder.config, {})).problems).toMatchObject([
      { file: 'tollgate.json', message: 'there is no such file' },
    ])
  })

  test('too large a file is refused unread', async () => {
    const files = await load({ 'catalogs/large.json': ' '.repeat(8 * 1024 * 1024 + 1) })

    expect(files.badCatalogs.get('large')?.[0]?.message).toContain('at most 8388608 are read')
  })

  test.each([
    [20_000, { path: '$.tools', message: 'must have at most 2000 entries; found 20000' }],
    [50_000, { path: '$', message: 'the file has more than 100000 values; split it' }],
  ])('%i rules are refused with one problem', async (length, problem) => {
    const tools = Array.from({ length }, () => ({ server: 'notes', allow: ['*'] }))
    const files = await load({ 'catalogs/large.json': JSON.stringify({ ...CATALOG, tools }) })

    expect(files.badCatalogs.get('large')).toMatchObject([problem])
  })

  test('a bad deny list is told from none', async () => {
    expect((await load({})).badRevocations).toBe(false)
    expect((await load({ 'revocations.json': '[' })).badRevocations).toBe(true)
    expect((await load({ 'revocations.json': { jti: ['a'] } })).revocations.jti).toEqual(['a'])
  })
})

describe('a file of nulls and blanks', () => {
  const shapes: [file: string, keys: string[]][] = [
    [
      'tollgate.json',
      [
        'mode',
        'publicUrl',
        'data',
        'admin',
        'health',
        'servers',
        'catalogs',
        'state',
        'identity',
        'seal',
        'egress',
        'limits',
        'ledger',
        'bounds',
        'telemetry',
      ],
    ],
    ['servers/notes.json', ['type', 'url', 'headers', 'credential', 'timeouts', 'labels', 'era', 'enabled']],
    ['catalogs/research.json', ['title', 'for', 'tools', 'prompts', 'resources', 'limits', 'expose']],
  ]
  const rows = shapes.flatMap(([file, keys]) =>
    keys.flatMap((key) => [null, '', 0, [], {}].map((value) => [file, key, value] as const)),
  )

  test.each(rows)('%s: %s = %j is a problem or a default, never an exception', async (file, key, value) => {
    const base = { 'tollgate.json': GATEWAY, 'servers/notes.json': NOTES, 'catalogs/research.json': CATALOG }[file]

    const files = await load({ [file]: { ...base, [key]: value } })

    if (value === null) expect(files.problems.length).toBeGreaterThan(0)
  })
})

describe('interpolation', () => {
  const url = async (text: string, env: Record<string, string> = {}) => {
    const files = await load({ 'servers/notes.json': { type: 'http', url: 'https://x', title: text } }, env)
    return files.servers.get('notes')?.value.title ?? files.problems[0]?.message
  }

  test.each<[text: string, env: Record<string, string>, result: string]>([
    ['a ${X} b', { X: 'y' }, 'a y b'],
    ['${X}${Z}', { X: '1', Z: '2' }, '12'],
    ['${X:-other}', {}, 'other'],
    ['${X:-other}', { X: '' }, 'other'],
    ['${X:-}!', {}, '!'],
    ['$${X}', {}, '${X}'],
    ['$X and $', {}, '$X and $'],
    ['${X:?ask Ada}', {}, 'the environment variable X is not set: ask Ada'],
    ['${X}', {}, 'the environment variable X is not set; set it, or write ${X:-default}'],
    ['${X', {}, 'write ${NAME}, ${NAME:-default} or ${NAME:?message}; "$${" stands for a literal "${"'],
    ['${X}', { X: '${Y}' }, '${Y}'],
  ])('%s with %j', async (text, env, result) => {
    expect(await url(text, env)).toBe(result)
  })

  test('leaves secret references alone', async () => {
    const files = await load(
      { 'servers/notes.json': { ...NOTES, credential: { type: 'bearer', token: '${TOKEN}' } } },
      { TOKEN: 'env:X' },
    )

    expect(files.problems[0]?.message).toContain('a secret is written by reference')
  })
})

describe('the command of a child', () => {
  test.each<[name: string, server: object, problem: string]>([
    ['shell', { command: 'sh', args: ['-c', 'x'] }, '$.command sh is a shell'],
    ['shell by path', { command: '/bin/bash' }, '$.command bash is a shell'],
    ['env wrapper', { command: 'env', args: ['X=1', 'node'] }, '$.command env only starts another program'],
    ['variables in front', { command: 'X=1' }, '$.command variables stand under "env"'],
    ['shell line', { command: 'node server.js' }, '$.command the command is one word'],
    ['relative path', { command: './server' }, '$.command the command must be an absolute path'],
    ['home', { command: '~/server' }, '$.command "~" is not expanded'],
    ['trailing blank', { command: 'node ' }, '$.command the command begins or ends with a blank'],
    ['node -e', { command: 'node', args: ['-e', '1'] }, '$.args[0] node -e runs a text as a program'],
    ['node --eval=', { command: 'node', args: ['--no-warnings', '--eval=1'] }, '$.args[1] node --eval=1 runs'],
    ['node -r x -e', { command: 'node', args: ['-r', './x.js', '-e', '1'] }, '$.args[2] node -e runs'],
    ['python -c', { command: 'python3', args: ['-Ic', '1'] }, '$.args[0] python3 -Ic runs'],
    ['npx -c', { command: 'npx', args: ['-y', '-c', 'x'] }, '$.args[1] npx -c runs'],
    ['npx --call', { command: 'npx', args: ['pkg', '--call=x'] }, '$.args[1] npx --call=x runs'],
    ['unknown', { command: 'no-such-program' }, '$.command no-such-program is not on PATH'],
    ['not executable', { command: '/etc/passwd' }, '$.command /etc/passwd is not an executable file'],
  ])('%s is refused', async (_name, server, problem) => {
    expect((await problemsOf({ 'servers/child.json': { type: 'stdio', ...server } })).join()).toContain(problem)
  })

  test('flags behind the script belong to the script', async () => {
    expect(
      await problemsOf({ 'servers/child.json': { type: 'stdio', command: 'node', args: ['server.js', '-e', '-c'] } }),
    ).toEqual([])
  })

  test('an operator may allow a one-line program', async () => {
    const server = { type: 'stdio', command: '/bin/sh', args: ['-c', 'cat'], allowInterpreterFlags: true }

    expect(await problemsOf({ 'servers/child.json': server })).toEqual([])
  })

  test('becomes absolute, and so does the folder it runs in', async () => {
    await using folder = await createFolder({
      'tollgate.json': GATEWAY,
      'bin/tool': '#!/bin/sh\n',
      'servers/a.json': { type: 'stdio', command: 'tool' },
      'servers/b.json': { type: 'stdio', command: 'node', cwd: 'work' },
      'work/main.js': '',
    })
    await chmod(join(folder.path, 'bin/tool'), 0o755)

    const files = await readConfig(folder.config, { PATH: `relative:${join(folder.path, 'bin')}` })

    expect(files.servers.get('a')?.value).toMatchObject({ command: join(folder.path, 'bin/tool'), cwd: folder.path })
    expect(files.servers.get('b')?.value).toMatchObject({ command: execPath, cwd: join(folder.path, 'work') })
  })
})

test('production is content with an issuer, an anonymous caller or a key', async () => {
  const keys = { keys: [{ id: 'k' }] }

  expect((await load({ 'tollgate.json': {} })).gateway).toBeUndefined()
  expect(await problemsOf({ 'tollgate.json': { identity: { anonymous: {} } } })).toEqual([])
  expect(
    await problemsOf({ 'tollgate.json': { identity: { issuers: [{ issuer: 'https://i', jwks: { discovery: true } }] } } }),
  ).toEqual([])
  expect(await problemsOf({ 'tollgate.json': {}, '.tollgate/keys.json': keys })).toEqual([])
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parsePrincipal } from '../../../src/cli/principal-option.ts'
import { sendJson, startGateway } from './bridge-harness.ts'
import { runCli } from './cli-harness.ts'

const RULE = { file: 'catalogs/research.json', line: 14, column: 5, path: '$.tools[1]' }
const ANSWER = {
  outcome: 'deny',
  reason: 'condition-false',
  listed: true,
  catalog: 'research',
  rule: RULE,
  item: { name: 'note', server: 'notes', upstreamName: 'create_note', digest: 'sha256:aa', shownDigest: 'sha256:bb' },
  server: { id: 'notes', state: 'ready', since: 0, circuit: 'closed' },
  trace: [
    { step: 'catalog', outcome: 'pass', message: 'one catalog is for this principal: research' },
    { step: 'condition', outcome: 'fail', message: 'args.path.startsWith("/x") is false\u001b[2J', rule: RULE },
  ],
  change: 'make the condition true',
  revision: 'sha256:rr',
  limits: [{ label: 'catalog research, calls per minute', used: 3, max: 120 }],
}

describe('tollgate explain', () => {
  test('asks the admin API and prints the answer step by step, harmless for a terminal', async () => {
    await using admin = await startGateway((_seen, response) => sendJson(response, 200, ANSWER))

    const { code, out } = await runCli(
      [
        'explain',
        '--principal',
        'team=research,user=ann',
        '--tool',
        'note',
        '--args',
        '{"path":"/y"}',
        '--admin-url',
        `http://127.0.0.1:${admin.port}`,
      ],
      { io: { env: { TOLLGATE_ADMIN_TOKEN: 'admin-token' } } },
    )

    expect({ code, out }).toEqual({
      code: 0,
      out: `DENY tool note: condition-false
  catalog   research
  rule      catalogs/research.json:14:5 $.tools[1]
  item      notes/create_note, shown as note
  digest    sha256:aa (as shown sha256:bb)
  server    notes is ready; circuit closed
  listed    yes
  limits    catalog research, calls per minute 3 of 120
  revision  sha256:rr

trace
  pass catalog   one catalog is for this principal: research
  fail condition args.path.startsWith("/x") is false\uFFFD[2J (catalogs/research.json:14:5 $.tools[1])

change    make the condition true
`,
    })
    expect(admin.seen[0]!.headers.authorization).toBe('Bearer admin-token')
  })

  test('sends what it was asked, a pasted token in its own header and nowhere else', async () => {
    const asked: string[] = []
    await using admin = await startGateway(({ headers }, response) => {
      asked.push(String(response.req.url))
      sendJson(response, 200, { ...ANSWER, token: headers['x-tollgate-explain-token'] })
    })
    const base = ['--admin-url', `http://127.0.0.1:${admin.port}`, '--json']

    const { out } = await runCli(['explain', '--token', 'eyJ.pasted.token', '--prompt', 'p', '--catalog', 'c', ...base])
    await runCli(['explain', '--principal', '{"agent":"bot","groups":["g"]}', '--resource', 'notes://1', ...base])

    expect(JSON.parse(out).token).toBe('eyJ.pasted.token')
    const [first, second] = asked.map((url) => new URL(url, 'http://x'))
    expect(Object.fromEntries(first!.searchParams)).toEqual({ kind: 'prompt', name: 'p', catalog: 'c' })
    expect(second!.searchParams.get('name')).toBe('notes://1')
    expect(JSON.parse(second!.searchParams.get('principal')!)).toMatchObject({ kind: 'agent', agent: 'bot', groups: ['g'] })
  })

  test.each([
    ['no caller', ['--tool', 'x'], '--principal'],
    ['two callers', ['--tool', 'x', '--token', 't', '--principal', 'team=a'], 'one of'],
    ['no target', ['--token', 't'], '--tool'],
    ['two targets', ['--token', 't', '--tool', 'x', '--prompt', 'y'], 'one target'],
    ['arguments that are no JSON', ['--token', 't', '--tool', 'x', '--args', '{'], '--args'],
    ['arguments that are no object', ['--token', 't', '--tool', 'x', '--args', '[]'], '--args'],
  ])('meets %s with exit 2', async (_name, words, hint) => {
    const { code, err } = await runCli(['explain', ...words])

    expect(code).toBe(2)
    expect(err).toContain(hint)
  })

  test.each([
    [401, {}, 'TOLLGATE_ADMIN_TOKEN'],
    [403, {}, 'role'],
    [400, { detail: 'kind must be one of tool' }, 'kind must be one of tool'],
    [500, {}, 'HTTP 500'],
  ])('says what to do when the admin API answers %i', async (status, body, hint) => {
    await using admin = await startGateway((_seen, response) => sendJson(response, status, body))

    const { code, err } = await runCli([
      'explain',
      '--token',
      't',
      '--tool',
      'x',
      '--admin-url',
      `http://127.0.0.1:${admin.port}`,
    ])

    expect(code).toBe(1)
    expect(err).toContain(hint)
  })

  test('says how to start the gateway when it does not run', async () => {
    const gateway = await startGateway(() => undefined)
    await gateway[Symbol.asyncDispose]()

    const { code, err } = await runCli([
      'explain',
      '--token',
      't',
      '--tool',
      'x',
      '--admin-url',
      `http://127.0.0.1:${gateway.port}`,
    ])

    expect(code).toBe(1)
    expect(err).toContain('start it with "npm start" or "tollgate start"')
  })

  test('uses a short token of the development issuer when there is no other', async () => {
    await using admin = await startGateway((_seen, response) => sendJson(response, 200, ANSWER))
    await using folder = await temporaryFolder({ 'tollgate.json': `{"admin":{"port":${admin.port}}}` })
    const asked: unknown[] = []
    const mint = (options: unknown) => {
      asked.push(options)
      return Promise.resolve('minted')
    }

    await runCli(['explain', '--principal', 'team=a', '--tool', 'x'], {
      io: { cwd: folder.path },
      lent: { development: () => Promise.resolve({ mint }) },
    })

    expect(admin.seen[0]!.headers.authorization).toBe('Bearer minted')
    expect(asked).toMatchObject([{ roles: ['admin'], ttlSeconds: 300 }])
  })
})

describe('--principal', () => {
  test.each([
    ['team=research', { kind: 'user', team: 'research', groups: [] }],
    ['team=research,agent=bot', { kind: 'agent', agent: 'bot' }],
    ['user=ann, roles=a|b,groups=', { kind: 'user', user: 'ann', roles: ['a', 'b'], groups: [] }],
    [
      '{"subject":"s","issuer":"i","kind":"service","scopes":["x"]}',
      { kind: 'service', subject: 's', issuer: 'i', scopes: ['x'] },
    ],
  ])('reads %s', (text, expected) => {
    expect(parsePrincipal(text)).toMatchObject(expected)
  })

  test.each([
    ['teem=research', 'teem'],
    ['research', 'team=research'],
    ['kind=robot', 'service'],
    ['{"team":1}', '"team" must be text'],
    ['{"groups":[1]}', 'list'],
    ['{', 'JSON'],
    ['[]', 'not a pair'],
  ])('refuses %s and says why', (text, hint) => {
    expect(() => parsePrincipal(text)).toThrow(hint)
  })
})

async function temporaryFolder(files: Readonly<Record<string, string>>) {
  const path = await mkdtemp(join(tmpdir(), 'tollgate-explain-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

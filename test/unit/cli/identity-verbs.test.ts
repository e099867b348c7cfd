import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { KeyChanges } from '../../../src/cli/keys.ts'
import { runCli } from './cli-harness.ts'

test('tollgate keys works on the state folder of the configuration, with the options as given', async () => {
  await using folder = await temporaryFolder('{"state":"state"}')
  const asked: unknown[] = []
  const stored = {
    id: 'k1',
    hash: 'h',
    createdAt: '2026-11-23T12:00:00Z',
    principal: { subject: 'bot', kind: 'agent', groups: [], roles: [], scopes: [] },
  } as const
  const store: KeyChanges = {
    list: () => [{ ...stored, principal: { ...stored.principal, groups: [], roles: [], scopes: [] } }],
    create: (key) => {
      asked.push(key)
      return Promise.resolve({ key: 'tgk_new', stored: store.list()[0]! })
    },
    rotate: (id, overlapMs) => {
      asked.push([id, overlapMs])
      return Promise.resolve({ key: 'tgk_next', stored: store.list()[0]! })
    },
    revoke: (id) => {
      asked.push(id)
      return Promise.resolve(store.list()[0]!)
    },
  }
  const keys = (stateFolder: string) => {
    asked.push(stateFolder)
    return Promise.resolve(store)
  }
  const run = (...words: string[]) => runCli(['keys', ...words], { io: { cwd: folder.path }, lent: { keys } })

  const created = await run(
    'create',
    '--subject',
    'bot',
    '--team',
    'a',
    '--role',
    'viewer',
    '--role',
    'auditor',
    '--expires',
    '1d',
  )
  const rotated = await run('rotate', 'k1', '--overlap', '24h')
  await run('revoke', 'k1')
  const listed = await run('list', '--json')

  expect([created.out, rotated.out]).toEqual(['tgk_new\n', 'tgk_next\n'])
  expect(JSON.parse(listed.out)).toMatchObject([{ id: 'k1' }])
  const state = join(folder.path, 'state')
  const principal = { subject: 'bot', kind: 'agent', team: 'a', groups: [], roles: ['viewer', 'auditor'], scopes: [] }
  expect(asked).toEqual([
    state,
    { principal, expiresAt: new Date('2026-11-24T12:00:00Z') },
    state,
    ['k1', 86_400_000],
    state,
    'k1',
    state,
  ])
})

test('tollgate revoke edits the deny list the configuration names', async () => {
  await using folder = await temporaryFolder('{"identity":{"revocations":"denied.json"}}')

  const { code } = await runCli(['revoke', '--jti', 't1'], { io: { cwd: folder.path } })

  expect(code).toBe(0)
  expect(JSON.parse(await readFile(join(folder.path, 'denied.json'), 'utf8'))).toMatchObject({ jti: ['t1'] })
})

test('tollgate token asks the development issuer, and says so where there is none', async () => {
  const mint = (options: unknown) => Promise.resolve(`token of ${JSON.stringify(options)}`)
  const development = () => Promise.resolve({ mint })

  const given = await runCli(['token', '--team', 'a', '--role', 'admin', '--ttl', '1h'], { lent: { development } })
  const headers = await runCli(['token', '--headers'], { lent: { development } })
  const none = await runCli(['token'])

  expect(given.out).toBe('token of {"team":"a","roles":["admin"],"ttlSeconds":3600}\n')
  expect(JSON.parse(headers.out)).toEqual({ Authorization: expect.stringMatching(/^Bearer token of /) })
  expect(none).toMatchObject({ code: 1, out: '', err: expect.stringContaining('development mode') })
})

async function temporaryFolder(configuration: string) {
  const path = await mkdtemp(join(tmpdir(), 'tollgate-identity-'))
  await writeFile(join(path, 'tollgate.json'), configuration)
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

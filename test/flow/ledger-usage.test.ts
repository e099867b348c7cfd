// `tollgate usage` over a ledger that is open elsewhere, left behind, or killed in the middle of its work.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { CliIo } from '../../src/cli/io.ts'
import { usage, type UsageSource } from '../../src/cli/usage.ts'
import { createLedger, type JournalLedger } from '../../src/metering/ledger.ts'
import { entry } from '../unit/metering/entry-fixture.ts'

const AT = Date.parse('2026-11-20T10:00:00Z')

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-usage-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function terminal() {
  const said = { out: '', err: '' }
  const io: CliIo = {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    env: {},
    cwd: '/',
    isTerminal: false,
    now: () => new Date('2026-11-20T12:00:00Z'),
    signal: new AbortController().signal,
    stdin: new PassThrough(),
  }
  return { io, said }
}

/** Nothing listens on port 9 of this machine. */
const nobody = (stateFolder: string): UsageSource => ({
  adminUrl: 'http://127.0.0.1:9',
  stateFolder,
  token: () => Promise.resolve(undefined),
})

async function filled(directory: string): Promise<JournalLedger> {
  const ledger = await createLedger({ directory, durability: 'process', report: () => undefined, now: () => performance.now() })
  await Promise.all([
    ledger.record(entry({ id: 'id-1', at: AT, durationMs: 10 })),
    ledger.record(entry({ id: 'id-2', at: AT, durationMs: 30, status: 'error', error: 'upstream_timeout' })),
    ledger.record(entry({ id: 'id-3', at: AT, team: 'operations', nanoUsd: null })),
    ledger.record(entry({ id: 'id-4', at: AT - 30 * 86_400_000, team: 'operations' })),
  ])
  return ledger
}

const ROWS =
  'team,calls,errors,denied,p50_ms,p95_ms,p99_ms,avg_ms,avg_upstream_ms,request_bytes,response_bytes,usd,unpriced_calls\r\nresearch,2,1,0,10,30,30,20,12,200,400,0.004,0\r\noperations,1,0,0,12.5,12.5,12.5,12.5,12,100,200,0,1\r\n'

test('a ledger whose gateway was stopped is read from its index', async () => {
  const directory = folder()
  await (await filled(directory)).close()
  const { io, said } = terminal()

  expect(await usage({ by: 'team', format: 'csv' }, nobody(directory), io)).toBe(0)

  expect(said.out).toBe(ROWS)
  expect(said.err).toContain('because no gateway answers at http://127.0.0.1:9')
})

test('a ledger whose gateway was killed is read from index and journal, without changing either', async () => {
  const directory = folder()
  const copy = folder()
  const ledger = await filled(directory)
  await ledger.query({ from: 0, to: 1, by: [], where: {} })
  await ledger.record(entry({ id: 'id-5', at: AT, team: 'operations', nanoUsd: null }))
  cpSync(directory, copy, { recursive: true })
  await ledger.close()
  const { io, said } = terminal()

  expect(
    await usage({ by: 'team', format: 'csv', where: ['team=operations'], since: '24h', offline: true }, nobody(copy), io),
  ).toBe(0)

  expect(said.out.split('\r\n')[1]).toBe('operations,2,0,0,12.5,12.5,12.5,12.5,12,200,400,0,2')
  const reopened = await createLedger({
    directory: copy,
    durability: 'process',
    report: () => undefined,
    now: () => performance.now(),
  })
  expect((await reopened.query({ from: 0, to: Number.MAX_SAFE_INTEGER, by: [], where: {} }))[0]?.calls).toBe(5)
  await reopened.close()
})

test('a ledger that was killed before it had an index is read from its journal', async () => {
  const directory = folder()
  const copy = folder()
  const ledger = await filled(directory)
  cpSync(directory, copy, { recursive: true })
  await ledger.close()
  const { io, said } = terminal()

  expect(await usage({ by: 'team', format: 'csv' }, nobody(copy), io)).toBe(0)

  expect(said.out).toBe(ROWS)
})

test('a running gateway is asked, with the credential; its answer is printed as it is', async () => {
  const asked: { url: string | undefined; authorization: string | undefined }[] = []
  const gateway = createServer((request, response) => {
    asked.push({ url: request.url, authorization: request.headers.authorization })
    if (request.headers.authorization === 'Bearer good') response.end('rows\n')
    else response.writeHead(401).end()
  }).listen(0, '127.0.0.1')
  await once(gateway, 'listening')
  onTestFinished(() => void gateway.close())
  const adminUrl = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
  const { io, said } = terminal()
  const source = (token: string): UsageSource => ({ adminUrl, stateFolder: '/nowhere', token: () => Promise.resolve(token) })

  expect(await usage({ since: '24h', where: ['team=a b', 'user='] }, source('good'), io)).toBe(0)
  expect(await usage({}, source('bad'), io)).toBe(1)

  expect(asked[0]).toEqual({
    url: '/admin/v1/usage?by=team%2Cserver&from=24h&team=a+b&user=&format=table',
    authorization: 'Bearer good',
  })
  expect(said.out).toBe('rows\n')
  expect(said.err).toMatch(/asks for a credential with the role admin, auditor or viewer/)
})

test.each([
  { name: 'an unknown dimension', options: { by: 'colour' }, code: 2, words: /cannot group by "colour"; known: org, team/ },
  {
    name: 'a filter without a value',
    options: { where: ['team'] },
    code: 2,
    words: /"team" is no filter; write for instance team=research/,
  },
  { name: 'a folder without a ledger', options: { offline: true }, code: 1, words: /there is no ledger; a gateway makes it/ },
])('$name is told in words', async ({ options, code, words }) => {
  const { io, said } = terminal()

  expect(await usage(options, nobody(folder()), io)).toBe(code)
  expect(said.err).toMatch(words)
})

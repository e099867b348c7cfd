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
  'team,calls,errors,denied,p50_ms,p95_ms,p99_ms,avg_ms,avg_upstream_ms,request_bytes,response_bytes,tokens_in,tokens_cached,tokens_out,estimated_calls,usd,unpriced_calls\r\nresearch,2,1,0,10,30,30,20,12,200,400,0,0,0,0,0.004,0\r\noperations,1,0,0,12.5,12.5,12.5,12.5,12,100,200,0,0,0,0,0,1\r\n'

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

  expect(said.out.split('\r\n')[1]).toBe('operations,2,0,0,12.5,12.5,12.5,12.5,12,200,400,0,0,0,0,0,2')
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

const MODEL = {
  kind: 'model',
  method: 'chat/completions',
  server: null,
  target: 'fast',
  provider: 'openai',
  model: 'gpt-5-mini',
  region: 'eu',
  usageSource: 'provider',
  inputTokens: 900,
  cacheReadTokens: 300,
  outputTokens: 80,
  reasoningTokens: 5,
  nanoUsd: 402_500,
} as const

/** A run of two model calls with a tool call between them, a retry included, and an older run of somebody else with the same name. */
async function withRuns(directory: string): Promise<void> {
  const ledger = await createLedger({ directory, durability: 'process', report: () => undefined, now: () => performance.now() })
  await Promise.all([
    ledger.record(
      entry({
        id: 'id-1',
        at: AT,
        ...MODEL,
        status: 'retried',
        error: 'upstream_limited',
        nanoUsd: 0,
        inputTokens: null,
        cacheReadTokens: null,
        outputTokens: null,
        reasoningTokens: null,
        usageSource: null,
      }),
    ),
    ledger.record(entry({ id: 'id-1', attempt: 2, at: AT + 20, ...MODEL, provider: 'azure', region: null })),
    ledger.record(entry({ id: 'id-2', at: AT + 1_000, nanoUsd: null })),
    ledger.record(entry({ id: 'id-3', at: AT + 2_000, ...MODEL, usageSource: 'estimated', nanoUsd: null })),
    ledger.record(entry({ id: 'id-0', at: AT - 60_000, subject: 'subject-2' })),
  ])
  await ledger.close()
}

test('by session every run is told, newest first, with its entries in order', async () => {
  const directory = folder()
  await withRuns(directory)
  const { io, said } = terminal()

  expect(await usage({ by: 'session', offline: true }, nobody(directory), io)).toBe(0)

  expect(said.out).toBe(`run session-1 of subject-1 at https://issuer.example
4 entries, 1 failed, 2400 tokens in (600 cached), 170 out, 0.0004025 USD, 2 unpriced, 1 estimated
time                      kind   target        served by             status                    tokens in  cached  tokens out                 USD    ms
2026-11-20T10:00:00.000Z  model  fast          openai/gpt-5-mini@eu  retried upstream_limited          -       -           -                   0  12.5
2026-11-20T10:00:00.020Z  model  fast          azure/gpt-5-mini      ok, attempt 2                  1200     300          85           0.0004025  12.5
2026-11-20T10:00:01.000Z  tool   search_notes  notes                 ok                                -       -           -            unpriced  12.5
2026-11-20T10:00:02.000Z  model  fast          openai/gpt-5-mini@eu  ok                             1200     300          85  unpriced estimated  12.5

run session-1 of subject-2 at https://issuer.example
1 entry, 0.002 USD
time                      kind  target        served by  status  tokens in  cached  tokens out    USD    ms
2026-11-20T09:59:00.000Z  tool  search_notes  notes      ok              -       -           -  0.002  12.5
`)
})

test('JSON has the runs beside the rows, CSV one line for each run with its tokens', async () => {
  const directory = folder()
  await withRuns(directory)
  const [json, csv] = [terminal(), terminal()]

  expect(await usage({ by: 'session', format: 'json', offline: true }, nobody(directory), json.io)).toBe(0)
  expect(await usage({ by: 'session', format: 'csv', offline: true }, nobody(directory), csv.io)).toBe(0)

  const { rows, runs } = JSON.parse(json.said.out)
  expect(rows).toHaveLength(2)
  expect(runs).toMatchObject([
    {
      group: { subject: 'subject-1', session: 'session-1' },
      leftOut: 0,
      entries: [{ attempt: 1 }, { attempt: 2 }, { id: 'id-2' }, { id: 'id-3' }],
    },
    { group: { subject: 'subject-2' }, leftOut: 0, entries: [{ id: 'id-0' }] },
  ])
  expect(csv.said.out).toBe(
    'issuer,subject,session,calls,errors,denied,p50_ms,p95_ms,p99_ms,avg_ms,avg_upstream_ms,request_bytes,response_bytes,tokens_in,tokens_cached,tokens_out,estimated_calls,usd,unpriced_calls\r\nhttps://issuer.example,subject-1,session-1,4,1,0,12.5,12.5,12.5,12.5,12,400,800,2400,600,170,1,0.0004025,2\r\nhttps://issuer.example,subject-2,session-1,1,0,0,12.5,12.5,12.5,12.5,12,100,200,0,0,0,0,0.002,0\r\n',
  )
})

test('tables of other questions have token columns when there are tokens', async () => {
  const directory = folder()
  await withRuns(directory)
  const { io, said } = terminal()

  expect(await usage({ by: 'model', offline: true }, nobody(directory), io)).toBe(0)

  expect(said.out)
    .toBe(`model       calls  errors  denied  p50 ms  p95 ms  p99 ms  avg ms  upstream ms  bytes in  bytes out  tokens in  cached  tokens out  estimated        USD  unpriced
gpt-5-mini      3       1       0    12.5    12.5    12.5    12.5           12       300        600       2400     600         170          1  0.0004025         1
-               2       0       0    12.5    12.5    12.5    12.5           12       200        400          0       0           0          0      0.002         1
`)
})

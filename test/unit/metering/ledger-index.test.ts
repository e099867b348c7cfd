import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import type { Entry } from '../../../src/core/entry.ts'
import { decodeLine, encodeEntry, type LineParts } from '../../../src/metering/journal-line.ts'
import { LedgerIndex } from '../../../src/metering/ledger-index.ts'
import { earlierLine, writeEarlierDatabase } from '../../support/earlier-ledger.ts'
import { entry } from './entry-fixture.ts'

const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER, where: {} }
const END = { segment: 1, offset: 1 }

function path(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-index-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'ledger.db')
}

function opened(file: string): LedgerIndex {
  const index = new LedgerIndex(file)
  onTestFinished(() => index.close())
  return index
}

/** Lines as they are read from a journal. */
function lines(entries: readonly Entry[], encode = encodeEntry): LineParts[] {
  return entries.map((one) => decodeLine(Buffer.from(encode(one).trimEnd()))!)
}

function rowsIn(file: string, table: string): number {
  const database = new DatabaseSync(file, { readOnly: true })
  const count = Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.['count'])
  database.close()
  return count
}

const VARIED = [
  entry({ id: 'id-1', at: 1, durationMs: 0.1 + 0.2, gatewayMs: 1 / 3, queueMs: 1e-9, labels: '{"reads":"private"}' }),
  entry({ id: 'id-2', at: 2, org: 'o', user: 'zoë\u0000\u2028😀', agent: null, team: null, catalog: null, rule: null }),
  entry({ id: 'id-2', at: 2, attempt: 2, status: 'error', error: '-32000', nanoUsd: null, target: "it's" }),
  entry({
    id: 'id-3',
    at: 3,
    kind: 'model',
    provider: 'p',
    model: 'm',
    reportedModel: 'm-1',
    region: 'eu',
    stream: 1,
    firstTokenMs: 2 / 3,
    inputTokens: 1,
    cacheReadTokens: 2,
    cacheWrite5mTokens: 3,
    cacheWrite1hTokens: 4,
    inputAudioTokens: 5,
    inputImageTokens: 6,
    outputTokens: 7,
    reasoningTokens: 8,
    outputAudioTokens: 9,
    usageSource: 'provider',
    nanoUsd: Number.MAX_SAFE_INTEGER,
    flags: 'estimated',
    dropped: 'seed,logprobs',
    routing: '[{"target":"p/m"}]',
    verdicts: '[{"reason":"it said \\"no\\""}]',
  }),
]
const NEWEST_FIRST = VARIED.toReversed()

test('a database of an earlier version is taken over with every field, and goes on where it was', async () => {
  const file = path()
  writeEarlierDatabase(file, VARIED, { segment: 4, offset: 123 })

  const index = opened(file)

  expect(index.position()).toEqual({ segment: 4, offset: 123 })
  expect(await index.entries({ ...ALL, limit: 10 })).toEqual(NEWEST_FIRST)
  expect(
    (await index.usage({ ...ALL, by: ['provider'] })).map(({ group, calls, nanoUsd }) => [group.provider, calls, nanoUsd]),
  ).toEqual([
    [null, 3, 4_000_000],
    ['p', 1, Number.MAX_SAFE_INTEGER],
  ])
})

test('what an earlier version had indexed is not there twice when its lines are read again, in either form', async () => {
  const file = path()
  writeEarlierDatabase(file, VARIED)
  const index = opened(file)
  const fresh = entry({ id: 'id-4', at: 4 })

  expect(index.apply(lines([...VARIED, fresh], earlierLine), END)).toEqual([])
  expect(index.apply(lines([...VARIED, fresh]), END)).toEqual([])

  expect(await index.entries({ ...ALL, limit: 10 })).toEqual([fresh, ...NEWEST_FIRST])
})

test('callers and courses that a thread before this one wrote are not written again', () => {
  const file = path()
  writeEarlierDatabase(file, VARIED)
  const before = opened(file)
  before.apply(lines(VARIED.map((one) => ({ ...one, id: `${one.id}-again` }))), END)
  before.apply(lines([entry({ id: 'other', subject: 'other', target: 'other' })]), END)
  before.close()

  const after = opened(file)
  after.apply(lines([entry({ id: 'more', subject: 'other', target: 'other' }), ...VARIED]), END)
  after.close()

  expect([rowsIn(file, 'entry_caller'), rowsIn(file, 'entry_course'), rowsIn(file, 'entry_line')]).toEqual([3, 5, 10])
})

test('lines of a transaction that was undone are whole when they come again', async () => {
  const index = opened(path())

  expect(() => index.apply(lines(VARIED), { segment: Number.NaN, offset: 0 })).toThrow(/NOT NULL/)
  expect(await index.entries({ ...ALL, limit: 10 })).toEqual([])
  index.apply(lines(VARIED), END)

  expect(await index.entries({ ...ALL, limit: 10 })).toEqual(NEWEST_FIRST)
})

test('more callers than are kept in memory keep their own entries', async () => {
  const index = opened(path())
  const many = Array.from({ length: 21_000 }, (_, number) => entry({ id: `id-${number}`, subject: `subject-${number}` }))
  const [old] = many

  for (let from = 0; from < many.length; from += 3_000) index.apply(lines(many.slice(from, from + 3_000)), END)
  index.apply(lines([{ ...old!, id: 'again' }]), END)

  expect((await index.usage({ ...ALL, by: ['subject'], where: { subject: 'subject-0' } }))[0]?.calls).toBe(2)
  expect((await index.usage({ ...ALL, by: ['subject'], where: { subject: 'subject-20999' } }))[0]?.calls).toBe(1)
  expect((await index.usage({ ...ALL, by: [] }))[0]?.calls).toBe(21_001)
})

test.each([
  ['no facts at all', { facts: [] }],
  ['a fact of another kind', { facts: ['id', 'one', 1, null, 'ok'] }],
  ['more facts than there are', { facts: Array.from({ length: 30 }, () => 'x') }],
  ['a caller that is no list', { caller: 'no list' }],
  ['a course without a kind', { course: '[]' }],
])('a line with %s is refused, its neighbours are taken', async (_name, wrong) => {
  const index = opened(path())
  const [good, bad] = lines([entry({ id: 'good' }), entry({ id: 'bad' })])

  const refused = index.apply([{ ...bad!, ...wrong }, good!], END)

  expect(refused).toHaveLength(1)
  expect((await index.entries({ ...ALL, limit: 10 })).map(({ id }) => id)).toEqual(['good'])
})

import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import type { Entry } from '../../../src/core/entry.ts'
import { USAGE_DIMENSIONS } from '../../../src/metering/contract.ts'
import { decodeLine, encodeEntry } from '../../../src/metering/journal-line.ts'
import { LedgerIndex } from '../../../src/metering/ledger-index.ts'
import { entry } from './entry-fixture.ts'

const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER, where: {} }
const opened: LedgerIndex[] = []

afterEach(() => {
  for (const index of opened.splice(0)) index.close()
})

function indexOf(entries: readonly Partial<Entry>[]): LedgerIndex {
  const index = new LedgerIndex(':memory:')
  opened.push(index)
  const rows = entries.map((fields, place) =>
    decodeLine(Buffer.from(encodeEntry(entry({ id: `id-${place}`, ...fields })).trimEnd()))!,
  )
  expect(index.apply(rows, { segment: 1, offset: 1 })).toEqual([])
  return index
}

test('percentiles are exact, by nearest rank, in every group', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ team: fc.constantFrom('a', 'b', null), durationMs: fc.double({ min: 0, max: 1e6, noNaN: true }) }), {
        minLength: 1,
        maxLength: 150,
      }),
      async (calls) => {
        const rows = await indexOf(calls).usage({ ...ALL, by: ['team'] })
        for (const row of rows) {
          const sorted = calls
            .filter(({ team }) => team === row.group.team)
            .map(({ durationMs }) => durationMs)
            .toSorted((left, right) => left - right)
          const at = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1]
          expect([row.calls, row.p50Ms, row.p95Ms, row.p99Ms]).toEqual([sorted.length, at(50), at(95), at(99)])
        }
        expect(rows.reduce((sum, row) => sum + row.calls, 0)).toBe(calls.length)
      },
    ),
    { numRuns: 50 },
  )
})

test('sums of money are exact, also beyond what a double holds', async () => {
  const many = Array.from({ length: 1_000 }, () => ({ nanoUsd: 9_007_199_254_740_991 }))

  const [row] = await indexOf([...many, { nanoUsd: 1 }]).usage({ ...ALL, by: [] })
  const [small] = await indexOf([{ nanoUsd: 1 }, { nanoUsd: 2 }, { nanoUsd: null }]).usage({ ...ALL, by: [] })

  expect(row?.nanoUsd).toBe((9_007_199_254_740_991n * 1_000n + 1n).toString())
  expect([small?.nanoUsd, small?.unpriced]).toEqual([3, 1])
})

test('two principals that chose the same session name are two groups', async () => {
  const index = indexOf([
    { session: 'run-1', subject: 'alice' },
    { session: 'run-1', subject: 'bob' },
    { session: 'run-1', subject: 'bob', issuer: 'https://other.example' },
    { session: 'run-1', subject: 'alice' },
  ])

  const rows = await index.usage({ ...ALL, by: ['session'] })

  expect(rows.map(({ group, calls }) => [group.issuer, group.subject, group.session, calls])).toEqual([
    ['https://issuer.example', 'alice', 'run-1', 2],
    ['https://issuer.example', 'bob', 'run-1', 1],
    ['https://other.example', 'bob', 'run-1', 1],
  ])
})

test('tools are the targets of tool calls; what else was called has none', async () => {
  const index = indexOf([{ target: 'find' }, { target: 'find', kind: 'prompt' }, { target: 'other' }])

  const rows = await index.usage({ ...ALL, by: ['tool'] })
  const [found] = await index.usage({ ...ALL, by: [], where: { tool: 'find' } })

  expect(rows.map(({ group, calls }) => [group.tool, calls])).toEqual([
    [null, 1],
    ['find', 1],
    ['other', 1],
  ])
  expect(found?.calls).toBe(1)
})

test('every dimension groups and filters, alone and together', async () => {
  const index = indexOf([
    { org: 'o', project: 'p', user: 'u', error: null },
    { status: 'tool_error' },
    { kind: 'prompt', method: 'prompts/get', target: 'x' },
  ])

  for (const dimension of USAGE_DIMENSIONS) {
    const rows = await index.usage({ ...ALL, by: [dimension] })
    for (const row of rows) {
      const value = row.group[dimension] ?? ''
      expect(await index.usage({ ...ALL, by: [dimension], where: { [dimension]: value } })).toEqual([row])
    }
  }
  expect((await index.usage({ ...ALL, by: [...USAGE_DIMENSIONS] })).length).toBe(3)
  expect((await index.usage({ ...ALL, by: [] }))[0]).toMatchObject({ group: {}, calls: 3, errors: 1 })
})

test('a range takes its start and leaves its end; an empty one has no rows', async () => {
  const index = indexOf([{ at: 100 }, { at: 200 }, { at: 300 }])

  expect((await index.usage({ from: 100, to: 300, by: [], where: {} }))[0]?.calls).toBe(2)
  expect(await index.usage({ from: 400, to: 500, by: [], where: {} })).toEqual([])
})

test('what a caller wrote is a value, never SQL', async () => {
  const evil = `x' OR '1'='1'; DROP TABLE entry; --`
  const index = indexOf([{ team: evil }, { team: 'a' }])

  expect((await index.usage({ ...ALL, by: ['team'], where: { team: evil } })).map(({ group }) => group.team)).toEqual([evil])
  // A name that came around the parser is not quoted into the statement: it is not one of the dimensions, so it is not used.
  expect((await index.usage({ ...ALL, by: [evil as 'team'] }))[0]).toMatchObject({ group: {}, calls: 2 })
})

test('more groups than anybody reads is an error, not a cut list', async () => {
  const index = indexOf(Array.from({ length: 10_001 }, (_, place) => ({ session: `s${place}` })))

  await expect(index.usage({ ...ALL, by: ['session'] })).rejects.toMatchObject({
    code: 'invalid_request',
    message: /more than 10000 groups/,
  })
})

test('an entry comes back as it was, whatever its text and numbers', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.maxSafeInteger(),
      async (target, rule, durationMs, nanoUsd) => {
        const one = entry({ target, rule, durationMs: durationMs === 0 ? 0 : durationMs, nanoUsd })
        expect(await indexOf([one]).entries({ ...ALL, limit: 1 })).toEqual([one])
      },
    ),
    { numRuns: 100 },
  )
})

test('a name of a megabyte costs a kilobyte', async () => {
  const [stored] = await indexOf([{ target: 'x'.repeat(1_000_000) }]).entries({ ...ALL, limit: 1 })

  expect(stored?.target.length).toBe(1_001)
})

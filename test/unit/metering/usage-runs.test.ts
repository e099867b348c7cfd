import { expect, test } from 'vitest'
import type { Entry } from '../../../src/core/entry.ts'
import type { EntryQuery, Ledger, UsageDimension, UsageQuery } from '../../../src/metering/contract.ts'
import { renderUsage } from '../../../src/metering/usage-format.ts'
import { answerUsage } from '../../../src/metering/usage-runs.ts'
import { decodeLine, encodeEntry } from '../../../src/metering/journal-line.ts'
import { LedgerIndex } from '../../../src/metering/ledger-index.ts'
import { entry } from './entry-fixture.ts'

const question = (by: readonly UsageDimension[], where: UsageQuery['where'] = {}): UsageQuery => ({
  from: 0,
  to: Number.MAX_SAFE_INTEGER,
  by,
  where,
})
const BY_SESSION = question(['issuer', 'subject', 'session'])

/** An index filled with entries, and the questions for entries it was asked. */
function indexed(entries: readonly Partial<Entry>[]) {
  const index = new LedgerIndex(':memory:')
  const rows = entries.map((fields, place) =>
    decodeLine(Buffer.from(encodeEntry(entry({ id: `id-${place}`, at: place, ...fields })).trimEnd()))!,
  )
  index.apply(rows, { segment: 1, offset: 1 })
  const asked: EntryQuery[] = []
  const ledger: Pick<Ledger, 'query' | 'entries'> = {
    query: (query) => index.usage(query),
    entries: (query) => {
      asked.push(query)
      return index.entries(query)
    },
  }
  return { ledger, asked, [Symbol.dispose]: () => index.close() }
}

test('entries are read once, with the filters of the question, and only when it is by session alone', async () => {
  using index = indexed([{}])

  const other = await answerUsage(index.ledger, question(['team', 'session', 'issuer', 'subject']))
  await answerUsage(index.ledger, { ...BY_SESSION, where: { team: 'research' } })

  expect(other.runs).toBeUndefined()
  expect(index.asked).toEqual([{ from: 0, to: Number.MAX_SAFE_INTEGER, where: { team: 'research' }, limit: 5_000 }])
})

test('a long run is cut to its newest entries, and the table says so', async () => {
  using index = indexed(Array.from({ length: 250 }, () => ({})))

  const answer = await answerUsage(index.ledger, BY_SESSION)
  const lines = renderUsage(answer, BY_SESSION, 'table').body.split('\n')

  expect(answer.runs?.[0]).toMatchObject({ leftOut: 50 })
  expect(answer.runs?.[0]?.entries.map(({ at }) => at)).toEqual(Array.from({ length: 200 }, (_, place) => place + 50))
  expect(lines[2]).toBe('50 earlier entries are left out')
})

test('many runs are cut to the newest, and the table says so', async () => {
  using index = indexed(Array.from({ length: 60 }, (_, place) => ({ session: `run-${place}` })))

  const answer = await answerUsage(index.ledger, BY_SESSION)

  expect(answer.runs?.map(({ row }) => row.group.session)).toEqual(Array.from({ length: 50 }, (_, place) => `run-${59 - place}`))
  expect(renderUsage(answer, BY_SESSION, 'table').body).toMatch(
    /\n\n10 older runs are left out; ask for an earlier time or filter\n$/,
  )
})

test('names from callers cannot move the cursor', async () => {
  using index = indexed([{ session: '\u001B[2J', target: 'a\r\nb', status: 'error', error: '\u202E' }])

  const { body } = renderUsage(await answerUsage(index.ledger, BY_SESSION), BY_SESSION, 'table')

  expect(['\u001B', '\r', '\u202E'].filter((character) => body.includes(character))).toEqual([])
  expect(body.split('\n')).toHaveLength(5)
})

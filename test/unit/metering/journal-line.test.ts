import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Entry } from '../../../src/core/entry.ts'
import { ENTRY_FIELDS, NUMBER_FIELDS, PARTS } from '../../../src/metering/entry-fields.ts'
import { decodeLine, encodeEntry, plainCells } from '../../../src/metering/journal-line.ts'
import { earlierLine } from '../../support/earlier-ledger.ts'
import { entry } from './entry-fixture.ts'

function decoded(line: string | Buffer): unknown {
  const parts = decodeLine(Buffer.from(line).subarray(0, -1))
  const cells = parts === undefined ? undefined : plainCells(parts)
  return cells === undefined ? undefined : Object.fromEntries(ENTRY_FIELDS.map((field, place) => [field, cells[place]]))
}

/** An entry whose every field has a value of its own. */
function distinct(mark: string): Entry {
  const fields = ENTRY_FIELDS.map((field, place) => [field, NUMBER_FIELDS.has(field) ? place + 0.5 : `${field} ${mark}`])
  // Values of the right kinds, if not of the right words.
  return Object.fromEntries(fields) as Entry
}

test('every field stands in one part of a line', () => {
  expect(Object.values(PARTS).flat().toSorted()).toEqual([...ENTRY_FIELDS].toSorted())
})

test('every field comes back from its own place', () => {
  const one = distinct('1')

  expect(decoded(encodeEntry(one))).toEqual(one)
})

test('an entry that differs from the one before in a single field comes back as it was', () => {
  const one = distinct('2')
  encodeEntry(one)

  for (const field of ENTRY_FIELDS) {
    const other = { ...one, [field]: NUMBER_FIELDS.has(field) ? -1 : `other ${field}` }
    const none = { ...one, [field]: null }
    expect(decoded(encodeEntry(other))).toEqual(other)
    expect(decoded(encodeEntry(none))).toEqual(none)
    expect(decoded(encodeEntry(one))).toEqual(one)
  }
})

test('whatever its text: a line is one line, and the entry comes back', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 })
  fc.assert(
    fc.property(text, text, text, text, text, fc.double({ noNaN: true, noDefaultInfinity: true }), (...values) => {
      const [session, subject, target, traceId, rule, durationMs] = values
      const one = entry({ session, subject, target, traceId, rule, durationMs: durationMs === 0 ? 0 : durationMs })

      const line = encodeEntry(one)

      expect(line.indexOf('\n')).toBe(line.length - 1)
      expect(decoded(line)).toEqual(one)
    }),
    { numRuns: 500 },
  )
})

test('more callers and targets than are kept: each line has its own', () => {
  for (let number = 0; number < 2_500; number += 1) {
    const one = entry({ subject: `subject-${number}`, target: `target-${number % 7}`, rule: `rule-${number}` })
    expect(decoded(encodeEntry(one))).toEqual(one)
  }
})

test.each([
  ['this version', encodeEntry(entry({ target: 'zoë' }))],
  ['an earlier version', earlierLine(entry({ target: 'zoë' }))],
])('a byte that was changed anywhere in a line of %s is noticed', (_name, text) => {
  const line = Buffer.from(text)
  expect(decoded(line)).toEqual(entry({ target: 'zoë' }))

  for (let place = 0; place < line.length - 1; place += 1) {
    const changed = Buffer.from(line)
    changed[place] = line[place]! ^ 1
    expect({ place, read: decoded(changed) }).toEqual({ place, read: undefined })
  }
})

test('a line that ends in the caller or the course of another is noticed, although both are known', () => {
  const [mine = '', hers = ''] = ['mine', 'hers'].map((name) => encodeEntry(entry({ subject: name, target: name })))
  const [facts, details, sums, caller] = mine.split('\t')
  const [, , , otherCaller, otherCourse] = hers.split('\t')
  expect([decoded(mine), decoded(hers)]).not.toContain(undefined)

  expect(decoded([facts, details, sums, otherCaller, mine.split('\t')[4]].join('\t'))).toBeUndefined()
  expect(decoded([facts, details, sums, caller, otherCourse].join('\t'))).toBeUndefined()
})

test('a line of an earlier version is read, also one that knew fewer fields', () => {
  const one = distinct('3')
  const old = '9e8dfa38 ["id-1",1,1700000000000,"tool","tools/call","https://issuer.example","subject-1"]\n'

  expect(decoded(earlierLine(one))).toEqual(one)
  expect(decoded(old)).toMatchObject({ id: 'id-1', subject: 'subject-1', org: null, verdicts: null })
})

test.each(['', ' ', 'deadbeef ["not","this"]', '00000000 ', '\t\t\t\t', '00000000 []\t[]\t0000000000000000\t[]\t[]'])(
  '%j is no line',
  (text) => {
    expect(decodeLine(Buffer.from(text))).toBeUndefined()
  },
)

test('numbers that are none are null', () => {
  expect(decoded(encodeEntry(entry({ nanoUsd: Number.NaN, durationMs: Number.POSITIVE_INFINITY })))).toMatchObject({
    nanoUsd: null,
    durationMs: null,
  })
})

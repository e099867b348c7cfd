// Whether every row of the catalogue of attacks and faults is run. Three steps: read the names of all tests, take the ids they begin
// with, and compare with the rows and with the lists of what stands elsewhere, does not apply or is not there yet.
import { globSync, readFileSync } from 'node:fs'
import { parseSync, Visitor } from 'rolldown/utils'
import { describe, expect, test } from 'vitest'
import { EXCUSED, MISSING, PROVEN, SHORTENED } from './catalogue-excuses.ts'
import { ROWS } from './catalogue-rows.ts'

/** Names may begin with one id, a list or a range: `K01`, `D14, D15`, `D14 D15`, `K01-K03`. */
const IDS = /^[A-O]\d{2}(?:(?:, | |-)[A-O]\d{2})*(?![\w-])/
const NAMING_MEMBERS = new Set(['id', 'name', 'title'])

/** The ids a text begins with. */
function idsOf(text: string): string[] {
  const [found = ''] = IDS.exec(text) ?? []
  return found.split(/,? /).flatMap((part) => {
    const [first = '', last = first] = part.split('-')
    if (first === '') return []
    const numbers = [Number(first.slice(1)), Number(last.slice(1))] as const
    return Array.from({ length: numbers[1] - numbers[0] + 1 }, (_, n) => `${first[0]}${String(numbers[0] + n).padStart(2, '0')}`)
  })
}

type Node = Readonly<Record<string, unknown>>

function textOf(node: unknown): string {
  const { type, value, quasis } = (node ?? {}) as Node // a node of the parser, or nothing
  if (type === 'Literal' && typeof value === 'string') return value
  const [head] = type === 'TemplateLiteral' ? (quasis as { value: { cooked: string } }[]) : [] // the parser's own shape
  return head?.value.cooked ?? ''
}

/** The ids of a test file: first arguments of calls, first cells of table rows, and members that name a row. */
function readIds(path: string, source: string): string[] {
  const parsed = parseSync(path, source)
  const texts: string[] = []
  new Visitor({
    CallExpression: (node) => void texts.push(textOf(node.arguments[0])),
    ArrayExpression: (node) => void texts.push(textOf(node.elements[0])),
    Property: (node) => {
      if (node.key.type === 'Identifier' && NAMING_MEMBERS.has(node.key.name)) texts.push(textOf(node.value))
    },
  }).visit(parsed.program)
  return texts.flatMap(idsOf)
}

/** Rows no test runs. */
const LEFT_OUT = { ...EXCUSED, ...MISSING }

const named = new Map<string, Set<string>>()
for (const path of globSync('test/**/*.test.ts').toSorted()) {
  for (const id of readIds(path, readFileSync(path, 'utf8'))) named.set(id, (named.get(id) ?? new Set()).add(path))
}

describe('the reader of names', () => {
  test.each([
    ['one', "it('A01: x', run)", ['A01']],
    ['none', "it('after A01', run)", []],
    ['a list', "test('D14, D15 x', run); it('E14 E15 x', run)", ['D14', 'D15', 'E14', 'E15']],
    ['a range', "test.each(rows)('K01-K03 %s', run)", ['K01', 'K02', 'K03']],
    ['a template', 'test(`H12 after ${count} kills`, run)', ['H12']],
    ['a row of a table', "test.each([['C01 a', 1], ['C02 b', 2]])('%s', run)", ['C01', 'C02']],
    ['a member of a row', "const ROWS = [{ id: 'B07', what: 'x' }]", ['B07']],
    ['a reason for leaving a row out', "const ELSEWHERE = { A13: 'the edge walks them' }", []],
    ['something longer', "it('A011 x', run); it('A01B x', run)", []],
  ])('finds %s', (_name, source, ids) => {
    expect(readIds('test/invented.test.ts', source)).toEqual(ids)
  })
})

describe('the catalogue', () => {
  test('every row is named by a test, proven by one of another name, or has its reason', () => {
    const missing = [...ROWS].filter(([id]) => !named.has(id) && !(id in PROVEN) && !(id in LEFT_OUT))

    expect(missing.map(([id, title]) => `${id} ${title}`).join('\n')).toBe('')
  })

  test('no row is both run and left out', () => {
    expect(Object.keys(LEFT_OUT).filter((id) => named.has(id) || id in PROVEN)).toEqual([])
    expect(Object.keys(MISSING).filter((id) => id in EXCUSED)).toEqual([])
  })

  test('what is shortened is run', () => {
    expect(Object.keys(SHORTENED).filter((id) => !named.has(id) && !(id in PROVEN))).toEqual([])
  })

  test('no test and no list names a row that does not exist', () => {
    const known = [...named.keys(), ...Object.keys(PROVEN), ...Object.keys(LEFT_OUT), ...Object.keys(SHORTENED)]

    expect(known.filter((id) => !ROWS.has(id))).toEqual([])
  })

  test.each(Object.entries({ ...LEFT_OUT, ...SHORTENED }))('%s: the reason is a sentence', (_id, reason) => {
    expect(reason).toMatch(/^[A-Z].{30,}\.$/)
  })

  test.each(Object.entries(PROVEN).flatMap(([id, proofs]) => proofs.map((proof) => [id, ...proof] as const)))(
    '%s: %s has the test "%s"',
    (_id, path, title) => {
      expect(readFileSync(path, 'utf8')).toContain(title)
    },
  )
})

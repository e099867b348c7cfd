import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeUtf8, JsonRefusal, parseStrictJson } from '../../../src/lib/strict-json.ts'

const BOUNDS = { depth: 64, nodes: 100_000 }
const parse = (text: string) => parseStrictJson(text, BOUNDS)
const kindOf = (text: string, bounds = BOUNDS) => {
  try {
    parseStrictJson(text, bounds)
  } catch (error) {
    if (error instanceof JsonRefusal) return error.kind
    throw error
  }
  return 'taken'
}

describe('strict JSON', () => {
  test.each([
    ['an object', '{"a":1}', 'taken'],
    ['64 levels', '['.repeat(64) + ']'.repeat(64), 'taken'],
    ['65 levels', '['.repeat(65) + ']'.repeat(65), 'bounds'],
    ['200 000 levels without an end', '['.repeat(200_000), 'bounds'],
    ['a nested object 65 deep', '{"a":'.repeat(65) + '1' + '}'.repeat(65), 'bounds'],
    ['too many values', `[${'1,'.repeat(100_000)}1]`, 'bounds'],
    ['10 000 members in one object', `{${Array.from({ length: 10_000 }, (_, n) => `"k${n}":0`).join(',')}}`, 'bounds'],
    ['a member twice', '{"a":1,"a":2}', 'duplicate'],
    ['a member twice, once escaped', '{"method":1,"\\u006dethod":2}', 'duplicate'],
    ['a member twice, deep inside', '{"a":[{"b":{"c":1,"d":[],"c":2}}]}', 'duplicate'],
    ['the same member in two objects', '{"a":{"x":1},"b":{"x":2}}', 'taken'],
    ['a name equal to a value', '{"a":"b","b":"a"}', 'taken'],
    ['trailing words', '{"a":1} x', 'syntax'],
    ['two objects', '{"a":1}{"a":1}', 'syntax'],
    ['NaN', '{"a":NaN}', 'syntax'],
    ['Infinity', '[Infinity]', 'syntax'],
    ['a comment', '{"a":1/*x*/}', 'syntax'],
    ['single quotes', "{'a':1}", 'syntax'],
    ['leading zeros', '{"a":01}', 'syntax'],
    ['an unfinished string', '{"a":"x', 'syntax'],
    ['an unfinished escape', '{"a":"\\', 'syntax'],
    ['a bad escape in a name', '{"\\x":1}', 'syntax'],
    ['nothing', '', 'syntax'],
  ])('%s: %s', (_name, text, expected) => {
    const outcome = kindOf(text)

    expect(outcome).toBe(expected)
  })

  test('the text of every outermost member is found', () => {
    const text = ' {"id" : 12345678901234567890 , "b":{"id":"no"},"c":[1,{"id":2}],"s":"}\\"{","n":null}'

    const { members } = parse(text)

    const texts = [...members].map(([name, span]) => [name, text.slice(span.start, span.end)])
    expect(texts).toEqual([
      ['id', '12345678901234567890'],
      ['b', '{"id":"no"}'],
      ['c', '[1,{"id":2}]'],
      ['s', '"}\\"{"'],
      ['n', 'null'],
    ])
  })

  test('the text of every element of an outermost array is found', () => {
    const text = '[ {"a":[1]}, 2 , [3],"x" ]'

    const { elements } = parse(text)

    expect(elements.map((span) => text.slice(span.start, span.end))).toEqual(['{"a":[1]}', '2', '[3]', '"x"'])
  })

  test.each(['12345678901234567890', '1e400', '-0.12345678901234567890', '3.14', '1e2', '0', '-7'])(
    'the number %s is written as it came, or as an equal one',
    (source) => {
      const { value } = parse(`{"n":${source}}`)

      const written = JSON.stringify(value)
      expect(written === `{"n":${source}}` || JSON.parse(written).n === Number(source)).toBe(true)
      if (source.length > 16 || source === '1e400') expect(written).toBe(`{"n":${source}}`)
    },
  )

  test('names such as __proto__ are data', () => {
    const { value } = parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')

    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor'])
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  test('agrees with JSON.parse on any JSON value, whatever the blanks', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, '\t'), (value, blanks) => {
        const text = JSON.stringify(value, null, blanks)
        const { value: parsed, members, elements } = parse(text)
        expect(JSON.stringify(parsed)).toBe(JSON.stringify(value))
        if (Array.isArray(value)) {
          expect(elements.map(({ start, end }) => JSON.parse(text.slice(start, end)))).toEqual(JSON.parse(text))
        } else if (value !== null && typeof value === 'object') {
          for (const [name, { start, end }] of members) {
            expect(JSON.parse(text.slice(start, end))).toEqual((JSON.parse(text) as Record<string, unknown>)[name])
          }
          expect(members.size).toBe(Object.keys(value).length)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('refuses only with a JsonRefusal, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'a', '1', ' ') }), (text) => {
        let plain: unknown = 'refused'
        try {
          plain = JSON.parse(text)
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError)
        }
        const outcome = kindOf(text)
        if (plain === 'refused') expect(outcome).not.toBe('taken')
        else expect(['taken', 'duplicate']).toContain(outcome)
      }),
      { numRuns: 2_000 },
    )
  })

  test('the worst legal bodies of 4 MB are judged in well under a second', () => {
    const size = 4_194_304
    for (const body of ['['.repeat(size), `[${'{},'.repeat(size / 3)}`, `"${'\\u0041'.repeat(size / 6)}"`, '"'.repeat(size)]) {
      const started = performance.now()

      kindOf(body)

      expect(performance.now() - started).toBeLessThan(300)
    }
  })
})

describe('bytes', () => {
  test.each([
    ['a cut character', Buffer.from([0x22, 0xc3, 0x22])],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['a surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['a byte order mark', Buffer.from('\ufeff{}')],
    ['UTF-16', Buffer.from('{"é":1}', 'utf16le').subarray(0, 7)],
  ])('%s is refused', (name, bytes) => {
    const attempt = () => parse(decodeUtf8(bytes))

    expect(attempt, name).toThrow(JsonRefusal)
  })
})

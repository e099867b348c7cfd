import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonSourceError, parseJsonSource } from '../../../src/config/json-source.ts'

const faultOf = (text: string, lenient = false) => {
  try {
    parseJsonSource(text, { lenient })
    return 'no fault'
  } catch (error) {
    if (!(error instanceof JsonSourceError)) throw error
    return `${error.position.line}:${error.position.column} ${error.message}`
  }
}

describe('a text that is not strict JSON says where and why', () => {
  test.each<[name: string, text: string, fault: string]>([
    ['empty', '', '1:1 the file is empty; expected a JSON object'],
    ['comment', '{\n  // why\n  "a": 1\n}', '2:3 comments are not allowed: the file is strict JSON'],
    ['trailing comma', '{\n  "a": 1,\n}', '2:9 remove the comma before "}": the file is strict JSON'],
    ['trailing comma in a list', '[1,]', '1:3 remove the comma before "]": the file is strict JSON'],
    ['key twice', '{ "a": 1,\n  "a": 2 }', '2:3 the key "a" is given twice'],
    ['bare key', '{ a: 1 }', '1:3 expected a key in double quotes or "}", found "a"'],
    ['missing colon', '{ "a" 1 }', '1:7 expected ":" after the key "a", found "1"'],
    ['missing comma', '{ "a": 1\n  "b": 2 }', '2:3 expected "," or "}", found "\\""'],
    ['single quotes', '{ "a": \'b\' }', '1:8 expected a value, found "\'"; text stands in double quotes'],
    ['bare word', '{ "a": yes }', '1:8 expected a value, found yes; text stands in double quotes'],
    ['unclosed text', '{ "a": "b }\n', '1:8 the text is not closed with a double quote'],
    ['unclosed object', '{ "a": 1', '1:9 expected "," or "}", found the end of the file'],
    ['bad escape', '"a\\x"', '1:3 unknown escape "\\x"'],
    ['leading zero', '[012]', '1:2 this is not a JSON number'],
    ['too large', '[12345678901234567890]', '1:2 the number is too large to be kept exactly; write it as text'],
    ['second value', '{} {}', '1:4 expected the end of the file, found "{"'],
    ['prototype', '{ "__proto__": 1 }', '1:3 the key "__proto__" is not allowed'],
    ['too deep', '['.repeat(101), '1:101 values may be nested 100 deep'],
  ])('%s', (_name, text, fault) => {
    expect(faultOf(text)).toBe(fault)
  })
})

describe('a valid text', () => {
  test('gives the position of values and keys', () => {
    const source = parseJsonSource('{\n  "a": [1,\n    {"b":  true}]\n}')

    expect(source.locate(['a', 1, 'b'])).toEqual({ line: 3, column: 12 })
    expect(source.locate(['a', 1, 'b'], 'key')).toEqual({ line: 3, column: 6 })
    expect(source.locate(['a', 7, 'z'])).toEqual({ line: 2, column: 8 })
    expect(source.locate([])).toEqual({ line: 1, column: 1 })
  })

  test('may begin with a byte order mark, which is no column', () => {
    expect(parseJsonSource('\uFEFF{"a":1}').locate(['a'], 'key')).toEqual({ line: 1, column: 2 })
  })

  test('may have comments and trailing commas when it comes from a client', () => {
    const text = '// c\n{ "a": [1, 2,], /* d */ "u": "http://x", }'

    expect(parseJsonSource(text, { lenient: true }).value).toEqual({ a: [1, 2], u: 'http://x' })
  })

  test('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 5 }).filter((text) => !/__proto__|\d{16}/.test(text)),
        fc.constantFrom(0, 2),
        (text, indent) => {
          const value: unknown = JSON.parse(text)
          const written = JSON.stringify(value, null, indent)
          expect(parseJsonSource(written).value).toEqual(JSON.parse(written))
        },
      ),
    )
  })

  test('is refused where JSON.parse refuses', () => {
    const pieces = fc.array(
      fc.constantFrom('{', '}', '[', ']', '"a"', ':', ',', '1', '-', '.5', 'true', 'nul', ' ', '\n', '"', '\\'),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('')
        const accepted = (() => {
          try {
            JSON.parse(text)
            return true
          } catch {
            return false
          }
        })()
        const fault = faultOf(text)
        expect(fault === 'no fault' || fault.includes('given twice')).toBe(accepted)
      }),
      { numRuns: 3_000 },
    )
  })
})

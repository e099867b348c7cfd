import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'
import { editBody, scanMembers, segment } from '../../../src/llm/body.ts'

const bytesOf = (text: string) => Buffer.from(text)
const edited = (text: string, edits: Record<string, string | undefined>) => {
  const bytes = bytesOf(text)
  return editBody(bytes, scanMembers(bytes), edits).toString()
}
const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return error instanceof GatewayError ? error.code : error
  }
  return undefined
}

describe('scanMembers', () => {
  test.each([
    ['plain', '{"a":1,"b":"x"}', { a: '1', b: '"x"' }],
    ['blanks everywhere', ' {\n "a" : [1, 2] ,\t"b":\r\n{ } } ', { a: '[1, 2]', b: '{ }' }],
    ['braces and quotes inside strings', '{"a":"}\\"{","b":["]","\\\\"]}', { a: '"}\\"{"', b: '["]","\\\\"]' }],
    ['a name with an escape', '{"mod\\u0065l":null}', { model: 'null' }],
    ['a name that is a trap', '{"__proto__":{"a":1}}', { ['__proto__']: '{"a":1}' }],
    ['empty', '{}', {}],
    [
      'long string with an escaped quote past the near part',
      `{"a":"${'x'.repeat(100)}\\"${'y'.repeat(100)}\\\\","b":2}`,
      { b: '2' },
    ],
  ])('%s', (_name, text, expected) => {
    const bytes = bytesOf(text)

    const members = scanMembers(bytes)

    for (const [name, value] of Object.entries(expected)) {
      const span = members.get(name)
      expect(span && bytes.toString('utf8', span.valueStart, span.end)).toBe(value)
    }
  })

  test.each([
    ['a name twice', '{"model":"a","model":"b"}', 'invalid_request'],
    ['a name twice, once escaped', '{"model":"a","m\\u006fdel":"b"}', 'invalid_request'],
    ['an array', '[1]', 'parse_error'],
    ['nothing', '', 'parse_error'],
    ['cut in a string', '{"a":"b', 'parse_error'],
    ['cut after an escape', '{"a":"b\\', 'parse_error'],
    ['cut in a container', '{"a":[1', 'parse_error'],
    ['no value', '{"a":}', 'parse_error'],
    ['no comma', '{"a":1"b":2}', 'parse_error'],
    ['a bad escape in a name', '{"\\q":1}', 'parse_error'],
  ])('refuses %s', (_name, text, code) => {
    expect(codeOf(() => scanMembers(bytesOf(text)))).toBe(code)
  })

  test('never throws anything else, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', ' ', 'a', '1'), maxLength: 60 }),
        (text) => {
          expect([undefined, 'parse_error', 'invalid_request']).toContain(codeOf(() => scanMembers(bytesOf(text))))
        },
      ),
    )
  })
})

describe('editBody', () => {
  test.each([
    ['sets in place', '{"a":1, "b":2}', { a: '"x"' }, '{"a":"x", "b":2}'],
    ['adds at the end', '{ "a":1 }', { b: '2', c: '3' }, '{ "a":1,"b":2,"c":3 }'],
    ['adds to nothing', '{ }', { a: '1' }, '{"a":1 }'],
    ['removes the first', '{"a":1, "b":2}', { a: undefined }, '{"b":2}'],
    ['removes the last two', '{"a":1, "b":2 ,"c":3}', { b: undefined, c: undefined }, '{"a":1}'],
    ['removes all and adds', '{"a":1,"b":2}', { a: undefined, b: undefined, c: '3' }, '{"c":3}'],
    ['removes what is not there', '{"a":1}', { z: undefined }, '{"a":1}'],
    ['keeps the digits of numbers', '{"seed":12345678901234567890,"a":1.0}', { a: undefined }, '{"seed":12345678901234567890}'],
  ])('%s', (_name, text, edits, expected) => {
    expect(edited(text, edits)).toBe(expected)
  })

  test('is the same as editing the parsed value', () => {
    const name = fc.constantFrom('model', 'messages', 'a', 'b"c', 'ü', '__proto__')
    const value = fc.jsonValue()
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value)),
        fc.array(fc.tuple(name, fc.option(value, { nil: undefined }))),
        fc.constantFrom(0, 2),
        (members, edits, indent) => {
          const before = Object.fromEntries(members)
          const changes = Object.fromEntries(edits)
          const texts = Object.fromEntries(edits.map(([key, to]) => [key, to === undefined ? undefined : JSON.stringify(to)]))

          const after: unknown = JSON.parse(edited(JSON.stringify(before, null, indent), texts))

          expect(after).toEqual(
            JSON.parse(JSON.stringify(Object.fromEntries([...Object.entries(before), ...Object.entries(changes)]))),
          )
        },
      ),
    )
  })
})

describe('segment', () => {
  test.each([
    ['gpt-4.1', 'gpt-4.1'],
    ['a:b@c', 'a%3Ab%40c'],
    ['ü %2f', '%C3%BC%20%252f'],
  ])('%s', (text, expected) => {
    expect(segment(text)).toBe(expected)
  })

  test.each(['', '.', '..', 'a/b', '../x', 'a\\b', 'a\nb', 'a\u007f', '\ud800'])('refuses %j', (text) => {
    expect(codeOf(() => segment(text))).toBe('invalid_params')
  })
})

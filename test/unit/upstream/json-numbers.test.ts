import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseJson } from '../../../src/lib/json-numbers.ts'

describe('numbers a double cannot hold', () => {
  test.each(['12345678901234567890', '0.1234567890123456789', '1e400', '-9007199254740993', '123456789012345678.5', '1E-400'])(
    '%s survives',
    (text) => {
      expect(JSON.stringify(parseJson(`{"a":[${text}]}`))).toBe(`{"a":[${text}]}`)
    },
  )

  test.each([['9007199254740991'], ['1e100'], ['1000000000000000000000'], ['0.1'], ['-0.0000000000000000000001']])(
    '%s stays a number',
    (text) => {
      expect(parseJson(`[${text}]`)).toEqual([Number(text)])
    },
  )

  test('__proto__ is an ordinary member on both paths', () => {
    for (const text of ['{"__proto__":{"a":1}}', '{"__proto__":{"a":12345678901234567890}}']) {
      const value = parseJson(text)

      expect(JSON.stringify(value)).toBe(text)
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    }
  })

  test('ordinary JSON parses as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(JSON.stringify(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)))
      }),
    )
  })
})

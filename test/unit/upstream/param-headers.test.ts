import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import {
  checkParamHeaders,
  decodeHeaderValue,
  encodeHeaderValue,
  headerDeclarations,
  paramHeaders,
} from '../../../src/mcp/param-headers.ts'

const object = (properties: Record<string, JsonObject>): JsonObject => ({ type: 'object', properties })
const region = object({
  region: { type: 'string', 'x-mcp-header': 'Region' },
  level: { type: 'integer', 'x-mcp-header': 'Level' },
})

describe('header values', () => {
  test.each([
    ['plain', 'Hello', 'Hello'],
    ['inner blanks', 'a b', 'a b'],
    ['empty', '', ''],
    ['leading blank', ' a', '=?base64?IGE=?='],
    ['trailing tab', 'a\t', '=?base64?YQk=?='],
    ['non-ASCII', 'é', '=?base64?w6k=?='],
    ['line break', 'a\r\nb', '=?base64?YQ0KYg==?='],
    ['looks like the sentinel', '=?base64?YQ==?=', '=?base64?PT9iYXNlNjQ/WVE9PT89?='],
    ['prefix without suffix is a literal', '=?base64?SGVsbG8=', '=?base64?SGVsbG8='],
  ])('%s', (_name, value, header) => {
    expect(encodeHeaderValue(value)).toBe(header)
    expect(decodeHeaderValue(header)).toBe(value)
  })

  test.each(['=?base64?SGVsbG8?=', '=?base64?SGVs!!!bG8=?=', '=?base64?/w==?='])('%s is refused', (header) => {
    expect(decodeHeaderValue(header)).toBeUndefined()
  })

  test('any text survives and is a legal header', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const header = encodeHeaderValue(text.toWellFormed())

        expect(header).toMatch(/^[\x20-\x7e\t]*$/)
        expect(decodeHeaderValue(` ${header} `)).toBe(text.toWellFormed())
      }),
    )
  })
})

describe('x-mcp-header annotations', () => {
  test('nested properties are found with their way', () => {
    const schema = object({ a: { type: 'object', properties: { b: { type: 'boolean', 'x-mcp-header': 'B' } } } })

    expect(headerDeclarations(schema)).toEqual({ valid: [{ header: 'B', path: ['a', 'b'], type: 'boolean' }], invalid: [] })
  })

  test.each([
    ['empty', object({ a: { type: 'string', 'x-mcp-header': '' } })],
    ['not a string', object({ a: { type: 'string', 'x-mcp-header': 3 } })],
    ['on a number', object({ a: { type: 'number', 'x-mcp-header': 'A' } })],
    ['on an object', object({ a: { type: 'object', 'x-mcp-header': 'A' } })],
    ['on null', object({ a: { type: 'null', 'x-mcp-header': 'A' } })],
    ['on a union', object({ a: { type: ['string', 'null'], 'x-mcp-header': 'A' } })],
    [
      'repeated in another case',
      object({ a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } }),
    ],
    ['blank in the name', object({ a: { type: 'string', 'x-mcp-header': 'A B' } })],
    ['colon in the name', object({ a: { type: 'string', 'x-mcp-header': 'A:' } })],
    ['non-ASCII in the name', object({ a: { type: 'string', 'x-mcp-header': 'É' } })],
    ['control character in the name', object({ a: { type: 'string', 'x-mcp-header': 'A\n' } })],
    ['in items', object({ a: { type: 'array', items: { type: 'string', 'x-mcp-header': 'A' } } })],
    ['in oneOf', object({ a: { oneOf: [{ type: 'string', 'x-mcp-header': 'A' }] } })],
    ['in $defs', { type: 'object', $defs: { a: { type: 'string', 'x-mcp-header': 'A' } } }],
    ['on the root', { type: 'object', 'x-mcp-header': 'A' }],
  ])('%s is invalid', (_name, schema) => {
    expect(headerDeclarations(schema).invalid).toHaveLength(1)
  })

  test('data that looks like an annotation is none', () => {
    const schema = object({ a: { type: 'object', default: { 'x-mcp-header': '' }, const: { 'x-mcp-header': 'A' } } })

    expect(headerDeclarations(schema)).toEqual({ valid: [], invalid: [] })
  })

  test('an argument called x-mcp-header is no annotation', () => {
    expect(headerDeclarations(object({ 'x-mcp-header': { type: 'string' } }))).toEqual({ valid: [], invalid: [] })
  })

  test.each([
    ['values are mirrored', { region: 'eu', level: 3 }, { 'mcp-param-region': 'eu', 'mcp-param-level': '3' }],
    ['null is left out', { region: null }, {}],
    ['absent is left out', {}, {}],
    ['empty is sent', { region: '' }, { 'mcp-param-region': '' }],
    ['other types are left out', { region: { a: 1 }, level: 1.5 }, {}],
  ])('%s', (_name, args, headers) => {
    expect(paramHeaders(region, args)).toEqual(headers)
    expect(checkParamHeaders(region, args, headers)).toBeUndefined()
  })

  test.each([
    ['missing', { region: 'eu' }, {}, 'is missing'],
    ['different', { region: 'eu' }, { 'mcp-param-region': 'us' }, 'differs'],
    ['different case', { region: 'eu' }, { 'mcp-param-region': 'EU' }, 'differs'],
    ['bad padding', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVsbG8?=' }, 'base64'],
    ['header without argument', {}, { 'mcp-param-region': 'eu' }, 'is present'],
    ['twice', { region: 'eu' }, { 'mcp-param-region': ['eu', 'eu'] }, 'more than once'],
  ])('a %s header is refused', (_name, args, headers, words) => {
    expect(checkParamHeaders(region, args, headers)).toContain(words)
  })

  test('integers are compared as numbers and blanks around a header do not count', () => {
    expect(checkParamHeaders(region, { level: 3 }, { 'mcp-param-level': ' 3.0 ' })).toBeUndefined()
  })
})

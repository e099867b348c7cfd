import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { parseJson } from '../../../src/lib/json-numbers.ts'
import { toRunnable } from '../../../src/mcp/schema-cost.ts'
import { createArgumentValidator } from '../../../src/mcp/validate.ts'
import { snapshotOf } from '../../support/mcp-catalog.ts'

const check = (inputSchema: JsonObject, args: JsonObject) => {
  const snapshot = snapshotOf({ s: { tools: [{ name: 't', inputSchema }] } }, { c: { team: 't', servers: ['s'] } })
  return createArgumentValidator().check(snapshot.catalogs.get('c')!.items.tool[0]!, args)
}
const properties = {
  a: { type: 'string', enum: ['x', 'y'] },
  n: { type: 'integer', minimum: 3 },
  o: { type: 'object', properties: { z: { type: 'boolean' } } },
}
const SCHEMA = { type: 'object', properties, required: ['a'], additionalProperties: false }

describe('arguments against the shown schema', () => {
  test.each<[string, JsonObject, string | undefined]>([
    ['all is well', { a: 'x', n: 3 }, undefined],
    ['a required one is missing', {}, '"a"'],
    ['one is unknown', { a: 'x', b: 1 }, 'unknown argument "b"; known: a, n, o'],
    ['one is not among the allowed', { a: 'q' }, 'argument "a": Instance does not match any of ["x","y"]'],
    ['one has the wrong type', { a: 'x', n: 'three' }, 'argument "n"'],
    ['one is too small', { a: 'x', n: 2 }, '2 is less than 3'],
    ['one is wrong inside', { a: 'x', o: { z: 1 } }, 'argument "o.z"'],
  ])('%s', (_name, args, expected) => {
    const complaint = check(SCHEMA, args)

    if (expected === undefined) expect(complaint).toBeUndefined()
    else expect(complaint).toContain(expected)
  })

  test('a number a double cannot hold is a number', () => {
    expect(
      check({ type: 'object', properties: { n: { type: 'number' } } }, parseJson('{"n":12345678901234567890}') as JsonObject),
    ).toBeUndefined()
  })

  test.each<[string, JsonObject]>([
    ['refers to itself', { type: 'object', properties: { next: { $ref: '#' } }, required: ['x'] }],
    ['refers to another document', { $ref: 'https://x.test/schema.json' }],
    ['refers to nothing', { $ref: '#/$defs/none', required: ['x'] }],
    ['uses dynamic references', { $dynamicRef: '#a', required: ['x'] }],
    ['has an id inside', { properties: { a: { $id: 'https://x.test/', type: 'string' } }, required: ['x'] }],
    ['is no schema', { type: 'object', required: 5 }],
    ['is too large', { description: 'x'.repeat(70_000), required: ['x'] }],
  ])("a schema that %s is the upstream's to judge by", (_name, schema) => {
    expect(check(schema, {})).toBeUndefined()
  })

  test('a schema that doubles with every step is not run', () => {
    const $defs: Record<string, JsonObject> = { d0: { type: 'string' } }
    for (let n = 1; n < 40; n += 1) $defs[`d${n}`] = { allOf: [{ $ref: `#/$defs/d${n - 1}` }, { $ref: `#/$defs/d${n - 1}` }] }
    const schema: JsonObject = { type: 'object', properties: { a: { $ref: '#/$defs/d39' } }, $defs }
    const started = performance.now()

    expect(toRunnable(schema)).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(200)
  })

  test('patterns of strangers are never run; shared definitions are followed', () => {
    const evil: JsonObject = {
      type: 'object',
      properties: { a: { type: 'string', pattern: '^(a+)+$' } },
      patternProperties: { '(b+)+$': {} },
      additionalProperties: false,
    }
    const started = performance.now()

    expect(check(evil, { a: `${'a'.repeat(40)}!`, [`${'b'.repeat(40)}!`]: 1 })).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(200)
    const shared: JsonObject = {
      type: 'object',
      properties: { a: { $ref: '#/$defs/name' } },
      $defs: { name: { type: 'string' } },
    }
    expect(check(shared, { a: 1 })).toContain('argument "a"')
  })

  test('many arguments against a long schema are not checked rather than checked for long', () => {
    const schema: JsonObject = {
      type: 'object',
      properties: { list: { items: { anyOf: Array.from({ length: 500 }, (_, n) => ({ const: n })) } } },
    }
    const started = performance.now()

    check(schema, { list: Array.from({ length: 50_000 }, () => -1) })

    expect(performance.now() - started).toBeLessThan(500)
  })
})

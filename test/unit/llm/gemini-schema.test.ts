import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import { toGeminiSchema } from '../../../src/llm/wires/gemini-schema.ts'

const ALLOWED = new Set(
  'anyOf default description enum example format items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum nullable pattern properties propertyOrdering required title type'.split(
    ' ',
  ),
)

describe('JSON Schema as Schema', () => {
  test.each<[string, JsonObject, JsonObject, string[]]>([
    ['a type', { type: 'string' }, { type: 'STRING' }, []],
    ['a type or null', { type: ['string', 'null'] }, { type: 'STRING', nullable: true }, []],
    [
      'two types',
      { type: ['string', 'integer'], description: 'd' },
      { description: 'd', anyOf: [{ type: 'STRING' }, { type: 'INTEGER' }] },
      [],
    ],
    ['a constant', { const: 'a' }, { type: 'STRING', enum: ['a'] }, []],
    ['a constant number', { type: 'integer', const: 1 }, { type: 'INTEGER' }, ['const']],
    ['a choice with null', { enum: ['a', null] }, { type: 'STRING', enum: ['a'], nullable: true }, []],
    ['a choice of numbers', { type: 'integer', enum: [1, 2] }, { type: 'INTEGER' }, ['enum']],
    ['a format Gemini knows', { type: 'string', format: 'date-time' }, { type: 'STRING', format: 'date-time' }, []],
    ['a format it refuses', { type: 'string', format: 'email' }, { type: 'STRING' }, ['format']],
    [
      'one of',
      { oneOf: [{ type: 'string' }, { type: 'number' }] },
      { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }] },
      ['oneOf'],
    ],
    [
      'any of, or null',
      { anyOf: [{ type: 'string', minLength: 1 }, { type: 'null' }] },
      { type: 'STRING', minLength: 1, nullable: true },
      [],
    ],
    [
      'all of',
      {
        allOf: [
          { properties: { a: { type: 'string' } }, required: ['a'] },
          { properties: { b: {} }, required: ['b'] },
        ],
        type: 'object',
      },
      { type: 'OBJECT', properties: { a: { type: 'STRING' }, b: {} }, required: ['a', 'b'] },
      [],
    ],
    ['all of, at odds', { type: 'string', allOf: [{ type: 'number' }] }, { type: 'STRING' }, ['allOf']],
    [
      'constraints without a word',
      {
        type: 'object',
        properties: { a: { type: 'array', uniqueItems: true, items: { type: 'number', exclusiveMinimum: 0, multipleOf: 2 } } },
        additionalProperties: false,
      },
      { type: 'OBJECT', properties: { a: { type: 'ARRAY', items: { type: 'NUMBER' } } } },
      ['additionalProperties', 'exclusiveMinimum', 'multipleOf', 'uniqueItems'],
    ],
    [
      'words about the schema',
      { $schema: 's', $id: 'i', $comment: 'c', examples: [1], 'x-own': 1, additionalProperties: true },
      {},
      [],
    ],
    [
      'required names without a property',
      { type: 'object', properties: { a: {} }, required: ['a', 'b'] },
      { type: 'OBJECT', properties: { a: {} }, required: ['a'] },
      [],
    ],
    ['a list without items', { type: 'array' }, { type: 'ARRAY', items: {} }, []],
    ['a tuple', { type: 'array', prefixItems: [{}] }, { type: 'ARRAY', items: {} }, ['prefixItems']],
    [
      'a reference',
      {
        $defs: { 'a/b': { type: 'string', description: 'x' } },
        type: 'object',
        properties: { a: { $ref: '#/$defs/a~1b', description: 'y' } },
      },
      { type: 'OBJECT', properties: { a: { type: 'STRING', description: 'y' } } },
      [],
    ],
    [
      'a reference to nothing',
      { type: 'object', properties: { a: { $ref: '#/$defs/gone' } } },
      { type: 'OBJECT', properties: { a: {} } },
      ['$ref'],
    ],
    [
      'a reference elsewhere',
      { properties: { a: { $ref: 'https://x.example/s' } } },
      { type: 'OBJECT', properties: { a: {} } },
      ['$ref'],
    ],
    ['a reference to itself', { $ref: '#' }, {}, ['$ref']],
  ])('%s', (...[, given, schema, lost]) => {
    const rewritten = toGeminiSchema(given)

    expect(rewritten.schema).toEqual(schema)
    expect([...rewritten.lost].toSorted()).toEqual(lost)
  })

  test('a schema that contains itself ends, small, and says so', () => {
    const node = { type: 'object', properties: { left: { $ref: '#/$defs/node' }, right: { $ref: '#/$defs/node' } } }

    const { schema, lost } = toGeminiSchema({ $defs: { node }, $ref: '#/$defs/node' })

    expect(lost).toEqual(new Set(['$ref']))
    expect(JSON.stringify(schema).length).toBeLessThan(300_000)
  })

  test('only words of the allow-list go out, whatever comes in', () => {
    const keyword = fc.constantFrom(
      ...ALLOWED,
      'const',
      'oneOf',
      'allOf',
      '$ref',
      'not',
      'if',
      'patternProperties',
      'uniqueItems',
      '__proto__',
    )
    const { schema } = fc.letrec<{ schema: JsonObject }>((tie) => ({
      schema: fc.dictionary(
        keyword,
        fc.oneof(
          { maxDepth: 3 },
          fc.jsonValue() as fc.Arbitrary<Json>,
          tie('schema'),
          fc.array(tie('schema'), { maxLength: 3 }),
          fc.constantFrom('#', 'string', 'object', ['string', 'null']),
        ),
        { maxKeys: 4 },
      ),
    }))
    fc.assert(
      fc.property(schema, (given) => checkWords(toGeminiSchema(given).schema)),
      { numRuns: 500 },
    )
  })
})

function checkWords(schema: JsonObject): void {
  for (const key of Object.keys(schema)) expect(ALLOWED.has(key), key).toBe(true)
  const { items, properties, anyOf } = schema
  if (isJsonObject(items)) checkWords(items)
  if (isJsonObject(properties)) for (const one of Object.values(properties)) checkWords(one as JsonObject)
  if (Array.isArray(anyOf)) for (const one of anyOf) checkWords(one as JsonObject)
}

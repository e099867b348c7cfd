import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import type { CatalogItem } from '../../../src/core/snapshot.ts'
import { createArgumentValidator } from '../../../src/mcp/validate.ts'
import { invariant, type Target } from '../target.ts'

const WORDS =
  `type object array string number integer boolean null properties required additionalProperties items prefixItems enum const minimum maximum
  exclusiveMinimum multipleOf minLength maxLength pattern (a+)+$ format email minItems maxItems uniqueItems contains allOf anyOf oneOf not if then else
  $ref #/$defs/a # #/properties/a $defs definitions $schema http://json-schema.org/draft-07/schema# $id patternProperties propertyNames
  unevaluatedProperties dependentSchemas dependentRequired $dynamicRef a b %41 %zz ~0 ~1 / x-mcp-header default`.split(/\s+/)

const SEEDS = [
  {
    schema: {
      type: 'object',
      properties: { a: { type: 'string', maxLength: 3 }, b: { type: 'integer' } },
      required: ['a'],
      additionalProperties: false,
    },
    args: { a: 'x', b: 1 },
  },
  {
    schema: {
      $defs: { a: { enum: [1, 'x', null] } },
      properties: {
        a: { $ref: '#/$defs/a' },
        b: { type: 'array', items: { anyOf: [{ type: 'number' }, { $ref: '#/$defs/a' }] } },
      },
    },
    args: { a: 2, b: [1, 'y'] },
  },
  {
    schema: {
      $schema: 'http://json-schema.org/draft-07/schema#',
      oneOf: [{ required: ['a'] }, { required: ['b'] }],
      not: { const: {} },
    },
    args: { c: '%zz/~' },
  },
]

/** Schemas of upstreams and arguments of callers, both hostile. */
export function argumentsOfCalls(): Target {
  let made = 0
  return {
    name: 'arguments',
    json: 'whole',
    dictionary: WORDS,
    seeds: () => SEEDS.map((seed) => Buffer.from(JSON.stringify(seed))),
    price: { parse: (input) => void check(input, `p${(made += 1)}`), honest },
    run(input) {
      const words = check(input, `r${(made += 1)}`)
      if (words === undefined) return 'taken'
      invariant(words.length <= 203 && !/[\p{Cc}\p{Cf}]/u.test(words), 'a complaint is short and printable')
      return `refused ${words.replaceAll(/".*?"|\d+/g, '#').slice(0, 40)}`
    },
  }
}

const validator = createArgumentValidator()

function check(input: Buffer, digest: string): string | undefined {
  const json = parsed(input)
  if (!isJsonObject(json)) return undefined
  const shown: JsonObject = { name: 't', inputSchema: json['schema'] ?? {} }
  const args = isJsonObject(json['args']) ? json['args'] : {}
  // The two members the validator looks at.
  return validator.check({ shown, shownDigest: digest } as unknown as CatalogItem, args)
}

function parsed(input: Buffer): unknown {
  try {
    return JSON.parse(input.toString('utf8'))
  } catch {
    return undefined // not JSON: never gets here in a gateway
  }
}

function honest(bytes: number): Buffer {
  const args = Object.fromEntries(
    Array.from({ length: Math.ceil(bytes / 60) }, (_, at) => [`member${at}`, 'an ordinary value of some words']),
  )
  const properties = Object.fromEntries(Object.keys(args).map((name) => [name, { type: 'string' }]))
  return Buffer.from(JSON.stringify({ schema: { type: 'object', properties }, args }))
}

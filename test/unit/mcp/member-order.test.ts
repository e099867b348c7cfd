import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/json.ts'
import { isJsonObject } from '../../../src/core/json.ts'
import { inMemberOrder } from '../../../src/mcp/member-order.ts'

function reversed(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map((item: Json) => reversed(item))
  if (!isJsonObject(value)) return value ?? null
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, reversed(member)]),
  )
}

describe('the order of members', () => {
  test('is the same however the upstream wrote the definition, and nothing else changes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (definition) => {
        // fast-check makes JSON
        const one = definition as JsonObject

        const [written, other] = [inMemberOrder(one), inMemberOrder(reversed(one) as JsonObject)]

        expect(JSON.stringify(other)).toBe(JSON.stringify(written))
        expect(written).toEqual(one)
      }),
      { numRuns: 200 },
    )
  })

  test('puts what names a tool first, required arguments in their order, and the rest by name', () => {
    const shown = inMemberOrder({
      zeta: 1,
      inputSchema: {
        type: 'object',
        properties: { answer: {}, zoom: {}, reason: { type: 'string', description: 'why' }, body: {} },
        required: ['reason', 'answer', 'not-there'],
      },
      annotations: {},
      name: 'think',
    })

    expect(JSON.stringify(shown)).toBe(
      '{"name":"think","inputSchema":{"properties":{"reason":{"description":"why","type":"string"},"answer":{},"body":{},"zoom":{}},"required":["reason","answer","not-there"],"type":"object"},"annotations":{},"zeta":1}',
    )
  })

  test('numbers and member names a JavaScript object could lose are kept', () => {
    const raw = { name: 't', 'x-vendor': { big: JSON.rawJSON('12345678901234567890') } } as unknown as JsonObject

    expect(JSON.stringify(inMemberOrder(raw))).toBe('{"name":"t","x-vendor":{"big":12345678901234567890}}')
    expect(JSON.stringify(inMemberOrder(JSON.parse('{"name":"t","m":{"__proto__":{"a":1}}}') as JsonObject))).toBe(
      '{"name":"t","m":{"__proto__":{"a":1}}}',
    )
  })
})

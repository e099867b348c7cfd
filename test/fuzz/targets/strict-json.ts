import { isUtf8 } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { decodeUtf8, JsonRefusal, parseStrictJson, type StrictJson } from '../../../src/lib/strict-json.ts'
import { hasEscapedName, hasTwins } from '../json-twins.ts'
import { honestJson } from '../honest.ts'
import { invariant, type Target } from '../target.ts'

const BOUNDS = { depth: 64, nodes: 100_000 }

/** The strict JSON of message bodies, held against JSON.parse. */
export function strictJson(): Target {
  return {
    name: 'strict-json',
    json: 'whole',
    dictionary: [
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      '\\u0061',
      '\\ud800',
      'null',
      'true',
      '1e400',
      '-0',
      '12345678901234567890',
      '"a"',
      '\ufeff',
      '__proto__',
    ],
    seeds: () => SEEDS.map((text) => Buffer.from(text)),
    price: { parse: (input) => void parseStrictJson(decodeUtf8(input), BOUNDS), honest: honestJson },
    run(input) {
      const text = input.toString('utf8')
      const expected = parsed(text)
      try {
        const read = parseStrictJson(decodeUtf8(input), BOUNDS)
        invariant(isUtf8(input) && expected !== undefined, 'what JSON.parse refuses is refused')
        if (hasEscapedName(text)) return 'taken, escaped name'
        checkParts(read, expected.value)
        return `taken ${shapeOf(expected.value)} ${Math.min(8, read.members.size)} ${Math.min(8, read.elements.length)}`
      } catch (error) {
        if (!(error instanceof JsonRefusal)) throw error
        checkRefusal(error, input, expected !== undefined)
        return `${error.kind} ${error.message.replaceAll(/".*"|\d+/g, '#')} ${shapeOf(expected?.value)}`
      }
    },
  }
}

const SEEDS = [
  '{"a":1,"b":[true,null,"x"],"c":{"d":-1.5e3}}',
  '[1,2,[3,{"a":"\\u00e9\\"\\\\"}],"]"]',
  ' "text" ',
  '{"a":12345678901234567890,"__proto__":{"a":1}}',
  '{"a":{"a":{"a":1}},"":[]}',
]

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined // not JSON
  }
}

function checkParts(read: StrictJson, expected: unknown): void {
  invariant(isDeepStrictEqual(withDoubles(read.value), expected), 'the value is the one JSON.parse gives')
  const spans = [...read.members.values(), ...read.elements]
  const parts = typeof expected === 'object' && expected !== null ? Object.values(expected) : []
  invariant(spans.length === parts.length, 'there is a span for every member or element of the outermost value')
  for (const [name, span] of read.members) {
    // `as`: there are members, so the value is an object
    const value = (expected as Record<string, unknown>)[name]
    invariant(isDeepStrictEqual(JSON.parse(read.text.slice(span.start, span.end)), value), 'a span holds its member')
  }
  for (const [index, { start, end }] of read.elements.entries())
    invariant(isDeepStrictEqual(JSON.parse(read.text.slice(start, end)), parts[index]), 'a span holds its element')
}

/** The value with numbers as JSON.parse has them, where they were kept digit by digit. */
function withDoubles(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (JSON.isRawJSON(value)) return JSON.parse(value.rawJSON)
  if (Array.isArray(value)) return value.map(withDoubles)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withDoubles(member)]))
}

function checkRefusal(refusal: JsonRefusal, input: Buffer, isJson: boolean): void {
  const text = input.toString('utf8')
  if (refusal.kind === 'syntax') {
    invariant(!isJson || !isUtf8(input) || text.startsWith('\ufeff'), 'JSON is not refused as if it were none')
    return
  }
  invariant(!isJson || refusal.kind !== 'duplicate' || hasTwins(text), 'a member is only called a twin when it is one')
}

function shapeOf(value: unknown): string {
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value
  return Array.isArray(value) ? 'array' : 'object'
}

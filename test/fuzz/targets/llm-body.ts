import { isDeepStrictEqual } from 'node:util'
import { GatewayError } from '../../../src/core/errors.ts'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import { editBody, scanMembers, type BodyEdits } from '../../../src/llm/body.ts'
import type { MemberSpan } from '../../../src/llm/provider.ts'
import { honestJson } from '../honest.ts'
import { hasEscapedName, hasTwins } from '../json-twins.ts'
import { requestSeeds } from '../llm-seeds.ts'
import { invariant, type Target } from '../target.ts'

const EDITS: readonly BodyEdits[] = [
  {},
  { model: '"provider-model"' },
  { model: '"m"', stream: undefined, store: 'false' },
  { a: undefined, b: undefined, messages: undefined },
  { '': '1', ' "\\': '[{}]' },
]

/** Bodies of model requests: their members found, set and removed, every other byte kept. */
export function llmBody(): Target {
  return {
    name: 'llm-body',
    json: 'whole',
    dictionary: [
      '"model"',
      '"m\\u006fdel"',
      '"stream"',
      '"a"',
      '"b"',
      '""',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      ' ',
      '\n',
      '\\"',
      '\\\\',
      '\\',
      '1e5',
      'null',
      '\u00e9',
      '\u{1f600}',
      '__proto__',
    ],
    seeds: () => [
      ...requestSeeds().map((seed) => seed.subarray(seed.indexOf(10) + 1)),
      ...['{ "a" : 1 , "b":[{"a":"}"}], "model":"m" }', '{}', '{"model":"\\"\\\\","stream":true}', ' {"messages":[]}\n'].map(
        (text) => Buffer.from(text),
      ),
    ],
    price: { parse: (input) => void editBody(input, scanMembers(input), EDITS[2] ?? {}), honest: honestJson },
    run(input) {
      const json = parsed(input)
      const members = membersOf(input, json)
      if (typeof members === 'string') return members
      if (json === undefined) return 'scanned, not JSON'
      if (hasEscapedName(input.toString('utf8'))) return 'scanned, escaped name'
      invariant(isDeepStrictEqual([...members.keys()].toSorted(), Object.keys(json).toSorted()), 'every member is found')
      for (const edits of EDITS) checkEdit({ input, json, members, edits })
      return `edited ${Math.min(6, members.size)} ${Object.keys(json).includes('model')} ${input[0]}`
    },
  }
}

function parsed(input: Buffer): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(input.toString('utf8'))
    return isJsonObject(json) && Buffer.from(input.toString('utf8')).equals(input) ? json : undefined
  } catch {
    return undefined // not JSON
  }
}

function membersOf(input: Buffer, json: JsonObject | undefined): ReadonlyMap<string, MemberSpan> | string {
  try {
    return scanMembers(input)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    invariant(
      json === undefined || (error.code === 'invalid_request' && hasTwins(input.toString('utf8'))),
      'only twins are refused',
    )
    return `${error.code} ${json === undefined}`
  }
}

interface Editing {
  readonly input: Buffer
  readonly json: JsonObject
  readonly members: ReadonlyMap<string, MemberSpan>
  readonly edits: BodyEdits
}

function checkEdit({ input, json, members, edits }: Editing): void {
  const edited = editBody(input, members, edits)
  const expected = new Map(Object.entries(json))
  for (const [name, text] of Object.entries(edits)) {
    if (text === undefined) expected.delete(name)
    else expected.set(name, JSON.parse(text))
  }
  const read: unknown = JSON.parse(edited.toString('utf8'))
  invariant(
    isJsonObject(read) && isDeepStrictEqual(new Map(Object.entries(read)), expected),
    'an edit sets and removes what it says',
  )
  const after = scanMembers(edited)
  for (const [name, span] of members) {
    const kept = after.get(name)
    if (Object.hasOwn(edits, name) || kept === undefined) continue
    invariant(
      edited.subarray(kept.start, kept.end).equals(input.subarray(span.start, span.end)),
      'what is not edited keeps its bytes',
    )
  }
  const first = [...members.values()][0]
  if (first !== undefined)
    invariant(edited.subarray(0, first.start).equals(input.subarray(0, first.start)), 'what comes before the members stays')
}

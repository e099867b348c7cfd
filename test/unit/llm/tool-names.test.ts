import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ChatRequest } from '../../../src/llm/middle.ts'
import { sentCallId } from '../../../src/llm/wires/call-id.ts'
import { callersName, createToolNames } from '../../../src/llm/wires/tool-names.ts'

const FUNCTION_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/

function asked(names: readonly string[], rest: Partial<ChatRequest> = {}): ChatRequest {
  const tools = names.map((name) => ({ name, schema: {} }))
  return { dialect: 'chat', model: 'm', system: [], turns: [], tools, stream: false, includeUsage: false, extras: {}, ...rest }
}

const anyName = fc.oneof(
  fc.string({ maxLength: 100 }),
  fc.string({ unit: fc.constantFrom('a', '_', '-', '.', '/', '9'), maxLength: 80 }),
)

test.each([
  { alphabet: 'nearly every wire', allowed: undefined, expected: /^[A-Za-z0-9_-]{1,64}$/ },
  { alphabet: 'Gemini', allowed: FUNCTION_NAME, expected: FUNCTION_NAME },
])('names fit the alphabet of $alphabet, differ, and come back', ({ allowed, expected }) => {
  fc.assert(
    fc.property(fc.uniqueArray(anyName, { maxLength: 12 }), (callers) => {
      const names = createToolNames(asked(callers), allowed)

      const sent = callers.map((name) => names.sent(name))
      const toolNames = names.renamed()
      const back = toolNames === undefined ? {} : { toolNames }
      expect(sent.every((name) => expected.test(name))).toBe(true)
      expect(new Set(sent).size).toBe(callers.length)
      expect(sent.map((name) => callersName(name, back))).toEqual(callers)
    }),
  )
})

test('a name that fits is sent as it is, and nothing is to be mapped back', () => {
  const names = createToolNames(asked(['get_weather']))

  expect(names.sent('get_weather')).toBe('get_weather')
  expect(names.renamed()).toBeUndefined()
})

test('a name is changed in the same way in every request', () => {
  const [one, other] = [createToolNames(asked(['a.b'])), createToolNames(asked(['x/y', 'a.b']))]

  expect(one.sent('a.b')).toBe(other.sent('a.b'))
})

test.each([
  { place: 'a tool', request: (name: string) => asked(['a.b', name]) },
  {
    place: 'an earlier call',
    request: (name: string) =>
      asked(['a.b'], { turns: [{ role: 'assistant', parts: [{ type: 'tool-call', id: '1', name, arguments: '{}' }] }] }),
  },
  { place: 'the choice', request: (name: string) => asked(['a.b'], { toolChoice: { type: 'tool', name } }) },
])('a name of $place is never given to another tool', ({ request }) => {
  const first = createToolNames(asked(['a.b'])).sent('a.b')
  const names = createToolNames(request(first))

  expect(names.sent('a.b')).not.toBe(first)
  expect(names.sent(first)).toBe(first)
})

test.each([
  { name: 'fits', id: 'call_1', expected: 'call_1' },
  { name: 'does not', id: 'functions.get:0', expected: expect.stringMatching(/^call_[0-9a-f]{40}$/) },
  { name: 'is empty', id: '', expected: expect.stringMatching(/^call_[0-9a-f]{40}$/) },
])('a call id that $name', ({ id, expected }) => {
  expect(sentCallId(id, /^[A-Za-z0-9_-]{1,64}$/)).toEqual(expected)
  expect(sentCallId(id, /^[A-Za-z0-9_-]{1,64}$/)).toBe(sentCallId(id, /^[A-Za-z0-9_-]{1,64}$/))
})

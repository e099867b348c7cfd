import { describe, expect, test } from 'vitest'
import { failureMessage, plainWords, refusalBody } from '../../../src/llm/failure-words.ts'
import { bedrockFailure } from '../../../src/llm/wires/converse-failure.ts'
import { refusalOf } from '../../../src/llm/wires/chat-failure.ts'
import { geminiRefusal } from '../../../src/llm/wires/gemini-error.ts'
import { messagesRefusal } from '../../../src/llm/wires/messages-failure.ts'
import { failureOfEvent } from '../../../src/llm/wires/responses-failure.ts'

const KEYS = [
  'sk-proj-abcdef123456',
  'sk-ant-api03-abcdef',
  'gsk_abcdef123456',
  'AIzaSyAbcdef123',
  'ya29.abcdefgh',
  'Bearer abcdef.ghi',
]

test.each(KEYS)('what looks like a key is struck out: %s', (key) => {
  expect(failureMessage(`the key ${key} has no quota`, 'billing', 'otherwise')).toBe('the key *** has no quota')
})

test.each(['auth', 'forbidden'] as const)('words of a failure of kind %s are never repeated', (kind) => {
  expect(failureMessage('account 12345 may not', kind, 'otherwise')).toBe('otherwise')
})

test('words have a bound, and none are replaced', () => {
  expect(failureMessage('x'.repeat(5_000), 'server', 'otherwise')).toHaveLength(2_000)
  expect(failureMessage('', 'server', plainWords(500))).toBe('the provider answered 500')
  expect(plainWords(undefined)).toBe('the provider reported an error')
})

test.each([
  { name: 'an object', text: '{"error":1}', expected: { error: 1 } },
  { name: 'one wrapped in a list', text: '[{"error":1}]', expected: { error: 1 } },
  { name: 'a page of a proxy', text: '<html>', expected: {} },
  { name: 'a text', text: '"no"', expected: {} },
  { name: 'an empty list', text: '[]', expected: {} },
])('the body of a refusal: $name', ({ text, expected }) => {
  expect(refusalBody(Buffer.from(text))).toEqual(expected)
})

const answer = (status: number, headers: Record<string, string> = {}) => ({ status, headers, body: Buffer.from('<html>') })

const READERS = [
  { wire: 'chat', read: (status: number, headers = {}) => refusalOf(answer(status, headers)) },
  { wire: 'messages', read: (status: number, headers = {}) => messagesRefusal(answer(status, headers)) },
  { wire: 'gemini', read: (status: number, headers = {}) => geminiRefusal(answer(status, headers)) },
  { wire: 'converse', read: (status: number) => bedrockFailure('', {}, status) },
]

describe.each(READERS)('a status without words on the $wire wire', ({ wire, read }) => {
  test.each([
    [400, 'bad_request'],
    [401, 'auth'],
    [402, 'billing'],
    [403, wire === 'converse' ? 'auth' : 'forbidden'],
    [404, 'not_found'],
    [408, 'timeout'],
    [413, 'too_large'],
    [418, 'bad_request'],
    [424, 'server'],
    [429, 'rate_limited'],
    [500, 'server'],
    [503, 'overloaded'],
    [504, 'timeout'],
    [529, 'overloaded'],
  ])('%i means %s', (status, kind) => {
    expect(read(status).kind).toBe(kind)
  })
})

test('an event of the Responses wire repeats no words of a failed sign-in and no key', () => {
  const event = (error: object) => failureOfEvent({ type: 'error', error: { ...error } })

  expect(event({ code: 'invalid_api_key', message: 'Incorrect key: sk-pro***' }).message).toBe('the provider reported an error')
  expect(event({ code: 'server_error', message: 'worker lost sk-proj-abcdef123456' }).message).toBe('worker lost ***')
})

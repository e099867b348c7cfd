import { expect, it } from 'vitest'
import { refusedQuestion } from '../../../src/mcp/refused-question.ts'

const form = (properties: object) => ({
  one: {
    method: 'elicitation/create',
    params: { message: '?', requestedSchema: { type: 'object', properties: { ...properties } } },
  },
})
const page = (url: string) => ({ one: { method: 'elicitation/create', params: { mode: 'url', message: '?', url } } })

it.each([
  ['a password', form({ password: { type: 'string' } })],
  ['a key in camel case', form({ name: {}, apiKey: { type: 'string' } })],
  ['a key in capitals', form({ API_KEY: { type: 'string' } })],
  ['a title', form({ value: { type: 'string', title: 'Your access token' } })],
  ['a description', form({ value: { type: 'string', description: 'The 16 digits of your credit card' } })],
  ['a format', form({ value: { type: 'string', format: 'password' } })],
  ['a card', form({ card_number: { type: 'string' }, cvv: { type: 'string' } })],
  ['a page that is a program', page('javascript:alert(1)')],
  ['a page that is a file', page('file:///etc/passwd')],
  ['a page that is nothing', page('not an address')],
])('E12: %s is refused', (_name, requests) => {
  expect(refusedQuestion(requests)).toMatch(/^its form asks for a secret$|^it sends to an address that is no web page$/)
})

it.each([
  ['names and numbers', form({ name: {}, email: { format: 'email' }, maxTokens: { type: 'integer' }, keyword: {}, pin: {} })],
  ['no fields', form({})],
  ['a page', page('https://example.com/sign-in?token=1')],
  ['other questions', { one: { method: 'sampling/createMessage', params: { messages: [] } } }],
])('E12: %s are passed on', (_name, requests) => {
  expect(refusedQuestion(requests)).toBeUndefined()
})

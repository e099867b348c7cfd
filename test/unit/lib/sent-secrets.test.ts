import { expect, test } from 'vitest'
import { createSentSecrets } from '../../../src/lib/sent-secrets.ts'

test.each([
  ['a bearer token', { authorization: 'Bearer abcdefgh12' }, 'no: abcdefgh12!', 'no: ***!'],
  ['a whole header', { 'x-api-key': 'k k-k-k-k-k' }, 'got "k k-k-k-k-k"', 'got "***"'],
  ['a password of Basic', { authorization: `Basic ${btoa('user:pass:word')}` }, 'wrong pass:word', 'wrong ***'],
  [
    'an access key of a signature',
    { authorization: 'AWS4 Credential=AKIDEXAMPLE/2026, Signature=abcdef12' },
    'AKIDEXAMPLE',
    '***',
  ],
  ['a short word', { authorization: 'Bearer yes' }, 'yes', 'yes'],
  ['nothing', {}, 'all of it', 'all of it'],
])('%s is struck out', (_name, headers, said, struck) => {
  const sent = createSentSecrets()

  sent.remember(headers)

  expect(sent.strike(said)).toBe(struck)
})

test('it is struck out of every text of a value, and all else stays', () => {
  const sent = createSentSecrets(() => ['of a child'])
  const raw = JSON.rawJSON('12345678901234567890')
  sent.remember({ a: 'abcdefgh' })

  const value = sent.strike({ list: ['abcdefgh', 'of a child', 1, null], deep: { text: 'x abcdefgh' }, raw })

  expect(value).toEqual({ list: ['***', '***', 1, null], deep: { text: 'x ***' }, raw })
})

test('the secret before a rotation is still known, the one before that is not', () => {
  const sent = createSentSecrets()
  for (const a of ['first-one', 'second-one', 'third-one']) sent.remember({ a })

  expect(sent.strike('first-one second-one third-one')).toBe('first-one *** ***')
})

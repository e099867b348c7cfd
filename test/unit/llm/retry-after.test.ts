import { expect, test } from 'vitest'
import { boundedWaitMs, retryFacts } from '../../../src/llm/retry-after.ts'

const DATE = 'Mon, 23 Nov 2026 10:00:00 GMT'

test.each([
  { name: 'nothing said', headers: {}, expected: {} },
  { name: 'seconds', headers: { 'retry-after': '7' }, expected: { retryAfterMs: 7_000 } },
  { name: 'zero seconds are a wait of none', headers: { 'retry-after': '0' }, expected: { retryAfterMs: 0 } },
  { name: 'parts of a second', headers: { 'retry-after': '0.5' }, expected: { retryAfterMs: 500 } },
  { name: 'spaces around', headers: { 'retry-after': ' 3 ' }, expected: { retryAfterMs: 3_000 } },
  { name: 'milliseconds win', headers: { 'retry-after-ms': '250', 'retry-after': '9' }, expected: { retryAfterMs: 250 } },
  {
    name: 'a date, by the clock of the provider',
    headers: { 'retry-after': 'Mon, 23 Nov 2026 10:00:12 GMT', date: DATE },
    expected: { retryAfterMs: 12_000 },
  },
  {
    name: 'a date that has passed',
    headers: { 'retry-after': 'Mon, 23 Nov 2026 09:00:00 GMT', date: DATE },
    expected: { retryAfterMs: 0 },
  },
  {
    name: 'a date without a clock beside it',
    headers: { 'retry-after': 'Mon, 23 Nov 2026 10:00:12 GMT' },
    expected: { retryAfterMs: 60_000 },
  },
  { name: 'never more than a minute', headers: { 'retry-after': '86400' }, expected: { retryAfterMs: 60_000 } },
  { name: 'no number and no date', headers: { 'retry-after': 'soon' }, expected: {} },
  { name: 'a number too long', headers: { 'retry-after': '9'.repeat(13) }, expected: {} },
  { name: 'told to ask again', headers: { 'x-should-retry': 'true' }, expected: { shouldRetry: true } },
  { name: 'told not to ask again', headers: { 'x-should-retry': 'false' }, expected: { shouldRetry: false } },
  { name: 'another word on asking again', headers: { 'x-should-retry': 'maybe' }, expected: {} },
])('what the headers of a refusal say: $name', ({ headers, expected }) => {
  expect(retryFacts(headers)).toEqual(expected)
})

test('a wait is whole milliseconds within bounds', () => {
  expect([-1, 0.2, 59_999.5, 1e12].map(boundedWaitMs)).toEqual([0, 1, 60_000, 60_000])
})

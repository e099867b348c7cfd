import { describe, expect, test } from 'vitest'
import type { GatewayError } from '../../../src/core/errors.ts'
import type { UsageQuery, UsageRow } from '../../../src/metering/contract.ts'
import { toUsd } from '../../../src/metering/usage-cells.ts'
import { parseTime, parseUsageQuery, renderUsage } from '../../../src/metering/usage-format.ts'

const NOW = new Date('2026-11-20T12:00:00Z')
const parse = (text: string) => parseUsageQuery(new URLSearchParams(text), NOW)

test('a question names groups, a range and filters', () => {
  expect(parse('by=team,server,team&from=24h&to=2026-11-20T11:00:00%2B01:00&team=research&user=')).toEqual({
    by: ['team', 'server'],
    from: Date.parse('2026-11-19T12:00:00Z'),
    to: Date.parse('2026-11-20T10:00:00Z'),
    where: { team: 'research', user: '' },
  })
})

test('sessions are told with whose they are, whatever else is asked', () => {
  expect(parse('by=team,session').by).toEqual(['team', 'issuer', 'subject', 'session'])
  expect(parse('by=session,subject,tool').by).toEqual(['issuer', 'subject', 'session', 'tool'])
})

test('without anything it is one row over the last 7 days', () => {
  expect(parse('')).toEqual({ by: [], from: NOW.getTime() - 7 * 86_400_000, to: NOW.getTime(), where: {} })
})

describe('what cannot be asked is refused with what can', () => {
  test.each([
    ['an unknown group', 'by=team,colour', /cannot group by "colour"; known: org, team, project/],
    ['an unknown filter', 'colour=red', /unknown parameter "colour"; known: by, from, to, org, team/],
    ['SQL as a group', 'by=team;drop table entry', /cannot group by/],
    ['a time in no known form', 'from=yesterday', /cannot read the time "yesterday"; write 2026-11-01T00:00:00Z/],
    ['a day that does not exist', 'from=2026-13-41', /cannot read the time/],
    ['a range that ends before it begins', 'from=1h&to=2h', /from must be before to/],
    ['a filter twice', 'team=a&team=b', /team is given twice/],
    ['a filter of a megabyte', `team=${'x'.repeat(1_000_000)}`, /longer than 1000/],
  ])('%s', (_name, text, words) => {
    expect(() => parse(text)).toThrow(words)
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ name: 'GatewayError', code: 'invalid_request' } satisfies Partial<GatewayError>),
    )
  })
})

test.each([
  ['90s', NOW.getTime() - 90_000],
  ['30m', NOW.getTime() - 1_800_000],
  ['2w', NOW.getTime() - 1_209_600_000],
  ['now', NOW.getTime()],
  ['2026-11-01', Date.parse('2026-11-01T00:00:00Z')],
  ['2026-11-01T08:30:00.5+02:00', Date.parse('2026-11-01T06:30:00.500Z')],
])('the time %s is read', (text, expected) => {
  expect(parseTime(text, NOW)).toBe(expected)
})

test.each([
  [0, '0'],
  [1, '0.000000001'],
  [2_000_000, '0.002'],
  [1_500_000_000, '1.5'],
  ['9007199254740993000000001', '9007199254740993.000000001'],
  [-5, '-0.000000005'],
])('%s nano-dollars are %s dollars', (nano, text) => {
  expect(toUsd(nano)).toBe(text)
})

const row = (team: string | null, fields: Partial<UsageRow> = {}): UsageRow => ({
  group: { team },
  calls: 1_200,
  errors: 3,
  denied: 0,
  p50Ms: 12.345,
  p95Ms: 40,
  p99Ms: 80.1,
  avgMs: 15,
  avgUpstreamMs: 14.5,
  requestBytes: 1_000,
  responseBytes: 20_000,
  nanoUsd: 2_400_000_000,
  unpriced: 0,
  inputTokens: 0,
  cacheReadTokens: 0,
  outputTokens: 0,
  estimated: 0,
  ...fields,
})
const query: UsageQuery = { from: 0, to: NOW.getTime(), by: ['team'], where: {} }

test('a table is aligned and names its units', () => {
  const { contentType, body } = renderUsage({ rows: [row('research'), row(null, { calls: 7 })] }, query, 'table')

  expect(contentType).toBe('text/plain; charset=utf-8')
  expect(body).toBe(
    [
      'team      calls  errors  denied  p50 ms  p95 ms  p99 ms  avg ms  upstream ms  bytes in  bytes out  USD  unpriced',
      'research   1200       3       0   12.35      40    80.1      15         14.5      1000      20000  2.4         0',
      '-             7       3       0   12.35      40    80.1      15         14.5      1000      20000  2.4         0',
      '',
    ].join('\n'),
  )
})

test('a table does not carry out what a name says to a terminal', () => {
  const { body } = renderUsage({ rows: [row('\u001B[2J\u202Eevil\r\n')] }, query, 'table')

  expect(['\u001B', '\r', '\u202E'].filter((character) => body.includes(character))).toEqual([])
  expect(body.split('\n').length).toBe(3)
})

describe('CSV', () => {
  test.each([
    ['plain', 'research', 'research'],
    ['with a comma', 'a,b', '"a,b"'],
    ['with quotes', 'say "hi"', '"say ""hi"""'],
    ['with a line break', 'a\nb', '"a\nb"'],
    ['a formula', '=HYPERLINK("http://x")', '"\'=HYPERLINK(""http://x"")"'],
    ['a formula with a plus', '+1', '"\'+1"'],
    ['a formula with an at sign', '@SUM(A1)', '"\'@SUM(A1)"'],
    ['a formula with a minus', '-2+3', '"\'-2+3"'],
    ['a formula behind a tab', '\t=1', '"\'\t=1"'],
    ['nobody', null, ''],
  ])('a name that is %s', (_name, team, cell) => {
    const { body, contentType } = renderUsage({ rows: [row(team)] }, query, 'csv')

    expect(contentType).toBe('text/csv; charset=utf-8; header=present')
    expect(body).toBe(
      `team,calls,errors,denied,p50_ms,p95_ms,p99_ms,avg_ms,avg_upstream_ms,request_bytes,response_bytes,tokens_in,tokens_cached,tokens_out,estimated_calls,usd,unpriced_calls\r\n${cell},1200,3,0,12.35,40,80.1,15,14.5,1000,20000,0,0,0,0,2.4,0\r\n`,
    )
  })
})

test('JSON carries the question and the rows as they are', () => {
  const { contentType, body } = renderUsage({ rows: [row('a')] }, query, 'json')

  expect(contentType).toBe('application/json; charset=utf-8')
  expect(JSON.parse(body)).toEqual({
    from: '1970-01-01T00:00:00.000Z',
    to: NOW.toISOString(),
    by: ['team'],
    where: {},
    rows: [row('a')],
  })
})

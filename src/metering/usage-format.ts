import { GatewayError } from '../core/errors.ts'
import { USAGE_DIMENSIONS, type UsageDimension, type UsageQuery, type UsageRow } from './contract.ts'
import { alignTable, toMilliseconds, toTableCell, toUsd, withoutControls } from './usage-cells.ts'
import { renderRuns, type UsageAnswer } from './usage-runs.ts'
import { scopedDimensions } from './usage-scope.ts'

/** The forms in which usage is given out. */
export const USAGE_FORMATS = ['table', 'json', 'csv'] as const
export type UsageFormat = (typeof USAGE_FORMATS)[number]

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const DEFAULT_RANGE_MS = 604_800_000
const MAX_VALUE = 1_000

/**
 * Reads a question from a query string: `by` (comma-separated dimensions), `from` and `to` (RFC 3339, or a span back from now such as
 * `7d`), and one filter per dimension; an empty filter asks for entries without that field. Default: the last 7 days, in one row.
 */
export function parseUsageQuery(params: URLSearchParams, now: Date): UsageQuery {
  const where: Partial<Record<UsageDimension, string>> = {}
  for (const name of new Set(params.keys())) {
    if (params.getAll(name).length > 1) throw invalid(`${name} is given twice`)
    if (name === 'by' || name === 'from' || name === 'to') continue
    const value = params.get(name) ?? ''
    if (value.length > MAX_VALUE) throw invalid(`${name} is longer than ${MAX_VALUE} characters`)
    where[toDimension(name, 'unknown parameter', 'by, from, to, ')] = value
  }
  const to = params.has('to') ? parseTime(params.get('to') ?? '', now) : now.getTime()
  const from = params.has('from') ? parseTime(params.get('from') ?? '', now) : to - DEFAULT_RANGE_MS
  if (from >= to) throw invalid('from must be before to')
  const by = (params.get('by') ?? '').split(',').filter((name) => name !== '')
  return { from, to, by: scopedDimensions(by.map((name) => toDimension(name, 'cannot group by', ''))), where }
}

/** A moment in milliseconds since the epoch: `now`, RFC 3339 (`2026-11-01T00:00:00Z`), a date, or a span back from now (`30m`, `24h`, `7d`). */
export function parseTime(text: string, now: Date): number {
  const span = /^(\d{1,6})([smhdw])$/.exec(text)
  if (span?.[1] !== undefined && span[2] !== undefined) return now.getTime() - Number(span[1]) * (UNIT_MS[span[2]] ?? 0)
  if (text === 'now') return now.getTime()
  const isDate = /^\d{4}-\d{2}-\d{2}([Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2}))?$/.test(text)
  const time = isDate ? Date.parse(text.toUpperCase()) : Number.NaN
  if (Number.isNaN(time))
    throw invalid(`cannot read the time "${withoutControls(text)}"; write 2026-11-01T00:00:00Z, 2026-11-01, 24h or 7d`)
  return time
}

/** Writes an answer in one of the forms, with the content type that goes with it. CSV has one line for each row, whatever was asked. */
export function renderUsage(answer: UsageAnswer, query: UsageQuery, format: UsageFormat): { contentType: string; body: string } {
  switch (format) {
    case 'json':
      return { contentType: 'application/json; charset=utf-8', body: toJson(answer, query) }
    case 'csv':
      return { contentType: 'text/csv; charset=utf-8; header=present', body: toCsv(answer.rows, query) }
    case 'table':
      return { contentType: 'text/plain; charset=utf-8', body: toTable(answer, query) }
    default:
      return format satisfies never
  }
}

interface Column {
  readonly csv: string
  readonly title: string
  value(row: UsageRow): string
  /** Tables leave the column out when this holds for no row. */
  isShown?(row: UsageRow): boolean
}

const hasTokens = (row: UsageRow) => row.inputTokens + row.outputTokens > 0

const COLUMNS: readonly Column[] = [
  { csv: 'calls', title: 'calls', value: (row) => String(row.calls) },
  { csv: 'errors', title: 'errors', value: (row) => String(row.errors) },
  { csv: 'denied', title: 'denied', value: (row) => String(row.denied) },
  { csv: 'p50_ms', title: 'p50 ms', value: (row) => toMilliseconds(row.p50Ms) },
  { csv: 'p95_ms', title: 'p95 ms', value: (row) => toMilliseconds(row.p95Ms) },
  { csv: 'p99_ms', title: 'p99 ms', value: (row) => toMilliseconds(row.p99Ms) },
  { csv: 'avg_ms', title: 'avg ms', value: (row) => toMilliseconds(row.avgMs) },
  { csv: 'avg_upstream_ms', title: 'upstream ms', value: (row) => toMilliseconds(row.avgUpstreamMs) },
  { csv: 'request_bytes', title: 'bytes in', value: (row) => String(row.requestBytes) },
  { csv: 'response_bytes', title: 'bytes out', value: (row) => String(row.responseBytes) },
  { csv: 'tokens_in', title: 'tokens in', value: (row) => String(row.inputTokens), isShown: hasTokens },
  { csv: 'tokens_cached', title: 'cached', value: (row) => String(row.cacheReadTokens), isShown: hasTokens },
  { csv: 'tokens_out', title: 'tokens out', value: (row) => String(row.outputTokens), isShown: hasTokens },
  { csv: 'estimated_calls', title: 'estimated', value: (row) => String(row.estimated), isShown: (row) => row.estimated > 0 },
  { csv: 'usd', title: 'USD', value: (row) => toUsd(row.nanoUsd) },
  { csv: 'unpriced_calls', title: 'unpriced', value: (row) => String(row.unpriced) },
]

function toJson({ rows, runs }: UsageAnswer, query: UsageQuery): string {
  const [from, to] = [new Date(query.from).toISOString(), new Date(query.to).toISOString()]
  const told = runs?.map(({ row, entries, leftOut }) => ({ group: row.group, leftOut, entries }))
  return `${JSON.stringify({ from, to, by: query.by, where: query.where, rows, ...(told === undefined ? {} : { runs: told }) })}\n`
}

function toCsv(rows: readonly UsageRow[], query: UsageQuery): string {
  const header = [...query.by, ...COLUMNS.map(({ csv }) => csv)]
  const lines = rows.map((row) => [
    ...query.by.map((dimension) => toCsvCell(row.group[dimension] ?? '')),
    ...COLUMNS.map((column) => column.value(row)),
  ])
  return [header, ...lines].map((cells) => `${cells.join(',')}\r\n`).join('')
}

/** RFC 4180; text that a spreadsheet would take for a formula gets an apostrophe in front. */
function toCsvCell(text: string): string {
  const safe = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text
  return /[",\r\n]|^'/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

function toTable({ rows, runs }: UsageAnswer, query: UsageQuery): string {
  if (rows.length === 0) return 'no calls in this time range\n'
  if (runs !== undefined) return renderRuns(runs, rows.length)
  const columns = COLUMNS.filter(({ isShown }) => isShown === undefined || rows.some(isShown))
  const lines = rows.map((row) => [
    ...query.by.map((dimension) => toTableCell(row.group[dimension])),
    ...columns.map((column) => column.value(row)),
  ])
  return alignTable([[...query.by, ...columns.map(({ title }) => title)], ...lines], query.by.length)
}

function toDimension(name: string, complaint: string, also: string): UsageDimension {
  const dimension = USAGE_DIMENSIONS.find((known) => known === name)
  if (dimension === undefined)
    throw invalid(`${complaint} "${withoutControls(name)}"; known: ${also}${USAGE_DIMENSIONS.join(', ')}`)
  return dimension
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_request', message)
}

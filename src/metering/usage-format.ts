import { GatewayError } from '../core/errors.ts'
import { USAGE_DIMENSIONS, type UsageDimension, type UsageQuery, type UsageRow } from './contract.ts'
import { scopedDimensions } from './usage-scope.ts'

/** The forms in which usage is given out. */
export const USAGE_FORMATS = ['table', 'json', 'csv'] as const
export type UsageFormat = (typeof USAGE_FORMATS)[number]

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const DEFAULT_RANGE_MS = 604_800_000
const MAX_VALUE = 1_000
const MAX_CELL = 48

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
    throw invalid(`cannot read the time "${printable(text)}"; write 2026-11-01T00:00:00Z, 2026-11-01, 24h or 7d`)
  return time
}

/** Writes rows in one of the forms, with the content type that goes with it. */
export function renderUsage(
  rows: readonly UsageRow[],
  query: UsageQuery,
  format: UsageFormat,
): { contentType: string; body: string } {
  switch (format) {
    case 'json':
      return { contentType: 'application/json; charset=utf-8', body: toJson(rows, query) }
    case 'csv':
      return { contentType: 'text/csv; charset=utf-8; header=present', body: toCsv(rows, query) }
    case 'table':
      return { contentType: 'text/plain; charset=utf-8', body: toTable(rows, query) }
    default:
      return format satisfies never
  }
}

interface Column {
  readonly csv: string
  readonly title: string
  value(row: UsageRow): string
}

const milliseconds = (value: number) => String(Math.round(value * 100) / 100)

const COLUMNS: readonly Column[] = [
  { csv: 'calls', title: 'calls', value: (row) => String(row.calls) },
  { csv: 'errors', title: 'errors', value: (row) => String(row.errors) },
  { csv: 'denied', title: 'denied', value: (row) => String(row.denied) },
  { csv: 'p50_ms', title: 'p50 ms', value: (row) => milliseconds(row.p50Ms) },
  { csv: 'p95_ms', title: 'p95 ms', value: (row) => milliseconds(row.p95Ms) },
  { csv: 'p99_ms', title: 'p99 ms', value: (row) => milliseconds(row.p99Ms) },
  { csv: 'avg_ms', title: 'avg ms', value: (row) => milliseconds(row.avgMs) },
  { csv: 'avg_upstream_ms', title: 'upstream ms', value: (row) => milliseconds(row.avgUpstreamMs) },
  { csv: 'request_bytes', title: 'bytes in', value: (row) => String(row.requestBytes) },
  { csv: 'response_bytes', title: 'bytes out', value: (row) => String(row.responseBytes) },
  { csv: 'usd', title: 'USD', value: (row) => toUsd(row.nanoUsd) },
  { csv: 'unpriced_calls', title: 'unpriced', value: (row) => String(row.unpriced) },
]

/** Integer nano-dollars as exact decimal dollars. */
export function toUsd(nano: number | string): string {
  const value = BigInt(nano)
  const digits = (value < 0n ? -value : value).toString().padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`}`
}

function toJson(rows: readonly UsageRow[], query: UsageQuery): string {
  const { by, where } = query
  return `${JSON.stringify({ from: new Date(query.from).toISOString(), to: new Date(query.to).toISOString(), by, where, rows })}\n`
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

function toTable(rows: readonly UsageRow[], query: UsageQuery): string {
  const header = [...query.by, ...COLUMNS.map(({ title }) => title)]
  const lines = rows.map((row) => [
    ...query.by.map((dimension) => toTableCell(row.group[dimension])),
    ...COLUMNS.map((column) => column.value(row)),
  ])
  if (lines.length === 0) return 'no calls in this time range\n'
  const widths = header.map((title, place) => Math.max(...[title, ...lines.map((line) => line[place] ?? '')].map(widthOf)))
  const toLine = (cells: readonly string[]) =>
    cells
      .map((cell, place) => {
        const blanks = ' '.repeat((widths[place] ?? 0) - widthOf(cell))
        return place < query.by.length ? cell + blanks : blanks + cell
      })
      .join('  ')
      .trimEnd()
  return [header, ...lines].map((cells) => `${toLine(cells)}\n`).join('')
}

function toTableCell(text: string | null | undefined): string {
  if (text === null || text === undefined) return '-'
  const letters = Array.from(printable(text))
  return letters.length > MAX_CELL ? `${letters.slice(0, MAX_CELL - 1).join('')}…` : letters.join('')
}

function widthOf(cell: string): number {
  return Array.from(cell).length
}

/** Without what moves a cursor, breaks a line or turns the reading direction: names come from callers. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\uFFFD')
}

function toDimension(name: string, complaint: string, also: string): UsageDimension {
  const dimension = USAGE_DIMENSIONS.find((known) => known === name)
  if (dimension === undefined) throw invalid(`${complaint} "${printable(name)}"; known: ${also}${USAGE_DIMENSIONS.join(', ')}`)
  return dimension
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_request', message)
}

// Questions about use, as SQL. Column names come from closed lists, values are bound; nothing a caller wrote becomes SQL.
import { type Expression, type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Entry } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import { type EntryQuery, USAGE_DIMENSIONS, type UsageDimension, type UsageQuery, type UsageRow } from './contract.ts'
import { columnOf, ENTRY_FIELDS, NUMBER_FIELDS } from './entry-fields.ts'
import { scopedDimensions } from './usage-scope.ts'

/** Any table: columns are named through the closed lists of this room. */
export type LedgerDatabase = Record<string, Record<string, unknown>>

type Row = Readonly<Record<string, unknown>>

const sumOf = (columns: readonly string[]) =>
  sql`${sql.join(
    columns.map((column) => sql`coalesce(${sql.ref(column)}, 0)`),
    sql` + `,
  )}`
const INPUT = sumOf([
  'input_tokens',
  'cache_read_tokens',
  'cache_write5m_tokens',
  'cache_write1h_tokens',
  'input_audio_tokens',
  'input_image_tokens',
])
const OUTPUT = sumOf(['output_tokens', 'reasoning_tokens', 'output_audio_tokens'])

/** More groups than anybody reads; asking for more is an error, never a cut list. */
const MAX_GROUPS = 10_000
const MAX_ENTRIES = 10_000

/**
 * Usage by group. Percentiles are exact, by nearest rank: SQLite ranks the latencies of each group, in its own sorter, which
 * spills to a temporary file, so memory stays bounded whatever the range.
 */
export async function queryUsage(database: Kysely<LedgerDatabase>, query: UsageQuery): Promise<UsageRow[]> {
  const asked = scopedDimensions(query.by)
  const by = USAGE_DIMENSIONS.filter((dimension) => asked.includes(dimension))
  const groups = sql.join(by.map((dimension) => sql.ref(dimension)))
  const partition = by.length === 0 ? sql`` : sql`PARTITION BY ${sql.join(by.map(valueOf))}`
  const named = by.map((dimension) => sql`${valueOf(dimension)} AS ${sql.ref(dimension)},`)
  const ranked = sql`
    SELECT ${sql.join(named, sql` `)} status, duration_ms, upstream_ms, request_bytes, response_bytes, nano_usd, usage_source,
      ${INPUT} AS tokens_in, cache_read_tokens AS tokens_cached, ${OUTPUT} AS tokens_out,
      row_number() OVER (${partition} ORDER BY duration_ms) AS place, count(*) OVER (${partition}) AS size
    FROM entry WHERE ${matches(query)}`
  const statement = sql<Row>`
    SELECT ${by.length === 0 ? sql`` : sql`${groups},`} count(*) AS calls,
      count(*) FILTER (WHERE status IN ('error', 'tool_error', 'cut', 'retried')) AS errors,
      count(*) FILTER (WHERE status IN ('denied', 'limited', 'blocked')) AS denied,
      ${percentile(50)} AS p50, ${percentile(95)} AS p95, ${percentile(99)} AS p99,
      avg(duration_ms) AS average, avg(upstream_ms) AS upstream,
      sum(request_bytes) AS request_bytes, sum(response_bytes) AS response_bytes,
      sum(nano_usd) AS nano_usd, count(*) - count(nano_usd) AS unpriced,
      sum(tokens_in) AS tokens_in, sum(tokens_cached) AS tokens_cached, sum(tokens_out) AS tokens_out,
      count(*) FILTER (WHERE usage_source = 'estimated') AS estimated
    FROM (${ranked}) AS ranked
    ${by.length === 0 ? sql`` : sql`GROUP BY ${groups} ORDER BY calls DESC, ${groups}`}
    LIMIT ${MAX_GROUPS + 1}`
  const { rows } = await statement.execute(database)
  if (rows.length > MAX_GROUPS) {
    throw new GatewayError('invalid_request', `more than ${MAX_GROUPS} groups; narrow the time range, filter, or group by less`)
  }
  return rows.filter((row) => toNumber(row['calls']) > 0).map((row) => toUsageRow(row, by))
}

/** Single entries, newest first. */
export async function queryEntries(database: Kysely<LedgerDatabase>, query: EntryQuery): Promise<Entry[]> {
  const limit = Math.max(1, Math.min(query.limit, MAX_ENTRIES))
  const statement = sql<Row>`
    SELECT ${sql.join(ENTRY_FIELDS.map((field) => sql.ref(columnOf(field))))} FROM entry
    WHERE ${matches(query)}${query.id === undefined ? sql`` : sql` AND id = ${query.id}`} ORDER BY at DESC, id DESC, attempt DESC LIMIT ${limit}`
  const { rows } = await statement.execute(database)
  return rows.map(toEntry)
}

/** Nearest rank: the smallest latency that at least `percent` of 100 are not above. */
function percentile(percent: number): RawBuilder<number> {
  return sql`max(duration_ms) FILTER (WHERE place = (size * ${sql.lit(percent)} + 99) / 100)`
}

/** The time range and the filters. An empty value asks for entries that have none. */
function matches(query: Pick<UsageQuery, 'from' | 'to' | 'where'>): Expression<SqlBool> {
  const filters = USAGE_DIMENSIONS.flatMap((dimension) => filterOf(dimension, query.where[dimension]))
  return sql<SqlBool>`${sql.join([sql`at >= ${query.from} AND at < ${query.to}`, ...filters], sql` AND `)}`
}

function filterOf(dimension: UsageDimension, value: string | undefined): RawBuilder<unknown>[] {
  if (value === undefined) return []
  return [value === '' ? sql`${valueOf(dimension)} IS NULL` : sql`${valueOf(dimension)} = ${value}`]
}

/** What a dimension is in the table: a column, but for `tool`. */
function valueOf(dimension: UsageDimension): RawBuilder<unknown> {
  return dimension === 'tool' ? sql`CASE WHEN kind = 'tool' THEN target END` : sql.ref(dimension)
}

function toUsageRow(row: Row, by: readonly UsageDimension[]): UsageRow {
  return {
    group: Object.fromEntries(by.map((dimension) => [dimension, toText(row[dimension])])),
    calls: toNumber(row['calls']),
    errors: toNumber(row['errors']),
    denied: toNumber(row['denied']),
    p50Ms: toNumber(row['p50']),
    p95Ms: toNumber(row['p95']),
    p99Ms: toNumber(row['p99']),
    avgMs: toNumber(row['average']),
    avgUpstreamMs: toNumber(row['upstream']),
    requestBytes: toNumber(row['request_bytes']),
    responseBytes: toNumber(row['response_bytes']),
    nanoUsd: toMoney(row['nano_usd']),
    unpriced: toNumber(row['unpriced']),
    inputTokens: toNumber(row['tokens_in']),
    cacheReadTokens: toNumber(row['tokens_cached']),
    outputTokens: toNumber(row['tokens_out']),
    estimated: toNumber(row['estimated']),
  }
}

function toEntry(row: Row): Entry {
  const cells = ENTRY_FIELDS.map((field) => {
    const value = row[columnOf(field)]
    return [field, NUMBER_FIELDS.has(field) ? toKnownNumber(value) : toText(value)] as const
  })
  // The columns of the table are the fields of Entry, written from entries only.
  return Object.fromEntries(cells) as unknown as Entry
}

/** Out of a column, or JSON text out of `details`. */
function toKnownNumber(value: unknown): number | null {
  if (value === null || value === 'null') return null
  return typeof value === 'string' ? Number(value) : toNumber(value)
}

function toNumber(value: unknown): number {
  return typeof value === 'bigint' || typeof value === 'number' ? Number(value) : 0
}

function toText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** A sum a double cannot hold (above 9 million dollars) is given as decimal text, so that no nano-dollar is lost. */
function toMoney(value: unknown): number | string {
  if (typeof value !== 'bigint') return 0
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

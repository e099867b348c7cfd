// Runs: what a question by session shows besides its rows. Three steps: the newest entries are read once, sorted into their runs, and each run is
// cut to what a reader can take. A run is a session of one principal. Older runs and entries are counted, not read.
import type { Entry } from '../core/entry.ts'
import type { Ledger, UsageDimension, UsageQuery, UsageRow } from './contract.ts'
import { alignTable, toMilliseconds, toTableCell, toUsd } from './usage-cells.ts'

/** Usage, and the runs behind it when the question is by session alone. */
export interface UsageAnswer {
  readonly rows: readonly UsageRow[]
  readonly runs?: readonly UsageRun[]
}

/** One session of one principal: its totals, and its newest entries in the order they happened. */
export interface UsageRun {
  readonly row: UsageRow
  readonly entries: readonly Entry[]
  /** Entries of the run that are older than those given. */
  readonly leftOut: number
}

const MAX_READ = 5_000
const MAX_RUNS = 50
const MAX_RUN_ENTRIES = 200
const RUN: readonly UsageDimension[] = ['issuer', 'subject', 'session']

/** Answers a question about usage. */
export async function answerUsage(ledger: Pick<Ledger, 'query' | 'entries'>, query: UsageQuery): Promise<UsageAnswer> {
  const rows = await ledger.query(query)
  if (!query.by.includes('session') || query.by.some((dimension) => !RUN.includes(dimension))) return { rows }
  const { from, to, where } = query
  return { rows, runs: toRuns(rows, await ledger.entries({ from, to, where, limit: MAX_READ })) }
}

/** Runs newest first; `entries` are newest first too. */
function toRuns(rows: readonly UsageRow[], entries: readonly Entry[]): UsageRun[] {
  const byRun = Map.groupBy(entries, ({ issuer, subject, session }) => keyOf(issuer, subject, session))
  const rowOf = new Map(rows.map((row) => [keyOf(row.group.issuer, row.group.subject, row.group.session), row]))
  const runs: UsageRun[] = []
  for (const [key, found] of byRun) {
    const row = rowOf.get(key)
    if (row === undefined) continue // began after the rows were read
    const shown = found.slice(0, MAX_RUN_ENTRIES).toReversed()
    runs.push({ row, entries: shown, leftOut: Math.max(0, row.calls - shown.length) })
    if (runs.length === MAX_RUNS) break
  }
  return runs
}

function keyOf(...parts: readonly (string | null | undefined)[]): string {
  return JSON.stringify(parts)
}

/** Runs as a terminal shows them: totals, then every attempt with what it took. */
export function renderRuns(runs: readonly UsageRun[], total: number): string {
  const older = total - runs.length
  const note =
    older > 0 ? [`${older} older ${older === 1 ? 'run is' : 'runs are'} left out; ask for an earlier time or filter\n`] : []
  return [...runs.map(renderRun), ...note].join('\n')
}

const TITLES = ['time', 'kind', 'target', 'served by', 'status', 'tokens in', 'cached', 'tokens out', 'USD', 'ms']
const LEFT = 5

function renderRun({ row, entries, leftOut }: UsageRun): string {
  const { session, subject, issuer } = row.group
  const head = `run ${toTableCell(session)} of ${toTableCell(subject)} at ${toTableCell(issuer)}\n${totalsOf(row)}\n`
  const note = leftOut === 0 ? '' : `${leftOut} earlier ${leftOut === 1 ? 'entry is' : 'entries are'} left out\n`
  return `${head}${note}${alignTable([TITLES, ...entries.map(toLine)], LEFT)}`
}

function totalsOf(row: UsageRow): string {
  const { calls, errors, denied, unpriced, estimated } = row
  const tokens = `${row.inputTokens} tokens in (${row.cacheReadTokens} cached), ${row.outputTokens} out`
  const hasTokens = row.inputTokens + row.outputTokens > 0
  return [
    `${calls} ${calls === 1 ? 'entry' : 'entries'}`,
    ...(errors === 0 ? [] : [`${errors} failed`]),
    ...(denied === 0 ? [] : [`${denied} denied`]),
    ...(hasTokens ? [tokens] : []),
    `${toUsd(row.nanoUsd)} USD`,
    ...(unpriced === 0 ? [] : [`${unpriced} unpriced`]),
    ...(estimated === 0 ? [] : [`${estimated} estimated`]),
  ].join(', ')
}

function toLine(entry: Entry): string[] {
  return [
    new Date(entry.at).toISOString(),
    entry.kind,
    toTableCell(entry.target),
    toTableCell(servedBy(entry)),
    toTableCell(statusOf(entry)),
    toCount(entry, [
      'inputTokens',
      'cacheReadTokens',
      'cacheWrite5mTokens',
      'cacheWrite1hTokens',
      'inputAudioTokens',
      'inputImageTokens',
    ]),
    toCount(entry, ['cacheReadTokens']),
    toCount(entry, ['outputTokens', 'reasoningTokens', 'outputAudioTokens']),
    costOf(entry),
    toMilliseconds(entry.durationMs),
  ]
}

function servedBy({ provider, model, region, server }: Entry): string | null {
  if (provider === null) return server
  return `${provider}/${model ?? '?'}${region === null ? '' : `@${region}`}`
}

function statusOf({ status, error, attempt }: Entry): string {
  return `${status}${error === null || error === status ? '' : ` ${error}`}${attempt === 1 ? '' : `, attempt ${attempt}`}`
}

type CountField =
  | 'inputTokens'
  | 'cacheReadTokens'
  | 'cacheWrite5mTokens'
  | 'cacheWrite1hTokens'
  | 'inputAudioTokens'
  | 'inputImageTokens'
  | 'outputTokens'
  | 'reasoningTokens'
  | 'outputAudioTokens'

/** The kinds are disjoint; `-` when none is known. */
function toCount(entry: Entry, fields: readonly CountField[]): string {
  const known = fields.map((field) => entry[field]).filter((count) => count !== null)
  return known.length === 0 ? '-' : String(known.reduce((sum, count) => sum + count, 0))
}

function costOf({ nanoUsd, usageSource }: Entry): string {
  return `${nanoUsd === null ? 'unpriced' : toUsd(nanoUsd)}${usageSource === 'estimated' ? ' estimated' : ''}`
}

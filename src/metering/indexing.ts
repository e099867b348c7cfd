import { appendFileSync, existsSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Cell } from './journal-line.ts'
import { type JournalItem, type JournalPosition, listSegments, readSegment, segmentPath } from './journal-reader.ts'
import type { LedgerIndex } from './ledger-index.ts'

/** What one step of indexing did. `kept` lines were no entries and stand in `journal-<n>.bad`. */
export interface IndexingStep {
  readonly position: JournalPosition
  readonly bytes: number
  readonly kept: number
  readonly done: boolean
}

const ROWS_PER_STEP = 2_000

/**
 * Reads the journal into the index up to `end`, one transaction per step. A segment before that of `end` is finished: it is read
 * to its last byte and deleted. Killed at any point, the next reader goes on at the stored position.
 */
export function* indexUpTo(directory: string, index: LedgerIndex, end: JournalPosition): Generator<IndexingStep> {
  let position = index.position()
  while (position.segment < end.segment || (position.segment === end.segment && position.offset < end.offset)) {
    const isLast = position.segment === end.segment
    const step = readStep(directory, position, isLast ? end.offset : undefined)
    // The end of a finished segment is the start of the next one.
    const next = step.exhausted
      ? isLast
        ? end
        : { segment: position.segment + 1, offset: 0 }
      : { segment: position.segment, offset: step.offset }
    const refused = index.apply(step.rows, next)
    const kept = [...step.corrupt, ...refused.map((row) => Buffer.from(JSON.stringify(row)))]
    keepAside(directory, position.segment, kept)
    const bytes = step.offset - position.offset
    if (next.segment > position.segment) removeSegments(directory, next.segment)
    position = next
    yield { position, bytes, kept: kept.length, done: position.segment === end.segment && position.offset >= end.offset }
  }
}

/**
 * A position inside or behind a segment that is only now begun means that files were removed or put back by hand: everything there is gets
 * read again, and the index leaves out what it knows.
 */
export function mendPosition(directory: string, index: LedgerIndex, first: number): void {
  const { segment, offset } = index.position()
  if (segment < first || (segment === first && offset === 0)) return
  index.apply([], { segment: Math.min(first, ...listSegments(directory)), offset: 0 })
}

/** Deletes the segments before `segment`: all they hold is in the index. */
export function removeSegments(directory: string, segment: number): void {
  for (const number of listSegments(directory)) {
    if (number < segment) unlinkSync(segmentPath(directory, number))
  }
}

function readStep(directory: string, position: JournalPosition, to: number | undefined) {
  const rows: Cell[][] = []
  const corrupt: Buffer[] = []
  let offset = position.offset
  const path = segmentPath(directory, position.segment)
  if (!existsSync(path)) return { rows, corrupt, offset, exhausted: true }
  for (const item of readSegment(path, position.offset, to)) {
    sortIn(item, rows, corrupt)
    offset = item.end
    if (rows.length + corrupt.length >= ROWS_PER_STEP) return { rows, corrupt, offset, exhausted: false }
  }
  return { rows, corrupt, offset, exhausted: true }
}

/** A torn last line was never acknowledged and is left out. */
function sortIn(item: JournalItem, rows: Cell[][], corrupt: Buffer[]): void {
  if (item.kind === 'entry') rows.push(item.cells)
  if (item.kind === 'corrupt') corrupt.push(item.raw)
}

function keepAside(directory: string, segment: number, lines: readonly Buffer[]): void {
  if (lines.length === 0) return
  const text = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]))
  appendFileSync(join(directory, `journal-${segment}.bad`), text, { mode: 0o600 })
}

import { appendFileSync, existsSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type LineParts, plainCells } from './journal-line.ts'
import { type JournalPosition, listSegments, readSegment, segmentPath } from './journal-reader.ts'
import type { LedgerIndex } from './ledger-index.ts'

/** What one step of indexing did. `kept` lines were no entries and stand in `journal-<n>.bad`. */
export interface IndexingStep {
  readonly position: JournalPosition
  readonly bytes: number
  readonly kept: number
  readonly done: boolean
}

const LINES_PER_STEP = 2_000

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
    const refused = index.apply(step.lines, next)
    const kept = [...step.corrupt, ...refused.map((line) => Buffer.from(JSON.stringify(plainCells(line))))]
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
  const lines: LineParts[] = []
  const corrupt: Buffer[] = []
  let offset = position.offset
  const path = segmentPath(directory, position.segment)
  if (!existsSync(path)) return { lines, corrupt, offset, exhausted: true }
  for (const piece of readSegment(path, position.offset, to)) {
    lines.push(...piece.lines)
    corrupt.push(...piece.corrupt)
    offset = piece.end
    if (lines.length + corrupt.length >= LINES_PER_STEP) return { lines, corrupt, offset, exhausted: false }
  }
  return { lines, corrupt, offset, exhausted: true }
}

function keepAside(directory: string, segment: number, lines: readonly Buffer[]): void {
  if (lines.length === 0) return
  const text = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]))
  appendFileSync(join(directory, `journal-${segment}.bad`), text, { mode: 0o600 })
}

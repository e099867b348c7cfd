import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { decodeLine, type LineParts } from './journal-line.ts'

/** A place in the journal: everything before it is meant. Segments count from 1. */
export interface JournalPosition {
  readonly segment: number
  readonly offset: number
}

/** Lines read from a segment in one go, and the offset behind them. `corrupt` are lines that are no entries. */
export interface JournalPiece {
  readonly lines: readonly LineParts[]
  readonly corrupt: readonly Buffer[]
  readonly end: number
}

const CHUNK = 262_144
const LINE_BREAK = 0x0a

/** The file of a segment. */
export function segmentPath(directory: string, segment: number): string {
  return join(directory, `journal-${segment}.log`)
}

/** Numbers of the segments in a folder, ascending. */
export function listSegments(directory: string): number[] {
  return readdirSync(directory)
    .flatMap((name) => /^journal-(\d+)\.log$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((left, right) => left - right)
}

/**
 * The lines of one segment from `from` up to `to` (by default to its end). A last line without its line break is left out: it was never
 * acknowledged, because an entry is acknowledged after the whole line was written.
 */
export function* readSegment(path: string, from: number, to = Number.MAX_SAFE_INTEGER): Generator<JournalPiece> {
  const file = openSync(path, 'r')
  try {
    let rest: Buffer = Buffer.alloc(0)
    let position = from
    for (;;) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, to - position))
      const count = chunk.length === 0 ? 0 : readSync(file, chunk, 0, chunk.length, position)
      if (count === 0) break
      position += count
      const text = rest.length === 0 ? chunk.subarray(0, count) : Buffer.concat([rest, chunk.subarray(0, count)])
      rest = text.subarray(text.lastIndexOf(LINE_BREAK) + 1)
      yield { ...linesOf(text), end: position - rest.length }
    }
    if (rest.length > 0) yield { lines: [], corrupt: [], end: position }
  } finally {
    closeSync(file)
  }
}

function linesOf(text: Buffer): Pick<JournalPiece, 'lines' | 'corrupt'> {
  const lines: LineParts[] = []
  const corrupt: Buffer[] = []
  for (let from = 0, stop = text.indexOf(LINE_BREAK); stop >= 0; from = stop + 1, stop = text.indexOf(LINE_BREAK, from)) {
    if (stop === from) continue
    const raw = text.subarray(from, stop)
    const line = decodeLine(raw)
    if (line === undefined) corrupt.push(raw)
    else lines.push(line)
  }
  return { lines, corrupt }
}

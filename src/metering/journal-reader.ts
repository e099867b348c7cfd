import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type Cell, decodeLine } from './journal-line.ts'

/** A place in the journal: everything before it is meant. Segments count from 1. */
export interface JournalPosition {
  readonly segment: number
  readonly offset: number
}

/** One line read from a segment, and the offset behind it. `torn`: the segment ends inside a line. */
export type JournalItem =
  | { readonly kind: 'entry'; readonly cells: Cell[]; readonly end: number }
  | { readonly kind: 'corrupt'; readonly raw: Buffer; readonly end: number }
  | { readonly kind: 'torn'; readonly end: number }

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
 * The lines of one segment from `from` up to `to` (by default to its end). A line without its line break is `torn`: it was never
 * acknowledged, because an entry is acknowledged after the whole line was written.
 */
export function* readSegment(path: string, from: number, to = Number.MAX_SAFE_INTEGER): Generator<JournalItem> {
  const file = openSync(path, 'r')
  try {
    let rest: Buffer = Buffer.alloc(0)
    let position = from
    for (;;) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, to - position))
      const count = chunk.length === 0 ? 0 : readSync(file, chunk, 0, chunk.length, position)
      if (count === 0) break
      const start = position - rest.length
      position += count
      const text = rest.length === 0 ? chunk.subarray(0, count) : Buffer.concat([rest, chunk.subarray(0, count)])
      rest = text.subarray(text.lastIndexOf(LINE_BREAK) + 1)
      yield* linesOf(text, start)
    }
    if (rest.length > 0) yield { kind: 'torn', end: position }
  } finally {
    closeSync(file)
  }
}

function* linesOf(text: Buffer, start: number): Generator<JournalItem> {
  for (let from = 0, stop = text.indexOf(LINE_BREAK); stop >= 0; from = stop + 1, stop = text.indexOf(LINE_BREAK, from)) {
    if (stop === from) continue
    const raw = text.subarray(from, stop)
    const end = start + stop + 1
    const cells = decodeLine(raw)
    yield cells === undefined ? { kind: 'corrupt', raw, end } : { kind: 'entry', cells, end }
  }
}

import { existsSync, mkdirSync, readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Journal, type JournalOptions } from './journal.ts'
import { DISK } from './journal-files.ts'
import { listSegments, segmentPath } from './journal-reader.ts'

const LINE_BREAK = 0x0a
/** Small, because a lane only holds what the main thread has not taken yet. */
const SEGMENT_BYTES = 1_048_576

/** The folder of a worker's own journal in a state folder. */
export function laneFolder(state: string, worker: number): string {
  return join(state, 'ledger', `lane-${worker}`)
}

/** Opens the journal of a lane, behind what is left in it. */
export function openLane(
  directory: string,
  options: Omit<JournalOptions, 'directory' | 'first' | 'files' | 'segmentBytes'>,
): Journal {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const first = Math.max(0, ...listSegments(directory)) + 1
  return new Journal({ ...options, directory, first, files: DISK, segmentBytes: SEGMENT_BYTES })
}

/** Folders of all lanes of a ledger. */
export function listLanes(ledger: string): string[] {
  if (!existsSync(ledger)) return []
  return readdirSync(ledger, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() && /^lane-\d+$/.test(entry.name) ? [join(ledger, entry.name)] : [],
  )
}

/** Takes over what a lane holds whose worker is gone. A torn last line was never acknowledged and is left out. */
export async function recoverLane(directory: string, keep: (lines: string) => Promise<void>): Promise<void> {
  if (!existsSync(directory)) return
  for (const segment of listSegments(directory)) {
    const path = segmentPath(directory, segment)
    const bytes = readFileSync(path)
    const lines = bytes.subarray(0, bytes.lastIndexOf(LINE_BREAK) + 1)
    if (lines.length > 0) await keep(lines.toString('utf8'))
    unlinkSync(path)
  }
}

/** Deletes what a lane holds: all of it is kept elsewhere. */
export function emptyLane(directory: string): void {
  for (const segment of listSegments(directory)) unlinkSync(segmentPath(directory, segment))
}

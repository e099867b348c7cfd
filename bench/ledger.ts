// CPU per ledger entry, apart from any gateway: writing a line (main thread), reading lines into the index (the ledger's thread) in batches
// of several sizes, and questions over what was indexed. Entries are made once, before anything is measured; every figure is the median of the rounds.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Entry } from '../src/core/entry.ts'
import { indexUpTo } from '../src/metering/indexing.ts'
import { encodeEntry } from '../src/metering/journal-line.ts'
import { segmentPath } from '../src/metering/journal-reader.ts'
import { LedgerIndex } from '../src/metering/ledger-index.ts'
import { idOf, madeUpEntries } from './ledger-entries.ts'

const ROUNDS = 5
const BATCHES = [100, 1_000]
const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER, where: {} }

/** Prints the figures of a ledger of so many entries. */
export async function measureLedger(count: number): Promise<void> {
  const entries = madeUpEntries(count)
  const lines = entries.map(encodeEntry)
  say(`${count} entries, ${Math.round(lines.join('').length / count)} bytes each`)
  say(`encode           ${median(rounds(() => cpuOf(count, () => encodeAll(entries))))} us CPU each`)
  for (const batch of BATCHES) {
    const figures = rounds(() => inFolder((folder) => indexAll(folder, lines, batch)))
    say(
      `index by ${String(batch).padEnd(7)} ${median(figures.map(({ cpu }) => cpu))} us CPU each, ${figures[0]?.bytes} bytes each on disk`,
    )
  }
  await inFolder((folder) => ask(folder, lines))
}

function encodeAll(entries: readonly Entry[]): void {
  let length = 0
  for (const entry of entries) length += encodeEntry(entry).length
  if (length === 0) throw new Error('nothing was encoded')
}

function indexAll(folder: string, lines: readonly string[], batch: number): { cpu: string; bytes: number } {
  const path = join(folder, 'ledger.db')
  const index = new LedgerIndex(path)
  const ends = batchEnds(lines, batch)
  writeFileSync(segmentPath(folder, 1), lines.join(''))
  const cpu = cpuOf(lines.length, () => {
    for (const offset of ends) for (const _step of indexUpTo(folder, index, { segment: 1, offset }));
  })
  index.close()
  return { cpu, bytes: Math.round(statSync(path).size / lines.length) }
}

function batchEnds(lines: readonly string[], batch: number): number[] {
  const ends: number[] = []
  let offset = 0
  for (const [place, line] of lines.entries()) {
    offset += Buffer.byteLength(line)
    if ((place + 1) % batch === 0 || place === lines.length - 1) ends.push(offset)
  }
  return ends
}

async function ask(folder: string, lines: readonly string[]): Promise<void> {
  const index = new LedgerIndex(join(folder, 'ledger.db'))
  writeFileSync(segmentPath(folder, 1), lines.join(''))
  for (const _step of indexUpTo(folder, index, { segment: 2, offset: 0 }));
  const questions = {
    'usage by team': () => index.usage({ ...ALL, by: ['team'] }),
    'usage by session': () => index.usage({ ...ALL, by: ['session'] }),
    'usage of a team': () => index.usage({ ...ALL, by: ['model'], where: { team: 'team-1' } }),
    'usage of a catalog': () => index.usage({ ...ALL, by: ['subject'], where: { catalog: 'catalog-1' } }),
    'newest 5000': () => index.entries({ ...ALL, limit: 5_000 }),
    'one exchange': () => index.entries({ ...ALL, id: idOf(7), limit: 10 }),
  }
  for (const [name, question] of Object.entries(questions)) {
    const times: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const began = performance.now()
      await question()
      times.push(performance.now() - began)
    }
    say(`${name.padEnd(18)} ${median(times.map((time) => time.toFixed(1)))} ms`)
  }
  index.close()
}

function inFolder<Result>(work: (folder: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-ledger-bench-'))
  const result = work(folder)
  if (result instanceof Promise) return result.finally(() => rmSync(folder, { recursive: true })) as Result
  rmSync(folder, { recursive: true })
  return result
}

function rounds<Result>(work: () => Result): Result[] {
  return Array.from({ length: ROUNDS }, work)
}

/** Microseconds of CPU for each of `count`. */
function cpuOf(count: number, work: () => void): string {
  const began = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(began)
  return ((user + system) / count).toFixed(2)
}

function median(figures: readonly string[]): string {
  return figures.toSorted((left, right) => Number(left) - Number(right))[Math.floor(figures.length / 2)] ?? '-'
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

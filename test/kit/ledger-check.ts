import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSegment } from '../../src/metering/journal-reader.ts'
import { keyOf, readEntries, readUsage, type AdminEntry, type AdminSide, type AdminUsage } from './admin-side.ts'

/** Where the ledger of a gateway is, on disk and behind the admin API. */
export interface LedgerPlace extends AdminSide {
  /** The state folder. */
  readonly state: string
}

/** What is wrong with a ledger, in words; nothing when it is intact and balanced. `ids` are exchanges that must have an entry. */
export async function checkLedger(place: LedgerPlace, ids: readonly string[] = []): Promise<string[]> {
  // Before the entries: what comes meanwhile is in both.
  const journal = readJournal(place.state)
  const entries = await readEntries(place)
  const keys = new Set(entries.map(keyOf))
  const known = new Set(entries.map(({ id }) => id))
  const missing = ids.filter((id) => !known.has(id))
  return [
    ...journal.wrong,
    ...journal.keys.filter((key) => !keys.has(key)).map((key) => `entry ${key} is in the journal alone`),
    ...(keys.size === entries.length ? [] : [`${entries.length - keys.size} entries are there twice`]),
    ...(missing.length === 0 ? [] : [`${missing.length} answered exchanges have no entry, such as ${missing[0]}`]),
    ...(await checkSums(place, entries)),
  ]
}

/** A line begins with its checksum, the exchange id and the attempt. */
const LINE = /^\S+ \["([^"]+)",(\d+),/gm

/** Every line of every journal file. One that is torn at the end of its file was never acknowledged, and is nothing wrong. */
function readJournal(state: string): { readonly keys: readonly string[]; readonly wrong: readonly string[] } {
  const files = readdirSync(state, { recursive: true, encoding: 'utf8' }).map((name) => join(state, name))
  const segments = files
    .filter((name) => /journal-\d+\.log$/.test(name))
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
  const unread = segments.filter(({ text }) => text.includes('\n') && text.search(LINE) < 0)
  return {
    keys: segments.flatMap(({ text }) => [...text.matchAll(LINE)].map(([, id, attempt]) => `${id} ${attempt}`)),
    wrong: [
      ...unread.map(({ path }) => `no line of ${path} begins as an entry does`),
      ...files.filter((name) => name.endsWith('.bad')).map((name) => `${name} keeps lines that are no entries`),
      ...segments.flatMap(({ path }) =>
        [...readSegment(path, 0)].flatMap((item) =>
          item.kind === 'corrupt' ? [`${path} has a corrupt line before ${item.end}`] : [],
        ),
      ),
    ],
  }
}

async function checkSums(place: LedgerPlace, entries: readonly AdminEntry[]): Promise<string[]> {
  const nano = entries.reduce((sum, entry) => sum + BigInt(Number(entry['nanoUsd'] ?? 0)), 0n)
  const checks = ['', 'session', 'team,target'].map(async (by) => {
    const rows = await readUsage(place, by)
    const calls = rows.reduce((sum, row) => sum + row.calls, 0)
    // The entries were read a moment before, and others may have come since.
    const isRight = calls >= entries.length && (calls > entries.length || sumOf(rows) === nano)
    return isRight
      ? []
      : [`usage by "${by}" sums up ${calls} calls and ${sumOf(rows)} nano-dollars, entries ${entries.length} and ${nano}`]
  })
  return (await Promise.all(checks)).flat()
}

function sumOf(rows: readonly AdminUsage[]): bigint {
  return rows.reduce((sum, { nanoUsd }) => sum + BigInt(nanoUsd ?? 0), 0n)
}

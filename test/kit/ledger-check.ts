import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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
const LINE = /^\S{8} \["([^"]+)",(\d+),/

/**
 * Every line of every journal file. That the gateway tells of each is the proof that it decodes. One that is torn at the end of its file
 * was never acknowledged, and is nothing wrong.
 */
function readJournal(state: string): { readonly keys: readonly string[]; readonly wrong: readonly string[] } {
  const files = readdirSync(state, { recursive: true, encoding: 'utf8' }).map((name) => join(state, name))
  const lines = files
    .filter((path) => /journal-\d+\.log$/.test(path))
    .flatMap((path) => {
      const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1)
      return whole.filter((text) => text !== '').map((text) => ({ path, found: LINE.exec(text) }))
    })
  return {
    keys: lines.flatMap(({ found }) => (found === null ? [] : [`${found[1]} ${found[2]}`])),
    wrong: [
      ...files.filter((name) => name.endsWith('.bad')).map((name) => `${name} keeps lines that are no entries`),
      ...lines.flatMap(({ path, found }) => (found === null ? [`${path} has a corrupt line`] : [])),
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

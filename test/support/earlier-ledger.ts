import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import type { Entry } from '../../src/core/entry.ts'
import { columnOf, ENTRY_FIELDS } from '../../src/metering/entry-fields.ts'
import { LEDGER_STEPS } from '../../src/metering/ledger-schema.ts'

/** A journal line as earlier versions wrote it: a checksum and one array of all fields. */
export function earlierLine(entry: Entry): string {
  const json = JSON.stringify(ENTRY_FIELDS.map((field) => entry[field]))
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
}

/** A ledger database as earlier versions left it: one table of all fields. */
export function writeEarlierDatabase(path: string, entries: readonly Entry[], position = { segment: 1, offset: 0 }): void {
  const database = new DatabaseSync(path)
  for (const step of LEDGER_STEPS.slice(0, 2)) database.exec(step)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA user_version = 2')
  const columns = ENTRY_FIELDS.map(columnOf)
  const insert = database.prepare(`INSERT INTO entry (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)
  for (const entry of entries) insert.run(...ENTRY_FIELDS.map((field) => entry[field]))
  database.prepare('UPDATE journal_position SET segment = ?, "offset" = ?').run(position.segment, position.offset)
  database.close()
}

/** The state folder of a gateway of an earlier version that was killed: these entries in its index, those in its journal. */
export function writeEarlierLedger(stateFolder: string, indexed: readonly Entry[], waiting: readonly Entry[]): void {
  const directory = join(stateFolder, 'ledger')
  mkdirSync(directory, { recursive: true })
  const lines = [...indexed, ...waiting].map(earlierLine)
  const offset = Buffer.byteLength(lines.slice(0, indexed.length).join(''))
  writeEarlierDatabase(join(directory, 'ledger.db'), indexed, { segment: 3, offset })
  writeFileSync(join(directory, 'journal-3.log'), lines.join(''))
}

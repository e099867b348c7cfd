import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import { migrate, openSqlite, schemaVersion, sqliteDialect } from '../store/sqlite.ts'
import type { Ledger } from './contract.ts'
import { columnOf, ENTRY_FIELDS } from './entry-fields.ts'
import { plainCells } from './journal-line.ts'
import { listLanes } from './lanes.ts'
import { listSegments, readSegment, segmentPath } from './journal-reader.ts'
import { readPosition } from './ledger-index.ts'
import { LEDGER_STEPS } from './ledger-schema.ts'
import { type LedgerDatabase, queryEntries, queryUsage } from './usage-query.ts'

/**
 * Answers questions from the files of a ledger without writing to them: the index as it is, plus the part of the journal that is not in it
 * yet, which is read into a temporary table. For a gateway that is not running; beside a running one it may be a moment behind.
 */
export async function readLedgerFiles<T>(
  stateFolder: string,
  ask: (ledger: Pick<Ledger, 'query' | 'entries'>) => Promise<T>,
): Promise<T> {
  const directory = join(stateFolder, 'ledger')
  if (!existsSync(directory)) throw new Error(`${directory}: there is no ledger; a gateway makes it when it first starts`)
  const database = openIndex(join(directory, 'ledger.db'))
  try {
    readTail(database, directory)
    const kysely = new Kysely<LedgerDatabase>({ dialect: sqliteDialect(database) })
    return await ask({ query: (query) => queryUsage(kysely, query), entries: (query) => queryEntries(kysely, query) })
  } finally {
    database.close()
  }
}

function openIndex(path: string): DatabaseSync {
  const database = existsSync(path) ? openSqlite(path, { readOnly: true }) : undefined
  const version = database === undefined ? 0 : schemaVersion(database)
  if (database !== undefined && version === LEDGER_STEPS.length) return database
  database?.close()
  if (version === 0) return openEmpty()
  throw new Error(
    `${path} has schema ${version}, this program reads ${LEDGER_STEPS.length}; ${version < LEDGER_STEPS.length ? 'start the gateway once' : 'use the newer program'}`,
  )
}

/** The index of a ledger whose thread has not come to make one: everything is in the journal. */
function openEmpty(): DatabaseSync {
  const database = openSqlite(':memory:')
  migrate(database, LEDGER_STEPS)
  return database
}

const INSERT_PLAIN = `INSERT OR IGNORE INTO entry (${ENTRY_FIELDS.map(columnOf).join(', ')}) VALUES (${ENTRY_FIELDS.map(() => '?').join(', ')})`

/** Names in the temporary schema come first: the view `entry` stands before the table, and the insert of a row meets the temporary table. */
function readTail(database: DatabaseSync, directory: string): void {
  const position = readPosition(database)
  database.exec(
    'CREATE TEMP TABLE entry AS SELECT * FROM main.entry WHERE 0; CREATE UNIQUE INDEX temp.tail_key ON entry (at, id, attempt)',
  )
  const insert = database.prepare(INSERT_PLAIN)
  const insertAll = (path: string, from: number): void => {
    for (const line of readSegment(path, from).flatMap((piece) => piece.lines)) {
      const cells = plainCells(line)
      if (cells !== undefined) insert.run(...cells)
    }
  }
  for (const segment of listSegments(directory)) {
    if (segment < position.segment) continue
    const from = segment === position.segment ? position.offset : 0
    insertAll(segmentPath(directory, segment), from)
  }
  for (const lane of listLanes(directory)) for (const segment of listSegments(lane)) insertAll(segmentPath(lane, segment), 0)
  database.exec(`ALTER TABLE temp.entry RENAME TO tail;
    CREATE TEMP VIEW entry AS
      SELECT * FROM main.entry
      UNION ALL
      SELECT * FROM tail WHERE NOT EXISTS (SELECT 1 FROM main.entry AS known WHERE known.at = tail.at AND known.id = tail.id AND known.attempt = tail.attempt)`)
}

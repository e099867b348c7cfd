import { existsSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import type { Entry } from '../core/entry.ts'
import { inTransaction, migrate, openSqlite, schemaVersion, sqliteDialect } from '../store/sqlite.ts'
import type { EntryQuery, UsageQuery, UsageRow } from './contract.ts'
import type { Cell } from './journal-line.ts'
import type { JournalPosition } from './journal-reader.ts'
import { ENTRY_COLUMNS, LEDGER_STEPS } from './ledger-schema.ts'
import { type LedgerDatabase, queryEntries, queryUsage } from './usage-query.ts'

/** The statement that adds one row of cells. */
export const INSERT_ENTRY = `INSERT INTO entry (${ENTRY_COLUMNS.join(', ')}) VALUES (${ENTRY_COLUMNS.map(() => '?').join(', ')})
  ON CONFLICT (at, id, attempt) DO NOTHING`

/** SQLite result codes that mean the row itself is wrong: CONSTRAINT and MISMATCH. */
const ROW_FAULTS: readonly number[] = [19, 20]

/** The entries of the journal in a form that answers questions. One writer. */
export class LedgerIndex {
  readonly #database: DatabaseSync
  readonly #kysely: Kysely<LedgerDatabase>
  readonly #insert: StatementSync
  readonly #move: StatementSync

  /** Opens the database; `check` reads all of it first, for a database whose disk has failed before. */
  constructor(path: string, options: { readonly check?: boolean } = {}) {
    this.#database = openSqlite(path)
    try {
      if (options.check) assertSound(this.#database, path)
      migrate(this.#database, LEDGER_STEPS)
      this.#insert = this.#database.prepare(INSERT_ENTRY)
      this.#move = this.#database.prepare('UPDATE journal_position SET segment = ?, "offset" = ?')
    } catch (error) {
      this.#database.close()
      throw error
    }
    this.#kysely = new Kysely<LedgerDatabase>({ dialect: sqliteDialect(this.#database) })
  }

  /** How far the journal has been read. */
  position(): JournalPosition {
    return readPosition(this.#database)
  }

  /** Adds rows and moves the position, both or neither. Returns the rows no table can hold; known rows are left as they are. */
  apply(rows: readonly (readonly Cell[])[], position: JournalPosition): (readonly Cell[])[] {
    return inTransaction(this.#database, () => {
      const refused = rows.filter((row) => !insertRow(this.#insert, row))
      this.#move.run(position.segment, position.offset)
      return refused
    })
  }

  usage(query: UsageQuery): Promise<UsageRow[]> {
    return queryUsage(this.#kysely, query)
  }

  entries(query: EntryQuery): Promise<Entry[]> {
    return queryEntries(this.#kysely, query)
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }
}

/** Throws when the database cannot be used by this program. */
export function assertUsable(path: string): void {
  if (!existsSync(path)) return
  const version = versionOf(path)
  if (version > LEDGER_STEPS.length)
    throw new Error(`${path} has schema ${version}, newer than the ${LEDGER_STEPS.length} of this program; use the newer one`)
}

function versionOf(path: string): number {
  try {
    const database = openSqlite(path, { readOnly: true })
    try {
      return schemaVersion(database)
    } finally {
      database.close()
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable'
    throw new Error(`${path} cannot be opened (${reason}); move it away to begin with an empty one`, { cause: error })
  }
}

/** Inserts one row; false when the row itself is at fault. */
export function insertRow(statement: StatementSync, row: readonly Cell[]): boolean {
  try {
    statement.run(...row)
    return true
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && ROW_FAULTS.includes(Number(error.errcode) & 0xff)) return false
    throw error
  }
}

/** How far the journal has been read into this database. */
export function readPosition(database: DatabaseSync): JournalPosition {
  const row = database.prepare('SELECT segment, "offset" FROM journal_position').get()
  return { segment: Number(row?.['segment'] ?? 1), offset: Number(row?.['offset'] ?? 0) }
}

function assertSound(database: DatabaseSync, path: string): void {
  const verdict = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
  if (verdict !== 'ok')
    throw new Error(`${path} is damaged (${String(verdict)}); the journal beside it keeps what is not in it yet`)
}

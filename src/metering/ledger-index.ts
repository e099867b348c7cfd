import { existsSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import type { Entry } from '../core/entry.ts'
import { inTransaction, migrate, openSqlite, schemaVersion, sqliteDialect } from '../store/sqlite.ts'
import type { EntryQuery, UsageQuery, UsageRow } from './contract.ts'
import { IndexRows } from './index-rows.ts'
import type { LineParts } from './journal-line.ts'
import type { JournalPosition } from './journal-reader.ts'
import { LEDGER_STEPS } from './ledger-schema.ts'
import { type LedgerDatabase, queryEntries, queryUsage } from './usage-query.ts'

/** Rows are only ever appended, a few hundred at a time: larger pages are fewer writes. */
const PAGE_BYTES = 16_384

/** The entries of the journal in a form that answers questions. One writer. */
export class LedgerIndex {
  readonly #database: DatabaseSync
  readonly #kysely: Kysely<LedgerDatabase>
  readonly #rows: IndexRows
  readonly #move: StatementSync

  /** Opens the database; `check` reads all of it first, for a database whose disk has failed before. */
  constructor(path: string, options: { readonly check?: boolean } = {}) {
    this.#database = openSqlite(path, { pageBytes: PAGE_BYTES })
    try {
      if (options.check) assertSound(this.#database, path)
      migrate(this.#database, LEDGER_STEPS)
      this.#rows = new IndexRows(this.#database)
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

  /** Adds lines and moves the position, both or neither. Returns the lines no table can hold; known ones are left as they are. */
  apply(lines: readonly LineParts[], position: JournalPosition): LineParts[] {
    try {
      return inTransaction(this.#database, () => {
        const refused = lines.filter((line) => !this.#rows.insert(line))
        this.#move.run(position.segment, position.offset)
        return refused
      })
    } catch (error) {
      this.#rows.forget()
      throw error
    }
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

import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { SqliteDialect } from 'kysely'

/** How a database is opened. Integers are read as BigInt, so that sums of money stay exact. */
export interface SqliteOptions {
  readonly readOnly?: boolean
  /** How long to wait for another connection's lock. */
  readonly busyMs?: number
  /** Bytes of a page, for a database that is only now made. */
  readonly pageBytes?: number
}

/** Opens a SQLite database. A writer gets WAL and `synchronous=FULL`: a commit survives a power loss. */
export function openSqlite(path: string, options: SqliteOptions = {}): DatabaseSync {
  const readOnly = options.readOnly ?? false
  const database = new DatabaseSync(path, { readOnly, readBigInts: true, timeout: options.busyMs ?? 5_000 })
  if (options.pageBytes !== undefined) database.exec(`PRAGMA page_size = ${options.pageBytes}`)
  if (!readOnly) database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864')
  return database
}

/** Lets kysely speak to `node:sqlite`, whose statements do not say by themselves whether they return rows. */
export function sqliteDialect(database: DatabaseSync): SqliteDialect {
  return new SqliteDialect({
    database: {
      close: () => database.close(),
      prepare(sql) {
        const statement = database.prepare(sql)
        return {
          reader: statement.columns().length > 0,
          // kysely types parameters as unknown; ours come from typed queries, and node:sqlite refuses what it cannot bind.
          all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
          run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
          iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
        }
      },
    },
  })
}

/** Runs `work` in one transaction: all of it or nothing, also when the process is killed in the middle. */
export function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** The number of schema steps a database has taken. */
export function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
}

/** Brings a database to the newest schema. Each step commits together with its number, or leaves no trace. */
export function migrate(database: DatabaseSync, steps: readonly string[]): void {
  const version = schemaVersion(database)
  if (version > steps.length) {
    throw new Error(
      `the database has schema ${version}, newer than the ${steps.length} this program knows; use the newer program`,
    )
  }
  for (const [place, step] of steps.entries()) {
    if (place < version) continue
    inTransaction(database, () => {
      database.exec(step)
      database.exec(`PRAGMA user_version = ${place + 1}`)
    })
  }
}

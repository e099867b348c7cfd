import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { columnOf, PARTS } from './entry-fields.ts'
import { type LineParts, toCells, toList } from './journal-line.ts'

/** SQLite result codes that mean the row itself is wrong: CONSTRAINT and MISMATCH. */
const ROW_FAULTS: readonly number[] = [19, 20]
/** Callers choose some of what is kept, so it is bounded; what is forgotten gets a second row. */
const MAX_KNOWN = 10_000

/** Writes lines as rows. What it does is undone by `forget` when the transaction around it is undone. */
export class IndexRows {
  readonly #database: DatabaseSync
  readonly #callers: RepeatedRows
  readonly #courses: RepeatedRows
  /** By the number of facts, because nulls at the end are left out. */
  readonly #inserts: StatementSync[] = []

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#callers = new RepeatedRows(database, 'caller')
    this.#courses = new RepeatedRows(database, 'course')
  }

  /** Adds one row, or leaves the one that is known; false when the row itself is at fault. */
  insert({ facts, details, caller, course }: LineParts): boolean {
    if (facts.length > PARTS.facts.length) return false
    try {
      const callerNumber = this.#callers.numberOf(caller)
      const courseNumber = this.#courses.numberOf(course)
      if (callerNumber === undefined || courseNumber === undefined) return false
      const insert = (this.#inserts[facts.length] ??= this.#prepare(facts.length))
      insert.run(callerNumber, courseNumber, details, ...facts)
      return true
    } catch (error) {
      if (error instanceof Error && 'errcode' in error && ROW_FAULTS.includes(Number(error.errcode) & 0xff)) return false
      throw error
    }
  }

  forget(): void {
    this.#callers.forget()
    this.#courses.forget()
  }

  #prepare(count: number): StatementSync {
    const columns = ['caller', 'course', 'details', ...PARTS.facts.slice(0, count).map(columnOf)]
    return prepared(this.#database, 'entry_line', columns, 'ON CONFLICT (at, id, attempt) DO NOTHING')
  }
}

/** Rows that many entries point to, and the text they were made of. */
class RepeatedRows {
  readonly #database: DatabaseSync
  readonly #part: 'caller' | 'course'
  readonly #insert: StatementSync
  readonly #numbers = new Map<string, number>()
  #isLearned = false

  constructor(database: DatabaseSync, part: 'caller' | 'course') {
    this.#database = database
    this.#part = part
    this.#insert = prepared(database, `entry_${part}`, PARTS[part].map(columnOf))
  }

  /** Undefined when the text is no list. */
  numberOf(text: string): number | undefined {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    if (!this.#isLearned || this.#numbers.size >= 2 * MAX_KNOWN) return this.#learned(text)
    const cells = toCells(text)
    if (cells === undefined) return undefined
    const row = PARTS[this.#part].map((_field, place) => cells[place] ?? null)
    const number = Number(this.#insert.run(...row).lastInsertRowid)
    this.#numbers.set(text, number)
    return number
  }

  forget(): void {
    this.#isLearned = false
    this.#numbers.clear()
  }

  #learned(text: string): number | undefined {
    this.#learn()
    return this.numberOf(text)
  }

  /** The newest rows, so that a thread that starts again does not write them again. */
  #learn(): void {
    this.#isLearned = true
    this.#numbers.clear()
    const columns = PARTS[this.#part].map(columnOf)
    const rows = this.#database
      .prepare(`SELECT number, ${columns.join(', ')} FROM entry_${this.#part} ORDER BY number DESC LIMIT ${MAX_KNOWN}`)
      .all()
    for (const row of rows.toReversed()) {
      const text = toList(columns.map((column) => textOrNull(row[column])))
      this.#numbers.set(text, Number(row['number']))
    }
  }
}

function prepared(database: DatabaseSync, table: string, columns: readonly string[], rest = ''): StatementSync {
  const statement = database.prepare(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')}) ${rest}`,
  )
  statement.setReadBigInts(false)
  return statement
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

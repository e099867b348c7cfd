// The ledger: journal first, index behind. An entry is durable when its line stands in the journal (journal.ts); a thread of its own reads
// the journal into SQLite and answers questions (ledger-worker.ts). Nothing an exchange waits for touches the database.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from '../core/entry.ts'
import type { Report } from '../core/events.ts'
import { type FolderLock, lockFolder } from '../store/folder-lock.ts'
import type { EntryQuery, Ledger, UsageQuery, UsageRow } from './contract.ts'
import { Journal, unavailable } from './journal.ts'
import { DISK, type JournalFiles } from './journal-files.ts'
import { encodeEntry } from './journal-line.ts'
import { listSegments, segmentPath } from './journal-reader.ts'
import { LedgerClient } from './ledger-client.ts'
import { assertUsable } from './ledger-index.ts'

/** How a ledger is opened. `now` is monotonic milliseconds; files and bounds are for tests and large machines. */
export interface LedgerOptions {
  /** The state folder; the ledger lives in `ledger/` inside. */
  readonly directory: string
  readonly durability: 'process' | 'strict'
  readonly report: Report
  readonly now: () => number
  readonly files?: JournalFiles
  readonly segmentBytes?: number
  readonly queueBytes?: number
  /** While the disk refuses entries, this many bytes of them wait in memory and count as recorded. Default: 0, none. */
  readonly spillBytes?: number
  readonly waitMs?: number
  readonly retryMs?: number
  /** Bytes of journal that may wait for the index; past it no work is begun. */
  readonly backlogBytes?: number
}

/** How the ledger is doing, for metrics and readiness. */
export interface LedgerStatus {
  readonly writable: boolean
  /** Why it is not writable, or that entries wait in memory for their disk. */
  readonly reason?: string
  /** Bytes of entries in memory, not yet durable. */
  readonly queuedBytes: number
  /** Of these: recorded, and lost if the process ends before the disk is back. */
  readonly spilledBytes: number
  /** Bytes of journal that are durable and not yet indexed. */
  readonly backlogBytes: number
  /** While the index is behind: for how long it has not moved, in milliseconds. */
  readonly lagMs: number
  /** Lines that were no entries and were kept aside. */
  readonly corruptLines: number
}

/** The ledger of one process, in one folder. */
export interface JournalLedger extends Ledger {
  status(): LedgerStatus
  /** Takes lines of the journal that another worker made; resolves as `record` does. */
  recordLines(lines: string): Promise<void>
}

/** Opens the ledger of a state folder for this process alone; throws when another process has it. */
export async function createLedger(options: LedgerOptions): Promise<JournalLedger> {
  const directory = join(options.directory, 'ledger')
  let lock: FolderLock | undefined
  try {
    lock = lockFolder(directory, process.pid)
    assertUsable(join(directory, 'ledger.db'))
    return new OpenLedger(options, directory, lock)
  } catch (error) {
    lock?.release()
    throw error
  }
}

class OpenLedger implements JournalLedger {
  readonly #journal: Journal
  readonly #client: LedgerClient
  readonly #lock: FolderLock
  readonly #backlogLimit: number

  constructor(options: LedgerOptions, directory: string, lock: FolderLock) {
    this.#lock = lock
    this.#backlogLimit = options.backlogBytes ?? 1_073_741_824
    // Never write into a segment of an earlier process: its last line may be torn.
    const left = listSegments(directory)
    const first = Math.max(0, ...left) + 1
    const backlogBytes = left.reduce((sum, segment) => sum + statSync(segmentPath(directory, segment)).size, 0)
    const client = new LedgerClient({ directory, first, backlogBytes, report: options.report, now: options.now })
    this.#client = client
    this.#journal = new Journal({
      directory,
      first,
      durability: options.durability,
      files: options.files ?? DISK,
      monotonic: options.now,
      onWritten: (end, bytes) => client.written(end, bytes),
      onFailure: (error) => options.report({ type: 'ledger-unavailable', reason: error.message }),
      ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
      ...(options.queueBytes === undefined ? {} : { queueBytes: options.queueBytes }),
      ...(options.spillBytes === undefined ? {} : { spillBytes: options.spillBytes }),
      ...(options.waitMs === undefined ? {} : { waitMs: options.waitMs }),
      ...(options.retryMs === undefined ? {} : { retryMs: options.retryMs }),
    })
  }

  record(entry: Entry): Promise<void> {
    return this.#journal.append(encodeEntry(entry))
  }

  recordLines(lines: string): Promise<void> {
    return this.#journal.append(lines)
  }

  assertWritable(): void {
    if (this.#journal.refusal !== undefined) throw this.#journal.refusal
    if (this.#client.backlogBytes > this.#backlogLimit) throw unavailable('the index of the ledger is too far behind its journal')
  }

  query(query: UsageQuery): Promise<readonly UsageRow[]> {
    this.#journal.flush()
    return this.#client.usage(query)
  }

  entries(query: EntryQuery): Promise<readonly Entry[]> {
    this.#journal.flush()
    return this.#client.entries(query)
  }

  status(): LedgerStatus {
    const { failure, refusal, queuedBytes, spilledBytes } = this.#journal
    const { backlogBytes, lagMs, corruptLines } = this.#client
    const isBehind = backlogBytes > this.#backlogLimit
    const waits = refusal === undefined ? '; entries wait in memory' : ''
    const behind = isBehind ? 'the index of the ledger is too far behind its journal' : undefined
    const reason = failure === undefined ? behind : `${failure.message}${waits}`
    return {
      writable: refusal === undefined && !isBehind,
      ...(reason === undefined ? {} : { reason }),
      queuedBytes,
      spilledBytes,
      backlogBytes,
      lagMs,
      corruptLines,
    }
  }

  async close(): Promise<void> {
    await this.#journal.close()
    await this.#client.close()
    this.#lock.release()
  }
}

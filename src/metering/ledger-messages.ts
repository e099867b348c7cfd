import type { Entry } from '../core/entry.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { EntryQuery, UsageQuery, UsageRow } from './contract.ts'
import type { JournalPosition } from './journal-reader.ts'

/** What the ledger's thread is started with. */
export interface LedgerWorkerData {
  readonly directory: string
  /** The first segment this process writes; given until the thread has read from it. */
  readonly first?: number
  /** Reads the whole database first; after a thread before this one ended by a failure. */
  readonly check: boolean
}

/** A question for the index. */
export type LedgerQuestion =
  | { readonly kind: 'usage'; readonly query: UsageQuery }
  | { readonly kind: 'entries'; readonly query: EntryQuery }

/** From the gateway to the ledger's thread. `end` is how far the journal is written; a question is answered from there on. */
export type ToLedgerWorker =
  | { readonly type: 'written'; readonly end: JournalPosition }
  | { readonly type: 'ask'; readonly id: number; readonly end: JournalPosition; readonly question: LedgerQuestion }
  | { readonly type: 'close'; readonly end: JournalPosition }

/** From the ledger's thread to the gateway. */
export type FromLedgerWorker =
  | { readonly type: 'indexed'; readonly position: JournalPosition; readonly bytes: number; readonly kept: number }
  | { readonly type: 'trouble'; readonly message: string }
  | { readonly type: 'answer'; readonly id: number; readonly usage?: readonly UsageRow[]; readonly entries?: readonly Entry[] }
  | { readonly type: 'refused'; readonly id: number; readonly code: ErrorCode; readonly message: string }

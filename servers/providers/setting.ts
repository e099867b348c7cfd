import type { Script } from './behaviour.ts'
import type { BillBook } from './bill.ts'
import type { Journal } from './journal.ts'

/** How the fake providers behave before any script. */
export interface ProviderOptions {
  readonly port?: number
  /** Seeds jitter and words. */
  readonly seed?: number
  /** Refuse OpenAI paths without a key too; other vendors always want theirs. */
  readonly requireKey?: boolean
  /** The secret of the static AWS key: signatures are then verified, not only looked at. */
  readonly awsSecret?: string
}

/** What every answer is made with. */
export interface Setting {
  readonly options: ProviderOptions
  readonly script: Script
  readonly journal: Journal
  readonly book: BillBook
}

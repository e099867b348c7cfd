import type { Decision } from '../core/decision.ts'
import type { Entry, EntryStatus } from '../core/entry.ts'
import type { JsonObject } from '../core/json.ts'
import type { TextLens } from '../core/text-lens.ts'
import type { Usage } from '../core/usage.ts'

/** One attempt at a provider, for its ledger entry and its price. */
export interface AttemptFacts {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly provider: string
  /** The provider's name of the model that was asked. */
  readonly model: string
  /** Name to look up in the price table. */
  readonly priceAs: string
  readonly region: string | undefined
  readonly reportedModel: string | undefined
  readonly serviceTier: string | undefined
  readonly stream: boolean
  /** Milliseconds from the request to the first content that went to the caller; undefined when there was none. */
  readonly firstTokenMs: number | undefined
  readonly upstreamMs: number
  readonly bytes: number
  /** Undefined when the provider cannot have worked: it was not reached, or refused. */
  readonly usage: Usage | undefined
  readonly dropped: readonly string[]
  /** JSON of what routing considered; on the last attempt of an exchange only. */
  readonly routing: string | undefined
}

/** What one governed answer says of itself, for the guard and the ledger. */
export interface AnswerFacts {
  readonly status: Exclude<EntryStatus, 'denied' | 'limited' | 'retried'>
  /** JSON-RPC code of an upstream error, as text; `invalid_params` when the gateway answered that in the upstream's place; else a code of core/errors.ts. */
  readonly error?: string
  readonly bytes: number
  /** The attempt that answered; model calls only. */
  readonly attempt?: AttemptFacts
}

/** What a call may take at most, for reservations. */
export interface Estimate {
  /** Tokens in and out. */
  readonly tokens: number
  /** Integer nano-dollars; null when the price is not known. */
  readonly nanoUsd: number | null
}

/** What a guard says to a piece of a streamed answer: the words that may go out now, or that nothing more may. */
export type StreamJudgement =
  | { readonly kind: 'pass'; readonly text: string }
  | { readonly kind: 'block'; readonly reason: string }

/** Judges an answer while it streams. Holds back a bounded tail of each channel; what it blocks was never handed out. */
export interface StreamGuard {
  /** More words of a channel (a part of the answer). `pass` carries what is judged so far, perhaps redacted, perhaps nothing yet. */
  push(channel: number, text: string): Promise<StreamJudgement>
  /** The channel is complete: `pass` carries all that was held. */
  end(channel: number): Promise<StreamJudgement>
  /** A whole tool call a model proposes. `pass` carries the arguments to hand out. */
  call(name: string, args: string): Promise<StreamJudgement>
}

/** What the road lends to a facet while it opens the upstream. */
export interface Road {
  /** Records an attempt that failed and that another one follows. */
  retried(attempt: AttemptFacts, error: string): void
  /** Names the last attempt before `open` throws, so that its entry has it. */
  attempted(attempt: AttemptFacts): void
  /** For an answer that is sent while it arrives; undefined when no guard looks at answers or calls. */
  guardStream(): StreamGuard | undefined
}

/** One exchange as its facet describes it. A facet never decides, meters or judges: govern does, through these. */
export interface FacetCall<Answer> {
  readonly kind: Entry['kind']
  /** The name the caller asked for. */
  readonly target: string
  /** Asks policy; called once, before anything else. */
  decide(): Decision
  /** The arguments the upstream gets, for their digest. */
  readonly args?: JsonObject | undefined
  /** What the call may take at most; absent: one call at the price of its item. */
  estimate?(decision: Decision): Estimate
  /** Where the words of the request are. */
  requestText(): TextLens
  /**
   * Opens the upstream and sees its answer to the end. Called at most once, and only when everything before said yes. A streamed answer goes to the
   * caller meanwhile, all but its last frame; failing after the first byte is an answer with status `cut`, not an error.
   */
  open(decision: Decision, road: Road): Promise<Answer> | Answer
  facts(answer: Answer): AnswerFacts
  /** Where the words of the answer are; absent when they were judged on their way (a stream). */
  responseText?(answer: Answer): TextLens | undefined
  /** Tool calls a model proposes in a whole answer, to be judged one by one: a lens with the parts `name` and `arguments`. */
  proposedCalls?(answer: Answer): readonly { readonly lens: TextLens }[]
  /** What to throw when policy says no: unknown and forbidden must look the same. */
  refusal(decision: Decision): Error
  /** Hears how full the counters of this caller are, for `x-ratelimit-*`. */
  admitted?(gauges: readonly Gauge[]): void
}

/** How full one counter is after admission. */
export interface Gauge {
  readonly kind: 'requests' | 'tokens'
  readonly limit: number
  readonly remaining: number
  readonly resetMs: number
}

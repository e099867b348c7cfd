import type { TextPart } from '../core/text-lens.ts'
import type { Hook, Verdict } from './guard.ts'

/** What an evaluator judges: all words of a message, or a window of a channel of a streamed answer. */
export interface Words {
  readonly hook: Hook
  readonly parts: readonly TextPart[]
  /** Where judging begins in each part; what stands before is context that was judged already. 0 except in a window. */
  readonly from: number
  /** Whether the parts end here. In a window more may follow: what ends with it may turn out otherwise. */
  readonly isEnd: boolean
  /** Characters of the same answer that came before `parts`; 0 except in a window. */
  readonly earlier: number
  /** Set at hook `call`: the tool by its original name, and its arguments; those that are not strict JSON are absent. */
  readonly call?: { readonly name: string; readonly args?: unknown }
}

/** Follows a finding that is longer than what is held: how many of these further characters belong to it. Fewer than all: it is over. */
export type Rest = (text: string) => number

/** A piece of a part that an evaluator found something in. */
export interface Finding {
  /** Index into the parts. */
  readonly part: number
  readonly start: number
  readonly end: number
  /** What was found, never the words themselves. */
  readonly label: string
  /** How it goes on past the end of a window, given its words so far. */
  rest?(seen: string): Rest
}

/** What an evaluator says. Findings may come with any action but allow. */
export interface Opinion {
  readonly action: Verdict['action']
  readonly score?: number
  readonly reason?: string
  readonly findings?: readonly Finding[]
}

/** What an evaluator is by its type, whatever is said of its mode. Pure or with borrowed effects; it never sees the protocol and never changes anything. */
export interface Judge {
  readonly name: string
  readonly version: string
  /** Where it can judge. */
  readonly hooks: readonly Hook[]
  /** Ids of the FINOS AI Governance Framework that its findings map to. */
  readonly finos: readonly string[]
  /** What stands where something was redacted. */
  readonly replacement: string
  /** Whether it acts on pieces of words, so that some of a stream must be held until they are judged. */
  readonly holds: boolean
  /** Words it must act on, to prove that it is live; absent where none can be made. */
  readonly canary?: Partial<Words>
  /** `deadline` gives a signal that ends with the exchange or when it is too late; asking for it starts a timer. */
  inspect(words: Words, deadline: () => AbortSignal): Opinion | Promise<Opinion>
}

/** A judge as it is set up. */
export interface Evaluator extends Judge {
  /** `shadow` judges and reports, but its word changes nothing. */
  readonly mode: 'enforce' | 'shadow'
  /** Milliseconds after which one that answers later counts as failed. One that answers at once is never late. */
  readonly deadlineMs: number
  /** What a failed evaluator means: the message passes, or it is blocked. */
  readonly onFailure: 'open' | 'closed'
}

/** The opinion that nothing is wrong. */
export const ALLOW: Opinion = { action: 'allow' }

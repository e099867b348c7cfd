import type { TextLens } from '../core/text-lens.ts'

/** The points at which words are judged; the same for every facet. */
export type Hook = 'request' | 'response' | 'definition' | 'call'

/** A piece of a part of a message. */
export interface Span {
  readonly path: string
  readonly start: number
  readonly end: number
}

/** What one evaluator said about one message. */
export interface Verdict {
  readonly action: 'allow' | 'flag' | 'redact' | 'ask' | 'block'
  /** Where it was said. */
  readonly hook?: Hook
  readonly evaluator: string
  readonly version: string
  readonly score?: number
  readonly reason?: string
  /** Where findings stand: the part, from, up to and without. At most 32 of them; absent for an answer that was judged while it streamed. */
  readonly spans?: readonly Span[]
  /** Ids of the FINOS AI Governance Framework that the finding maps to. */
  readonly finos: readonly string[]
  readonly ms: number
}

/** What a guard says to a piece of a streamed answer: the words that may go out now, or that nothing more may. */
export type StreamJudgement =
  | { readonly kind: 'pass'; readonly text: string }
  | { readonly kind: 'block'; readonly reason: string }

/** Judges one answer while it streams; see StreamGuard in pipeline/facet.ts. */
export interface GuardStream {
  push(channel: number, text: string): Promise<StreamJudgement>
  end(channel: number): Promise<StreamJudgement>
  call(name: string, args: string): Promise<StreamJudgement>
  /** What was said so far, other than allow. */
  verdicts(): readonly Verdict[]
}

/** Judges the words of a message. An evaluator that fails or is late counts as its own fail mode says. */
export interface Guard {
  /** Whether anything listens at a hook, so that no lens is built for nothing. */
  active(hook: Hook): boolean
  inspect(hook: Hook, lens: TextLens, signal: AbortSignal): Promise<readonly Verdict[]>
  openStream(signal: AbortSignal): GuardStream
}

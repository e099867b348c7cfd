import type { ModelTarget } from '../../core/snapshot.ts'
import type { Usage } from '../../core/usage.ts'
import type { AttemptFacts } from '../../pipeline/facet.ts'
import type { LlmDeps, TargetAttempt } from '../contract.ts'
import type { Failure } from '../middle.ts'
import type { Attempt, AttemptEnd } from './attempt.ts'
import { estimateUsage } from './estimate.ts'
import type { Prepared } from './prepare.ts'
import type { ModelVisit } from './visit.ts'
import type { WholeAnswer } from './whole.ts'

/** One attempt at one target. */
export interface Turn {
  readonly target: ModelTarget
  readonly prepared: Prepared
  readonly outcome: TargetAttempt
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Monotonic milliseconds. */
  readonly startedAt: number
  readonly attempt: Attempt
}

/** Tells the target how it did: one classifier for whole and streamed answers. */
export function reportOutcome({ attempt, outcome }: Turn, end: AttemptEnd): void {
  const firstMs = attempt.firstContentMs ?? 0
  if (end.kind === 'whole' || (end.kind === 'streamed' && end.end.kind === 'complete')) outcome.succeeded(firstMs)
  else if (end.kind === 'streamed' && end.end.kind === 'cut' && end.end.by === undefined) outcome.failed(end.end.failure)
  else outcome.neutral()
}

/**
 * What an attempt used: the provider's word; after a cut or a hang-up its last word, as far as it goes; else a count of ours. Undefined when the
 * provider cannot have worked.
 */
export async function usageOfStream(
  deps: LlmDeps,
  visit: ModelVisit,
  { attempt }: Turn,
  isComplete: boolean,
): Promise<Usage | undefined> {
  if (isFree(visit)) return undefined
  const seen = attempt.sink?.usage()
  if (seen?.usage !== undefined && isComplete) return seen.usage
  if (!attempt.sent) return undefined
  if (seen?.usage !== undefined && !seen.isProvisional) return { ...seen.usage, source: 'provider_partial' }
  const { frames, factor } = visit.delivery.sampled
  const countTokens = (text: string) => deps.countTokens(text)
  const guess = await estimateUsage({ countTokens, request: visit.request, frames, factor })
  if (seen?.usage === undefined) return guess
  // What went in was counted by the provider at the start; of what came out it had only begun to count.
  return { ...seen.usage, output: Math.max(seen.usage.output, guess.output), source: 'provider_partial' }
}

/** The same for a whole answer. */
export function usageOfWhole(
  deps: LlmDeps,
  visit: ModelVisit,
  whole: WholeAnswer,
): Usage | undefined | Promise<Usage | undefined> {
  if (isFree(visit)) return undefined
  if (whole.usage !== undefined) return whole.usage
  const countTokens = (text: string) => deps.countTokens(text)
  // The numbers of an embedding are no words, also where they are written as text.
  const frames = visit.request.door.operation === 'embeddings' ? [] : [JSON.stringify(whole.json)]
  return estimateUsage({ countTokens, request: visit.request, frames, factor: 1 })
}

/** Providers count for nothing. */
function isFree({ request }: ModelVisit): boolean {
  return request.door.operation === 'count_tokens'
}

/** A provider that took a request and fell silent may have worked on it: its input is counted. */
export async function usageOfFailure(deps: LlmDeps, visit: ModelVisit, turn: Turn, failure: Failure): Promise<Usage | undefined> {
  if (isFree(visit) || failure.kind !== 'timeout' || !turn.attempt.sent) return undefined
  const countTokens = (text: string) => deps.countTokens(text)
  return await estimateUsage({ countTokens, request: visit.request, frames: [], factor: 1 })
}

/** What is said of a turn beside what the turn itself knows. */
export interface TurnResult {
  readonly usage: Usage | undefined
  readonly bytes: number
  /** Milliseconds from sending to the end of the answer, before anything was counted. */
  readonly upstreamMs: number
  readonly reportedModel: string | undefined
  readonly serviceTier: string | undefined
  /** JSON of what routing considered; on the last attempt. */
  readonly routing: string | undefined
}

/** Everything the ledger is told of an attempt. */
export function factsOf(visit: ModelVisit, turn: Turn, result: TurnResult): AttemptFacts {
  const { target, attempt, prepared, startedAt } = turn
  const { firstContentMs } = attempt
  const { reportedModel, serviceTier } = result
  return {
    at: turn.at,
    provider: target.provider,
    model: target.model,
    priceAs: target.priceAs,
    region: target.region,
    reportedModel,
    serviceTier,
    stream: visit.request.stream,
    firstTokenMs: firstContentMs === undefined ? undefined : startedAt - visit.exchange.startedAt + firstContentMs,
    upstreamMs: result.upstreamMs,
    bytes: result.bytes,
    usage: result.usage,
    dropped: prepared.request.dropped,
    routing: result.routing,
  }
}

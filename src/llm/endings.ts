import { GatewayError } from '../core/errors.ts'
import type { AnswerFacts } from '../pipeline/facet.ts'
import type { ModelAnswer } from './run/run.ts'
import type { StreamEnd } from './run/sink.ts'

/** What is known of an answer beside the answer itself. */
export interface Ending {
  readonly answer: ModelAnswer
  /** Why the exchange was aborted, if it was: a GatewayError when the gateway did it. */
  readonly reason: unknown
  /** Whether something had gone to the caller. */
  readonly committed: boolean
}

/** What the guard and the ledger are told of an answer. */
export function answerFacts({ answer, reason, committed }: Ending): AnswerFacts {
  if (answer.kind === 'counted') return { status: 'ok', bytes: countBody(answer.inputTokens).length }
  const attempt = answer.facts
  const bytes = answer.kind === 'whole' ? (answer.whole.bytes?.length ?? attempt.bytes) : attempt.bytes
  if (answer.kind === 'abandoned') return { ...abandonedFacts(reason, committed), bytes, attempt }
  if (answer.kind === 'whole' || answer.end.kind === 'complete') return { status: 'ok', bytes, attempt }
  if (answer.end.kind === 'blocked') return { status: 'blocked', error: 'guard_blocked', bytes, attempt }
  const { by, failure } = answer.end
  const error = by === undefined ? `upstream_cut:${failure.kind}` : endError(answer.end).code
  return { status: committed ? 'cut' : 'error', error, bytes, attempt }
}

function abandonedFacts(reason: unknown, committed: boolean): Pick<AnswerFacts, 'status' | 'error'> {
  if (!(reason instanceof GatewayError)) return { status: 'abandoned', error: 'abandoned' }
  return { status: committed ? 'cut' : 'error', error: reason.code }
}

/** What the caller is told of a stream that did not reach its end. */
export function endError(end: Exclude<StreamEnd, { kind: 'complete' }>): GatewayError {
  if (end.kind === 'blocked') return new GatewayError('guard_blocked', `blocked: ${end.reason}`)
  if (end.by === 'guard') return new GatewayError('internal', 'the guard could not judge the answer')
  if (end.by === 'caller') return new GatewayError('request_timeout', 'the answer was not read in time')
  return new GatewayError('upstream_cut', 'the provider broke off in the middle of the answer')
}

/** The body of a count. */
export function countBody(inputTokens: number): string {
  return JSON.stringify({ input_tokens: inputTokens })
}

import type { TextLens } from '../core/text-lens.ts'
import type { Guard, Hook, Verdict } from './guard.ts'

/** One judge of words. Pure or with borrowed effects; it never sees the protocol. */
export interface Evaluator {
  readonly name: string
  readonly version: string
  readonly hooks: readonly Hook[]
  /** `shadow` judges and reports, but its word changes nothing. */
  readonly mode: 'enforce' | 'shadow'
  /** Milliseconds after which it counts as failed. */
  readonly deadlineMs: number
  /** What a failed evaluator means: the message passes, or it is blocked. */
  readonly onFailure: 'open' | 'closed'
  inspect(lens: TextLens, signal: AbortSignal): Promise<Omit<Verdict, 'evaluator' | 'version' | 'ms'>>
}

/** Runs evaluators in order and stops at the first block. An evaluator that throws or is late counts as its `onFailure` says. */
export function createGuard(evaluators: readonly Evaluator[], monotonic: () => number): Guard {
  return {
    active: (hook) => evaluators.some((evaluator) => evaluator.hooks.includes(hook)),
    async inspect(hook, lens, signal) {
      const verdicts: Verdict[] = []
      for (const evaluator of evaluators) {
        if (!evaluator.hooks.includes(hook)) continue
        const verdict = await judge(evaluator, { lens, signal, monotonic })
        verdicts.push(verdict)
        if (verdict.action === 'block') break
      }
      return verdicts
    },
  }
}

interface Hearing {
  readonly lens: TextLens
  readonly signal: AbortSignal
  readonly monotonic: () => number
}

async function judge(evaluator: Evaluator, { lens, signal, monotonic }: Hearing): Promise<Verdict> {
  const started = monotonic()
  const { name, version } = evaluator
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(evaluator.deadlineMs)])
  try {
    const opinion = await Promise.race([evaluator.inspect(lens, deadline), expired(deadline)])
    const action = evaluator.mode === 'shadow' && opinion.action !== 'allow' ? 'flag' : opinion.action
    return { ...opinion, action, evaluator: name, version, ms: monotonic() - started }
  } catch (error) {
    const action = evaluator.onFailure === 'closed' && evaluator.mode === 'enforce' ? 'block' : 'flag'
    const reason = `could not judge: ${error instanceof Error ? error.message : 'failed'}`
    return { action, reason, finos: [], evaluator: name, version, ms: monotonic() - started }
  }
}

function expired(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('it was not done in time')), { once: true })
  })
}

import type { Evaluator as EvaluatorConfig, Guard as GuardConfig } from '../config/guard.ts'
import { createGuard } from './chain.ts'
import type { Evaluator } from './evaluator.ts'
import { createEvaluator } from './evaluators/registry.ts'
import type { Guard } from './guard.ts'

/** Guards by name. */
export interface Guards {
  /** The guard made of these sets, in order; undefined when nothing in them judges. Throws for a set that does not exist. */
  of(names: readonly string[]): Guard | undefined
  /** The evaluators of each set that are not off. */
  readonly sets: ReadonlyMap<string, GuardSet>
}

/** One named set, ready to judge. */
export interface GuardSet {
  readonly evaluators: readonly Evaluator[]
  readonly holdBack: number
}

const SECRETS: EvaluatorConfig = {
  type: 'secrets',
  action: 'redact',
  mode: 'enforce',
  onFailure: 'closed',
  deadlineMs: 100,
}
/** What `baseline` is where nobody wrote it. */
const BASELINE: GuardConfig = { evaluators: [SECRETS], holdBack: 512 }

/** Makes the guards of a configuration. A reload makes new ones; exchanges under way keep theirs. */
export function createGuards(config: Readonly<Record<string, GuardConfig>>, deps: { monotonic(): number }): Guards {
  const sets = new Map(
    Object.entries({ baseline: BASELINE, ...config }).map(([name, { evaluators, holdBack }]): [string, GuardSet] => [
      name,
      { evaluators: evaluators.map(createEvaluator).filter((one) => one !== undefined), holdBack },
    ]),
  )
  const made = new Map<string, Guard | undefined>()
  return {
    sets,
    of(names) {
      const key = names.join(' ')
      if (!made.has(key)) made.set(key, guardOf(names, sets, deps.monotonic))
      return made.get(key)
    },
  }
}

function guardOf(names: readonly string[], sets: ReadonlyMap<string, GuardSet>, monotonic: () => number): Guard | undefined {
  const named = names.map((name) => {
    const set = sets.get(name)
    if (set === undefined) throw new Error(`there is no guard "${name}"`)
    return set
  })
  const evaluators = named.flatMap((set) => set.evaluators)
  if (evaluators.length === 0) return undefined
  return createGuard(evaluators, { monotonic, holdBack: Math.max(...named.map(({ holdBack }) => holdBack)) })
}

/** An evaluator that would never act. `fault` continues a sentence about it. */
export interface Inert {
  readonly guard: string
  /** Its place among the evaluators of its guard, those that are off counted too. */
  readonly index: number
  readonly fault: string
  readonly isEnforced: boolean
}

/** Runs a canary through each enforcing evaluator and names those that did not act, and all that can never be asked. */
export async function findInert(config: Readonly<Record<string, GuardConfig>>): Promise<readonly Inert[]> {
  const inert: Inert[] = []
  for (const [guard, { evaluators }] of Object.entries({ baseline: BASELINE, ...config })) {
    for (const [index, written] of evaluators.entries()) {
      const evaluator = createEvaluator(written)
      const fault = evaluator === undefined ? undefined : await faultOf(evaluator)
      if (fault !== undefined) inert.push({ guard, index, fault, isEnforced: written.mode === 'enforce' })
    }
  }
  return inert
}

async function faultOf({ hooks, mode, canary, inspect }: Evaluator): Promise<string | undefined> {
  const [hook] = hooks
  if (hook === undefined) return 'is never asked: it cannot judge at its hooks'
  if (mode !== 'enforce' || canary === undefined) return undefined
  const words = { hook, parts: [], from: 0, isEnd: true, earlier: 0, ...canary }
  try {
    const { action } = await inspect(words, () => AbortSignal.timeout(60_000))
    return action === 'allow' ? 'does not act on what it is for; it would protect nothing' : undefined
  } catch (error) {
    return `failed: ${error instanceof Error ? error.message : 'unknown'}`
  }
}

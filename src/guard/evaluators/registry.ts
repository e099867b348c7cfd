import type { Evaluator as EvaluatorConfig } from '../../config/guard.ts'
import type { Evaluator, Judge } from '../evaluator.ts'
import { length } from './length.ts'
import { pattern } from './pattern.ts'
import { secrets } from './secrets.ts'
import { toolCalls } from './tool-calls.ts'

type Factories = {
  readonly [Type in EvaluatorConfig['type']]: (config: Extract<EvaluatorConfig, { type: Type }>) => Judge
}

const FACTORIES: Factories = { pattern, secrets, length, tool_calls: toolCalls }

/** Makes an evaluator; undefined for one that is off. Throws where a pattern or condition does not compile. */
export function createEvaluator(config: EvaluatorConfig): Evaluator | undefined {
  const { mode, deadlineMs, onFailure } = config
  if (mode === 'off') return undefined
  const judge = judgeOf(config)
  const hooks = config.hooks === undefined ? judge.hooks : judge.hooks.filter((hook) => config.hooks?.some((one) => one === hook))
  return { ...judge, hooks, mode, deadlineMs, onFailure }
}

function judgeOf(config: EvaluatorConfig): Judge {
  const create = FACTORIES[config.type] as (options: EvaluatorConfig) => Judge
  return create(config)
}

import type { Evaluator as Config } from '../../config/guard.ts'
import { compileCondition } from '../../lib/condition.ts'
import { compileGlob } from '../../lib/glob.ts'
import { ALLOW, type Judge, type Words } from '../evaluator.ts'

/** No clock is lent: conditions of calls may not name the time. */
const NO_TIME = new Date(0)

/** Blocks tool calls a model proposes, by the tool's original name or by a condition over name and arguments. */
export function toolCalls({ deny, when }: Extract<Config, { type: 'tool_calls' }>): Judge {
  const globs = deny.map(compileGlob)
  const condition = when === undefined ? undefined : compileCondition(when, ['tool', 'args'])
  const canary = canaryOf(deny, when)
  return {
    name: 'tool_calls',
    version: '1',
    hooks: ['call'],
    finos: ['MI-18', 'MI-19', 'RI-24', 'RI-25'],
    replacement: '',
    holds: false,
    ...(canary === undefined ? {} : { canary }),
    inspect({ call }) {
      if (call === undefined) return ALLOW
      if (globs.some((isDenied) => isDenied(call.name))) return { action: 'block', reason: 'this tool may not be called' }
      if (condition === undefined) return ALLOW
      if (call.args === undefined) throw new Error('the arguments are not strict JSON')
      const outcome = condition.evaluate({ principal: undefined, tool: { name: call.name }, args: call.args, time: NO_TIME })
      if (outcome.kind === 'true') return { action: 'block', reason: 'this tool may not be called with these arguments' }
      if (outcome.kind === 'false') return ALLOW
      throw new Error(outcome.kind === 'error' ? `the condition failed: ${outcome.message}` : 'the condition has no answer')
    },
  }
}

/** A call that must be stopped. A condition alone gives none away; without globs and condition nothing is ever stopped, which the check shows. */
function canaryOf(deny: readonly string[], when: string | undefined): Partial<Words> | undefined {
  if (deny.length === 0 && when !== undefined) return undefined
  const name = (deny[0] ?? 'tool').replaceAll('*', 'x')
  return { parts: [{ path: 'name', text: name }], call: { name, args: {} } }
}

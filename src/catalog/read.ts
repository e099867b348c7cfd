import type { Environment } from '../config/interpolate.ts'
import type { ConfigFiles, ExpressionUse } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { checkKnownFields, compileCondition, compileExpression, MODEL_VARIABLES } from '../lib/condition.ts'
import { checkEgressEntry } from '../lib/egress.ts'

/** Reads all files of the admin, with every expression compiled once to see whether it would. */
export function readConfig(configFile: string, env: Environment): Promise<ConfigFiles> {
  return loadConfig(configFile, { env, compile, checkEgress: checkEgressEntry })
}

const VARIABLES = {
  condition: ['principal', 'args', 'tool', 'time'],
  audience: ['principal', 'time'],
  model: MODEL_VARIABLES,
  call: ['tool', 'args'],
} as const

function compile(source: string, use: ExpressionUse): void {
  if (use === 'claim') return void compileExpression(source, ['claims'])
  compileCondition(source, VARIABLES[use])
  checkKnownFields(source, VARIABLES[use])
}

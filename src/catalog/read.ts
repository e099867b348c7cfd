import type { Environment } from '../config/interpolate.ts'
import type { ConfigFiles } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { checkPrincipalFields, compileCondition, compileExpression } from '../lib/condition.ts'
import { checkEgressEntry } from '../lib/egress.ts'

/** Reads all files of the admin, with every expression compiled once to see whether it would. */
export function readConfig(configFile: string, env: Environment): Promise<ConfigFiles> {
  return loadConfig(configFile, { env, compile, checkEgress: checkEgressEntry })
}

function compile(source: string, use: 'condition' | 'audience' | 'claim'): void {
  if (use === 'claim') return void compileExpression(source, ['claims'])
  const variables = use === 'audience' ? (['principal', 'time'] as const) : undefined
  compileCondition(source, variables)
  checkPrincipalFields(source, variables)
}

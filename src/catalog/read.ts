import type { Environment } from '../config/interpolate.ts'
import type { ConfigFiles } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { compileCondition, compileExpression } from '../lib/condition.ts'

/** Reads all files of the admin, with every expression compiled once to see whether it would. */
export function readConfig(configFile: string, env: Environment): Promise<ConfigFiles> {
  return loadConfig(configFile, { env, compile })
}

function compile(source: string, use: 'condition' | 'audience' | 'claim'): void {
  if (use === 'claim') compileExpression(source, ['claims'])
  else compileCondition(source, use === 'audience' ? ['principal', 'time'] : undefined)
}

import type { Guard as GuardConfig } from '../config/guard.ts'
import type { Guard } from './guard.ts'

/** Guards by name. */
export interface Guards {
  /** The guard made of these sets, in order; undefined when none of them exists. */
  of(names: readonly string[]): Guard | undefined
}

/** Makes the guards of a configuration. */
export function createGuards(_config: Readonly<Record<string, GuardConfig>>, _deps: { monotonic(): number }): Guards {
  return { of: () => undefined }
}

/** Runs a canary through each enforcing evaluator and names those that did not act. */
export async function selfCheck(_guards: Guards): Promise<readonly string[]> {
  return []
}

import type { Gateway } from '../config/gateway.ts'
import type { Report } from '../core/events.ts'
import type { Guard } from '../guard/guard.ts'
import { createGuards, type Guards, selfCheck } from '../guard/guards.ts'

/** The guards in force. */
export interface LiveGuards {
  /** The guard of a catalog that names these sets; undefined when none of them exists. */
  of(names: readonly string[]): Guard | undefined
  /** Takes new sets into use, and proves that each of them acts. */
  apply(config: Gateway['guards']): Promise<void>
}

/** Opens the guards; `apply` fills them. */
export function openGuards(report: Report): LiveGuards {
  const build = (config: Gateway['guards']): Guards => createGuards(config, { monotonic: () => performance.now() })
  let guards = build({})
  return {
    of: (names) => guards.of(names),
    async apply(config) {
      const next = build(config)
      const findings = await selfCheck(next)
      if (findings.length > 0) report({ type: 'guard-inert', findings })
      guards = next
    },
  }
}

import type { Gateway } from '../config/gateway.ts'
import type { ConfigFiles } from '../config/load.ts'
import { formatPath } from '../config/problem.ts'
import type { Report } from '../core/events.ts'
import type { Guard } from '../guard/guard.ts'
import { createGuards, findInert, type Inert } from '../guard/guards.ts'

/** The guards in force. */
export interface LiveGuards {
  /** The guard of a catalog that names these sets; undefined when nothing in them judges. */
  of(names: readonly string[]): Guard | undefined
  /** Takes new sets into use; throws when one that is to act does not. */
  apply(config: Gateway['guards']): Promise<void>
}

/** Opens the guards; `apply` fills them. */
export function openGuards(report: Report): LiveGuards {
  const build = (config: Gateway['guards']) => createGuards(config, { monotonic: () => performance.now() })
  let known: Gateway['guards'] = {}
  let guards = build(known)
  return {
    of: (names) => guards.of(names),
    async apply(config) {
      const inert = await findInert(config)
      const first = inert.find(({ isEnforced }) => isEnforced)
      if (first !== undefined) throw new Error(describe(first))
      if (inert.length > 0) report({ type: 'guard-inert', findings: inert.map(describe) })
      // A set that is taken away is kept: a catalog that still names it is bad now, so its last good version stays, and must stay guarded.
      known = { ...known, ...config }
      guards = build(known)
    },
  }
}

/** Runs every enforcing evaluator once. Where one does not act, tollgate.json is bad: a protection that is only written is none. */
export async function proveGuards(files: ConfigFiles): Promise<ConfigFiles> {
  const { gateway } = files
  if (gateway === undefined) return files
  const inert = (await findInert(gateway.value.guards)).filter(({ isEnforced }) => isEnforced)
  if (inert.length === 0) return files
  const problems = inert.map(({ guard, index, fault }) => {
    const path = ['guards', guard, 'evaluators', index]
    return { file: gateway.file, ...gateway.locate(path), path: formatPath(path), message: `this evaluator ${fault}` }
  })
  return { ...files, gateway: undefined, problems: [...files.problems, ...problems] }
}

function describe({ guard, index, fault }: Inert): string {
  return `${formatPath(['guards', guard, 'evaluators', index])} ${fault}`
}

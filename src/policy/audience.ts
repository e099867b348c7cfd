import type { TraceStep } from '../core/decision.ts'
import type { Principal } from '../core/principal.ts'
import type { Catalog } from '../core/snapshot.ts'
import { matchGlobs } from '../lib/glob.ts'

/** Whether a catalog is for a principal: every part its `for` gives must hold. A caller without a team matches no team list. */
export function checkAudience(catalog: Catalog, principal: Principal, now: Date): TraceStep {
  const miss = missing(catalog, principal) ?? conditionMiss(catalog, principal, now)
  if (miss === undefined) return passed(catalog)
  const message = `catalog "${catalog.id}" is not for this principal: ${miss}`
  return { step: 'audience', outcome: 'fail', message, rule: catalog.audience.rule }
}

/** The step of a catalog that is for its caller says the same of every caller. */
const passes = new WeakMap<Catalog, TraceStep>()

function passed(catalog: Catalog): TraceStep {
  const known = passes.get(catalog)
  if (known !== undefined) return known
  const message = `catalog "${catalog.id}" is for this principal`
  const step: TraceStep = { step: 'audience', outcome: 'pass', message, rule: catalog.audience.rule }
  passes.set(catalog, step)
  return step
}

function missing(catalog: Catalog, principal: Principal): string | undefined {
  const { teams, agents, groups } = catalog.audience
  if (teams !== undefined && !matches(teams, principal.team))
    return `its teams are ${list(teams)}, the caller's is ${show(principal.team)}`
  if (agents !== undefined && !matches(agents, principal.agent))
    return `its agents are ${list(agents)}, the caller's is ${show(principal.agent)}`
  if (groups !== undefined && !principal.groups.some((group) => matches(groups, group))) {
    return `its groups are ${list(groups)}, the caller's are ${list(principal.groups)}`
  }
  return undefined
}

function conditionMiss(catalog: Catalog, principal: Principal, now: Date): string | undefined {
  const { when } = catalog.audience
  if (when === undefined) return undefined
  const outcome = when.evaluate({ principal, time: now })
  if (outcome.kind === 'true') return undefined
  return outcome.kind === 'error'
    ? `when \`${when.source}\` could not be evaluated (${outcome.message})`
    : `when \`${when.source}\` is false`
}

/** A list with `*` matches a caller without the field too: the file says everybody. */
function matches(globs: readonly string[], value: string | undefined): boolean {
  return value === undefined ? globs.includes('*') : matchGlobs(globs, value) >= 0
}

function list(values: readonly string[]): string {
  return values.length === 0 ? 'none' : values.map((value) => `"${value}"`).join(', ')
}

function show(value: string | undefined): string {
  return value === undefined ? 'not given' : `"${value}"`
}

import type { Identity } from '../core/principal.ts'
import type { CallLimits, Catalog, CatalogItem, RuleLocation } from '../core/snapshot.ts'
import type { LimitRule } from './contract.ts'

/** Whose limits apply to one call. */
export interface LimitScope {
  readonly item?: CatalogItem | undefined
  readonly catalog?: Catalog | undefined
  readonly identity: Identity
  /** The run of the call, already scoped by principal. */
  readonly session: string
  /** Limits of the gateway for everybody. */
  readonly defaults?: CallLimits | undefined
}

/** The counters one call must pass: those of its item, its catalog and the gateway. */
export function limitRules(scope: LimitScope): LimitRule[] {
  const { item, catalog, defaults } = scope
  const rules: LimitRule[] = []
  if (item?.limits !== undefined) {
    const name = `${item.kind} "${item.name}" of catalog "${item.catalog}"`
    rules.push(
      ...rulesOf(
        item.limits,
        { place: [item.kind, item.catalog, item.server, item.definition.name], name, rule: item.rule },
        scope,
      ),
    )
  }
  if (catalog?.limits !== undefined) {
    const place = { place: ['catalog', catalog.id], name: `catalog "${catalog.id}"`, rule: catalog.limitsRule }
    rules.push(...rulesOf(catalog.limits, place, scope))
  }
  if (defaults !== undefined)
    rules.push(...rulesOf(defaults, { place: ['gateway'], name: 'the gateway', rule: undefined }, scope))
  return rules
}

interface Place {
  /** What the limit is written on; unique with the subject that shares the counter. */
  readonly place: readonly string[]
  readonly name: string
  readonly rule: RuleLocation | undefined
}

function rulesOf(limits: CallLimits, { place, name, rule }: Place, scope: LimitScope): LimitRule[] {
  const by = limits.by ?? 'catalog'
  const subject = subjectOf(by, scope)
  const whom = by === 'catalog' ? '' : ` for each ${by}`
  const located = rule === undefined ? {} : { rule }
  const rules: LimitRule[] = []
  if (limits.callsPerMinute !== undefined) {
    const label = `${name}: ${calls(limits.callsPerMinute)} per minute${whom}`
    rules.push({ key: JSON.stringify(['rate', place, by, subject]), kind: 'rate', max: limits.callsPerMinute, label, ...located })
  }
  if (limits.concurrent !== undefined) {
    const label = `${name}: ${calls(limits.concurrent)} at one time${whom}`
    rules.push({
      key: JSON.stringify(['concurrent', place, by, subject]),
      kind: 'concurrent',
      max: limits.concurrent,
      label,
      ...located,
    })
  }
  return rules
}

function calls(count: number): string {
  return count === 1 ? '1 call' : `${count} calls`
}

/** Who shares the counter. Teams, projects, agents and users of different organisations and issuers are different ones. */
function subjectOf(by: NonNullable<CallLimits['by']>, { identity, session }: LimitScope): readonly (string | null)[] {
  if (by === 'catalog') return []
  const { principal } = identity
  if (by === 'session') return [identity.key, session]
  return [principal.issuer, principal.org ?? null, principal[by] ?? null]
}

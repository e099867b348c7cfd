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

/** The counters one call must pass: those of its item, its route, its catalog and the gateway. */
export function limitRules(scope: LimitScope): LimitRule[] {
  const { item, catalog, defaults } = scope
  const route = item?.model?.route
  return [
    ...rulesOn(item, item?.limits, scope, ({ kind, name, catalog: id, server, definition, rule }) => ({
      place: [kind, id, server, definition.name],
      name: `${kind} "${name}" of catalog "${id}"`,
      rule,
    })),
    ...rulesOn(route, route?.limits, scope, ({ id, rule }) => ({ place: ['route', id], name: `route "${id}"`, rule })),
    ...rulesOn(catalog, catalog?.limits, scope, ({ id, limitsRule }) => ({
      place: ['catalog', id],
      name: `catalog "${id}"`,
      rule: limitsRule,
    })),
    ...rulesOn(defaults, defaults, scope, () => ({ place: ['gateway'], name: 'the gateway', rule: undefined })),
  ]
}

const NONE: readonly LimitRule[] = []
/** Rules of counters that all callers share do not depend on the call: made once per item, catalog or default. */
const sharedRules = new WeakMap<object, readonly LimitRule[]>()

function rulesOn<Owner extends object>(
  owner: Owner | undefined,
  limits: CallLimits | undefined,
  scope: LimitScope,
  placeOf: (owner: Owner) => Place,
): readonly LimitRule[] {
  if (owner === undefined || limits === undefined) return NONE
  if ((limits.by ?? 'catalog') !== 'catalog') return rulesOf(limits, placeOf(owner), scope)
  const known = sharedRules.get(owner)
  if (known !== undefined) return known
  const rules = rulesOf(limits, placeOf(owner), scope)
  sharedRules.set(owner, rules)
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
  if (limits.tokensPerMinute !== undefined) {
    const label = `${name}: ${limits.tokensPerMinute} tokens per minute${whom}`
    rules.push({
      key: JSON.stringify(['tokens', place, by, subject]),
      kind: 'tokens',
      max: limits.tokensPerMinute,
      label,
      ...located,
    })
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

import type { Decision, DecisionReason, DecisionRequest, TraceStep } from '../core/decision.ts'
import type { CatalogItem, CatalogView, Snapshot } from '../core/snapshot.ts'
import { conditionContext } from './context.ts'
import { checkAudience } from './audience.ts'

/**
 * The one place where access is decided; listing, calling, explain and the registry all ask here. Pure: equal requests give
 * equal answers. Default is deny; every step that was looked at is in the trace, in order.
 */
export function decide(request: DecisionRequest): Decision {
  const trace: TraceStep[] = []
  const view = viewFor(request, trace)
  if (typeof view === 'string') return { outcome: 'deny', reason: view, trace }

  const item = view.byName[request.target.kind].get(request.target.name)
  if (item === undefined) return refuseUnknown(request, view, trace)

  trace.push({
    step: 'target',
    outcome: 'pass',
    message: `${item.kind} "${item.name}" is "${item.definition.name}" of server "${item.server}"`,
  })
  trace.push({ step: 'rule', outcome: 'pass', message: `catalog "${item.catalog}" shows it`, rule: item.rule })
  return decideItem(request, view, item, trace)
}

/** Ids of the catalogs a principal may use now, sorted. */
export function eligible(principal: DecisionRequest['principal'], snapshot: Snapshot, now: Date): string[] {
  const ids: string[] = []
  for (const catalog of snapshot.catalogs.values()) {
    if (checkAudience(catalog, principal, now).outcome !== 'fail') ids.push(catalog.id)
  }
  return ids.sort()
}

/** Whether an item of a view is listed: the same steps as a call whose arguments are not known yet. */
function isVisible(principal: DecisionRequest['principal'], item: CatalogItem, now: Date): boolean {
  if (item.when === undefined) return true
  const outcome = item.when.evaluate(conditionContext(principal, item, undefined, now))
  return outcome.kind === 'true' || outcome.kind === 'unknown'
}

/** The items of one kind that a principal is shown, in list order. */
export function visible(
  principal: DecisionRequest['principal'],
  view: CatalogView,
  kind: CatalogItem['kind'],
  now: Date,
): readonly CatalogItem[] {
  const items = view.items[kind]
  return items.every((item) => item.when === undefined) ? items : items.filter((item) => isVisible(principal, item, now))
}

function viewFor(request: DecisionRequest, trace: TraceStep[]): CatalogView | DecisionReason {
  const { principal, snapshot, now } = request
  if (request.catalog !== undefined) {
    const catalog = snapshot.catalogs.get(request.catalog)
    if (catalog === undefined) {
      trace.push({ step: 'catalog', outcome: 'fail', message: `there is no catalog "${request.catalog}"` })
      return 'unknown-catalog'
    }
    const step = checkAudience(catalog, principal, now)
    trace.push(step)
    return step.outcome === 'fail' ? 'no-catalog' : snapshot.view([catalog.id])
  }
  const ids: string[] = []
  for (const catalog of [...snapshot.catalogs.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const step = checkAudience(catalog, principal, now)
    trace.push(step)
    if (step.outcome !== 'fail') ids.push(catalog.id)
  }
  if (ids.length > 0) return snapshot.view(ids)
  trace.push({ step: 'catalog', outcome: 'fail', message: 'no catalog is for this principal' })
  return 'no-catalog'
}

function refuseUnknown(request: DecisionRequest, view: CatalogView, trace: TraceStep[]): Decision {
  const { kind, name } = request.target
  for (const catalog of view.catalogs) {
    for (const withheld of catalog.withheld) {
      if (withheld.kind !== kind || (withheld.name !== name && `${withheld.server}_${withheld.name}` !== name)) continue
      const step: TraceStep = { step: 'rule', outcome: 'fail', message: withheld.message }
      trace.push(withheld.rule === undefined ? step : { ...step, rule: withheld.rule })
      const reason = REASON_OF_WITHHELD[withheld.reason]
      const decision: Decision = { outcome: 'deny', reason, view, trace }
      return withheld.rule === undefined ? decision : { ...decision, rule: withheld.rule }
    }
  }
  trace.push({
    step: 'target',
    outcome: 'fail',
    message: `no rule of ${view.id} shows a ${kind} named "${name}", and no server it names offers one`,
  })
  return { outcome: 'deny', reason: 'unknown-target', view, trace }
}

const REASON_OF_WITHHELD = {
  denied: 'denied',
  'not-allowed': 'not-allowed',
  'not-offered': 'unknown-target',
  dropped: 'unknown-target',
  'server-unavailable': 'server-unavailable',
  'name-collision': 'unknown-target',
} as const

function decideItem(request: DecisionRequest, view: CatalogView, item: CatalogItem, trace: TraceStep[]): Decision {
  const facts = { view, item, rule: item.rule, trace }
  if (item.when !== undefined) {
    const args = request.action === 'call' ? (request.args ?? {}) : undefined
    const outcome = item.when.evaluate(conditionContext(request.principal, item, args, request.now))
    const passed = outcome.kind === 'true' || outcome.kind === 'unknown'
    const what =
      outcome.kind === 'unknown'
        ? 'depends on the arguments of the call'
        : outcome.kind === 'error'
          ? `could not be evaluated (${outcome.message})`
          : `is ${outcome.kind}`
    trace.push({
      step: 'condition',
      outcome: passed ? 'pass' : 'fail',
      message: `when \`${item.when.source}\` ${what}`,
      rule: item.rule,
    })
    if (!passed) return { outcome: 'deny', reason: outcome.kind === 'error' ? 'condition-error' : 'condition-false', ...facts }
  }
  const status = request.snapshot.servers.get(item.server)?.status
  const state = status?.state ?? 'quarantined'
  const because = status?.reason === undefined ? '' : `: ${status.reason}`
  trace.push({
    step: 'server',
    outcome: state === 'ready' ? 'pass' : 'info',
    message: `server "${item.server}" is ${state}${because}`,
  })
  return { outcome: 'allow', reason: 'allowed', ...facts }
}

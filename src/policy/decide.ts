import type { Condition, ConditionOutcome } from '../core/condition.ts'
import type { Decision, DecisionReason, DecisionRequest, TraceStep } from '../core/decision.ts'
import type { JsonObject } from '../core/json.ts'
import { modelNamed } from '../core/model-name.ts'
import type { Catalog, CatalogItem, CatalogView, ModelRoute, RuleLocation, Snapshot } from '../core/snapshot.ts'
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

  const { kind, name } = request.target
  const item = kind === 'model' ? modelNamed(view, name) : view.byName[kind].get(name)
  if (item === undefined) return refuseUnknown(request, view, trace)

  const { target, rule } = shownSteps(item)
  trace.push(target, rule)
  return decideItem(request, view, item, trace)
}

/** Ids of the catalogs a principal may use now, sorted. */
export function eligible(principal: DecisionRequest['principal'], snapshot: Snapshot, now: Date): string[] {
  const ids: string[] = []
  for (const catalog of inOrder(snapshot)) {
    if (checkAudience(catalog, principal, now).outcome !== 'fail') ids.push(catalog.id)
  }
  return ids
}

/** Whether an item of a view is listed: the same steps as a call whose arguments are not known yet. */
function isVisible(principal: DecisionRequest['principal'], item: CatalogItem, now: Date): boolean {
  if (switchOf(item) !== undefined) return false
  const context = conditionContext(principal, item, undefined, now)
  return conditionsOf(item).every(({ when }) => {
    const { kind } = when.evaluate(context)
    return kind === 'true' || kind === 'unknown'
  })
}

function isForEverybody(item: CatalogItem): boolean {
  return item.when === undefined && (item.model === undefined || (item.model.route.when === undefined && !switchOf(item)))
}

/** The items of one kind that a principal is shown, in list order. */
export function visible(
  principal: DecisionRequest['principal'],
  view: CatalogView,
  kind: CatalogItem['kind'],
  now: Date,
): readonly CatalogItem[] {
  const items = view.items[kind]
  return items.every(isForEverybody) ? items : items.filter((item) => isVisible(principal, item, now))
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
  for (const catalog of inOrder(snapshot)) {
    const step = checkAudience(catalog, principal, now)
    trace.push(step)
    if (step.outcome !== 'fail') ids.push(catalog.id)
  }
  if (ids.length > 0) return snapshot.view(ids)
  trace.push({ step: 'catalog', outcome: 'fail', message: 'no catalog is for this principal' })
  return 'no-catalog'
}

const sortedCatalogs = new WeakMap<Snapshot, readonly Catalog[]>()

/** The catalogs of a snapshot by id; a snapshot never changes. */
function inOrder(snapshot: Snapshot): readonly Catalog[] {
  const known = sortedCatalogs.get(snapshot)
  if (known !== undefined) return known
  const sorted = [...snapshot.catalogs.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  sortedCatalogs.set(snapshot, sorted)
  return sorted
}

interface ShownSteps {
  readonly target: TraceStep
  readonly rule: TraceStep
}

const stepsOfItems = new WeakMap<CatalogItem, ShownSteps>()

/** The steps that say what an item is and who shows it: the same in every decision on it. */
function shownSteps(item: CatalogItem): ShownSteps {
  const known = stepsOfItems.get(item)
  if (known !== undefined) return known
  const steps: ShownSteps = {
    target: { step: 'target', outcome: 'pass', message: describeTarget(item) },
    rule: { step: 'rule', outcome: 'pass', message: `catalog "${item.catalog}" shows it`, rule: item.rule },
  }
  stepsOfItems.set(item, steps)
  return steps
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
    message: `no rule of ${view.id} shows a ${kind} named "${name}"${kind === 'model' ? '' : ', and no server it names offers one'}`,
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
  disabled: 'disabled',
} as const

function decideItem(request: DecisionRequest, view: CatalogView, item: CatalogItem, trace: TraceStep[]): Decision {
  const facts = { view, item, rule: item.rule, trace }
  const off = switchOf(item)
  if (off !== undefined) {
    trace.push({ step: 'route', outcome: 'fail', ...off })
    return { outcome: 'deny', reason: 'disabled', ...facts, rule: off.rule }
  }
  for (const condition of conditionsOf(item)) {
    const outcome = condition.when.evaluate(conditionContext(request.principal, item, sentWith(request), request.now))
    const step = conditionStep(condition, outcome, item.kind)
    trace.push(step)
    const reason = outcome.kind === 'error' ? 'condition-error' : 'condition-false'
    if (step.outcome === 'fail') return { outcome: 'deny', reason, ...facts, rule: condition.rule }
  }
  trace.push(item.model === undefined ? serverStep(request.snapshot, item) : routeStep(item.model.route))
  return { outcome: 'allow', reason: 'allowed', ...facts }
}

/** What conditions know of the caller's message: nothing while listing. */
function sentWith(request: DecisionRequest): JsonObject | undefined {
  if (request.action === 'list') return undefined
  return (request.target.kind === 'model' ? request.request : request.args) ?? {}
}

/** Which switch is off, in words; undefined for an item that is on. */
function switchOf({ model, rule, name }: CatalogItem): { readonly message: string; readonly rule: RuleLocation } | undefined {
  if (model === undefined) return undefined
  if (!model.route.enabled)
    return { message: `route "${model.route.id}" is switched off ("enabled": false)`, rule: model.route.rule }
  return model.enabled ? undefined : { message: `model "${name}" is switched off in this catalog ("enabled": false)`, rule }
}

const NONE: readonly ItemCondition[] = []

type ItemCondition = { readonly when: Condition; readonly rule: RuleLocation }

/** The conditions of an item, in the order they are asked: its rule's, and for a model that of the route. */
function conditionsOf({ when, rule, model }: CatalogItem): readonly ItemCondition[] {
  if (when === undefined && model?.route.when === undefined) return NONE
  return [
    ...(when === undefined ? [] : [{ when, rule }]),
    ...(model?.route.when === undefined ? [] : [{ when: model.route.when, rule: model.route.rule }]),
  ]
}

function conditionStep({ when, rule }: ItemCondition, outcome: ConditionOutcome, kind: CatalogItem['kind']): TraceStep {
  const passed = outcome.kind === 'true' || outcome.kind === 'unknown'
  const what =
    outcome.kind === 'unknown'
      ? `depends on the ${kind === 'model' ? 'request' : 'arguments of the call'}`
      : outcome.kind === 'error'
        ? `could not be evaluated (${outcome.message})`
        : `is ${outcome.kind}`
  return { step: 'condition', outcome: passed ? 'pass' : 'fail', message: `when \`${when.source}\` ${what}`, rule }
}

function serverStep(snapshot: Snapshot, item: CatalogItem): TraceStep {
  const status = snapshot.servers.get(item.server)?.status
  const state = status?.state ?? 'quarantined'
  const because = status?.reason === undefined ? '' : `: ${status.reason}`
  const message = `server "${item.server}" is ${state}${because}`
  return { step: 'server', outcome: state === 'ready' ? 'pass' : 'info', message }
}

const stepsOfRoutes = new WeakMap<ModelRoute, TraceStep>()

function routeStep(route: ModelRoute): TraceStep {
  const known = stepsOfRoutes.get(route)
  if (known !== undefined) return known
  const step = describeRoute(route)
  stepsOfRoutes.set(route, step)
  return step
}

function describeRoute({ id, strategy, targets, rule }: ModelRoute): TraceStep {
  const keys = targets.map(({ key, enabled }) => (enabled ? key : `${key} (switched off)`))
  const message = `route "${id}": ${strategy} over ${keys.join(', ')}`
  return { step: 'route', outcome: targets.some(({ enabled }) => enabled) ? 'pass' : 'info', message, rule }
}

function describeTarget({ kind, name, definition, server }: CatalogItem): string {
  if (kind === 'model') return `model "${name}" is route "${definition.name}"`
  return `${kind} "${name}" is "${definition.name}" of server "${server}"`
}

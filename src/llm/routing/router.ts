import type { ModelGrant, ModelRoute, ModelTarget, Snapshot } from '../../core/snapshot.ts'
import type { Considered, RoutePlan, Router, RouteQuery, TargetState } from '../contract.ts'
import { toSeconds, type Ejection } from './circuit.ts'
import type { OrderInput, Ranked } from './order.ts'
import { drawCanary, orderTargets } from './order.ts'
import { createRetryBudget, type RetryBudget } from './retry-budget.ts'
import type { ScreenQuery, TargetFacts } from './screen.ts'
import { screenTarget } from './screen.ts'
import { createTargetHealth, type TargetHealth } from './target-health.ts'

/** What routing borrows. */
export interface RouterDeps extends TargetFacts {
  /** Monotonic milliseconds. */
  now(): number
  random(): number
  /** Hears when a target's circuit changes and when its provider refuses it: a limit, a bill, a credential. */
  changed(change: TargetChange): void
}

/** News of one target. */
export interface TargetChange {
  readonly target: string
  readonly provider: string
  readonly circuit: TargetState['circuit']
  readonly reason: string
}

/** A question about routing; without `request` it is only asked about, as in explain. */
export type PlanQuery = Omit<RouteQuery, 'request'> & Partial<Pick<RouteQuery, 'request'>>

/** The router, and what the wiring needs of it. */
export interface LiveRouter extends Router {
  plan(query: PlanQuery): RoutePlan
  /** Forgets targets and routes that are in no configuration any more. */
  retain(snapshot: Pick<Snapshot, 'routes'>): void
}

/** Chooses targets, and remembers how they did: one state per target, whichever routes name it. */
export function createRouter(deps: RouterDeps): LiveRouter {
  const healths = new Map<string, TargetHealth>()
  const budgets = new Map<string, RetryBudget>()
  const healthOf = (target: ModelTarget): TargetHealth => {
    const { key, provider } = target
    return getOrMake(healths, key, () => {
      const changed = (circuit: TargetState['circuit'], reason: string) =>
        deps.changed({ target: key, provider, circuit, reason })
      return createTargetHealth({ now: deps.now, random: deps.random, changed })
    })
  }
  const budgetOf = (route: ModelRoute): RetryBudget => getOrMake(budgets, route.id, () => createRetryBudget(deps.now))
  const retain: LiveRouter['retain'] = ({ routes }) => {
    const keys = new Set([...routes.values()].flatMap(({ targets }) => targets.map(({ key }) => key)))
    for (const key of healths.keys()) if (!keys.has(key)) healths.delete(key)
    for (const id of budgets.keys()) if (!routes.has(id)) budgets.delete(id)
  }

  return {
    plan: (query) => {
      const grant = query.item.model
      return grant === undefined ? { targets: [], considered: [] } : planTargets(query, grant, { ...deps, healthOf })
    },
    begin: (target, isLast) => healthOf(target).begin(isLast),
    arrived: (route) => budgetOf(route).arrived(),
    mayRetry: (route) => budgetOf(route).take(),
    retain,
    states(snapshot) {
      retain(snapshot)
      return statesOf(snapshot, healthOf)
    },
  }
}

function getOrMake<Value>(values: Map<string, Value>, key: string, make: () => Value): Value {
  const known = values.get(key)
  if (known !== undefined) return known
  const made = make()
  values.set(key, made)
  return made
}

type PlanDeps = TargetFacts & { random(): number; healthOf(target: ModelTarget): TargetHealth }
type Ejected = { readonly target: ModelTarget; readonly ejection: Ejection }

/**
 * 1. Who may answer at all. 2. A canary, if the dice say so. 3. Those that are well, in order. 4. At the end the one of the others that is
 * ready soonest: the last target is never ejected.
 */
function planTargets(query: PlanQuery, grant: ModelGrant, deps: PlanDeps): RoutePlan {
  const { route } = grant
  const [only] = route.targets
  if (only !== undefined && route.targets.length === 1 && only.canary === undefined) return planOnly(only, query, { grant, deps })
  const skipped: Considered[] = []
  const skip = (target: ModelTarget, reason: string): void => {
    skipped.push({ target: target.key, outcome: 'skipped', reason })
  }
  const screened = screenAll(query, grant, deps, skip)
  const canaries = screened.filter(({ canary }) => canary !== undefined)
  const drawn = drawCanary(canaries, { route, stickyKey: query.stickyKey, random: deps.random })
  for (const target of canaries) if (target !== drawn) skip(target, `canary ${target.canary} %: not this time`)

  const ejected: Ejected[] = []
  const isWell = (target: ModelTarget): boolean => {
    const ejection = deps.healthOf(target).ejection()
    if (ejection !== undefined) ejected.push({ target, ejection })
    return ejection === undefined
  }
  const first = drawn !== undefined && isWell(drawn) ? [{ target: drawn, reason: `canary ${drawn.canary} %` }] : []
  const ranked = orderTargets(
    screened.filter((target) => target.canary === undefined && isWell(target)),
    toOrder(query, grant, deps),
  )
  const last = lastResort(ejected, route.targets)
  for (const one of ejected) if (one !== last) skip(one.target, one.ejection.reason)
  const chosen = [...first, ...ranked, ...(last === undefined ? [] : [asLast(last)])]
  return {
    targets: chosen.map(({ target }) => target),
    considered: [...chosen.map((one) => toCandidate(one, deps)), ...skipped],
  }
}

/** The same for a route with one target, which most routes are: it is also the last one, so it is asked even while it is not well. */
function planOnly(
  target: ModelTarget,
  query: PlanQuery,
  { grant, deps }: { readonly grant: ModelGrant; readonly deps: PlanDeps },
): RoutePlan {
  const reason = screenTarget(target, toScreen(query, grant), deps)
  if (reason !== undefined) return { targets: [], considered: [{ target: target.key, outcome: 'skipped', reason }] }
  const ejection = deps.healthOf(target).ejection()
  const ranked = ejection === undefined ? orderTargets([target], toOrder(query, grant, deps)) : [asLast({ target, ejection })]
  return { targets: [target], considered: ranked.map((one) => toCandidate(one, deps)) }
}

function toScreen({ principal, request, operation, budgeted, now }: PlanQuery, grant: ModelGrant): ScreenQuery {
  return { grant, principal, request, operation, budgeted, time: new Date(now) }
}

function toOrder({ stickyKey }: PlanQuery, { route }: ModelGrant, deps: PlanDeps): OrderInput {
  const { healthOf, estimate, random } = deps
  return { route, stickyKey, health: healthOf, price: (target) => estimate(target, 1_000, 1_000), random }
}

function screenAll(
  query: PlanQuery,
  grant: ModelGrant,
  facts: TargetFacts,
  skip: (target: ModelTarget, reason: string) => void,
): ModelTarget[] {
  const screen = toScreen(query, grant)
  return grant.route.targets.filter((target) => {
    const reason = screenTarget(target, screen, facts)
    if (reason !== undefined) skip(target, reason)
    return reason === undefined
  })
}

/** The ejected target that is ready soonest; among equals the one written first. A canary never is one. */
function lastResort(ejected: readonly Ejected[], written: readonly ModelTarget[]): Ejected | undefined {
  return ejected
    .filter(({ target }) => target.canary === undefined)
    .toSorted((a, b) => a.ejection.readyInMs - b.ejection.readyInMs || written.indexOf(a.target) - written.indexOf(b.target))[0]
}

function asLast({ target, ejection }: Ejected): Ranked {
  return { target, reason: `last resort: ${ejection.reason}` }
}

function toCandidate({ target, reason }: Ranked, { healthOf }: PlanDeps): Considered {
  const isProbe = healthOf(target).circuit !== 'closed' && healthOf(target).ejection() === undefined
  return { target: target.key, outcome: 'candidate', reason: isProbe ? `${reason}, as a probe` : reason }
}

/** One state per target, in the order of the routes, with all routes that name it. */
function statesOf(snapshot: Snapshot, healthOf: (target: ModelTarget) => TargetHealth): TargetState[] {
  const named = new Map<string, { readonly targets: ModelTarget[]; readonly routes: string[] }>()
  for (const route of snapshot.routes.values()) {
    for (const target of route.targets) {
      const known = getOrMake(named, target.key, () => ({ targets: [], routes: [] }))
      known.targets.push(target)
      known.routes.push(route.id)
    }
  }
  return [...named.values()].flatMap(({ targets, routes }) => {
    const [target] = targets
    return target === undefined ? [] : [stateOf(target, { targets, routes, health: healthOf(target) })]
  })
}

type Naming = { readonly targets: readonly ModelTarget[]; readonly routes: readonly string[]; readonly health: TargetHealth }

function stateOf({ key, provider, model, region }: ModelTarget, { targets, routes, health }: Naming): TargetState {
  const ejection = health.ejection()
  return {
    key,
    provider,
    model,
    ...(region === undefined ? {} : { region }),
    routes,
    enabled: targets.some(({ enabled }) => enabled),
    circuit: health.circuit,
    retryInSeconds: ejection === undefined ? 0 : toSeconds(ejection.readyInMs),
    ...(ejection === undefined ? {} : { reason: ejection.reason }),
    inFlight: health.inFlight,
    requests: health.requests,
    failures: health.failures,
    ...(health.firstTokenMs === undefined ? {} : { firstTokenMs: health.firstTokenMs }),
  }
}

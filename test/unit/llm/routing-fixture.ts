import type { CatalogItem, ModelGrant, ModelRoute, ModelTarget, Snapshot } from '../../../src/core/snapshot.ts'
import type { Failure, FailureKind } from '../../../src/llm/middle.ts'
import { createRouter, type PlanQuery, type RouterDeps, type TargetChange } from '../../../src/llm/routing/router.ts'
import { identityOf } from '../../support/mcp-catalog.ts'

const rule = { file: 'tollgate.json', line: 1, column: 1, path: '$' }

/** A target of provider `p` with this model, on unless told otherwise. */
export function target(model: string, over: Partial<ModelTarget> = {}): ModelTarget {
  const key = `p/${model}${over.region === undefined ? '' : `@${over.region}`}`
  return { key, provider: 'p', model, enabled: true, weight: 1, tier: 1, params: {}, priceAs: model, rule, ...over }
}

/** A route over targets, or over names of models. */
export function route(targets: readonly (ModelTarget | string)[], over: Partial<ModelRoute> = {}): ModelRoute {
  return {
    id: 'r',
    enabled: true,
    strategy: 'ordered',
    sticky: false,
    targets: targets.map((one) => (typeof one === 'string' ? target(one) : one)),
    clocks: { connectMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 1 },
    retries: 2,
    strict: false,
    unpriced: 'refuse',
    onHangUp: 'abort',
    rule,
    ...over,
  }
}

/** A question about a route. */
export function query(asked: ModelRoute, over: Partial<PlanQuery> & { readonly grant?: Partial<ModelGrant> } = {}): PlanQuery {
  const { grant, ...more } = over
  const item: CatalogItem = {
    kind: 'model',
    catalog: 'c',
    server: '',
    name: asked.id,
    definition: { kind: 'model', server: '', name: asked.id, raw: {}, digest: '' },
    shown: {},
    shownDigest: '',
    rule,
    model: { route: asked, enabled: true, strict: false, ...grant },
  }
  return {
    item,
    principal: identityOf('research').principal,
    stickyKey: 'someone',
    request: {},
    operation: 'chat',
    dialect: 'chat',
    budgeted: false,
    now: Date.parse('2026-11-23T12:00:00Z'),
    ...more,
  }
}

/** A router with a clock and dice of the test. */
export function routing(over: Partial<RouterDeps> = {}) {
  const clock = { ms: 1_000_000 }
  const changes: TargetChange[] = []
  const router = createRouter({
    now: () => clock.ms,
    random: () => 0.5,
    serves: () => undefined,
    estimate: () => 1,
    changed: (change) => void changes.push(change),
    ...over,
  })
  const models = (asked: PlanQuery) => router.plan(asked).targets.map(({ model }) => model)
  const reasons = (asked: PlanQuery) => router.plan(asked).considered.map((one) => `${one.outcome} ${one.target}: ${one.reason}`)
  return { router, clock, changes, models, reasons }
}

/** Snapshots as far as routing reads them. */
export function withRoutes(...routes: readonly ModelRoute[]): Snapshot {
  return {
    revision: '',
    generation: 1,
    createdAt: 0,
    catalogs: new Map(),
    servers: new Map(),
    problems: [],
    routes: new Map(routes.map((one) => [one.id, one])),
    view: () => {
      throw new Error('routing asks for no view')
    },
  }
}

/** A failure of a kind. */
export function failure(kind: FailureKind, over: Partial<Failure> = {}): Failure {
  return { kind, message: 'no', ...over }
}

/** Numbers in [0, 1) that are the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

import type { GovernDeps } from '../pipeline/govern.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { limitRules } from '../metering/limit-rules.ts'
import { priceQuery } from './models.ts'
import type { Parts } from './parts.ts'

/** What the road lends from: all that is made before the facets. */
export type RoadParts = Pick<Parts, 'ledger' | 'limiter' | 'budgets' | 'guards' | 'models' | 'files' | 'observing'>

const NO_BUDGETS: readonly never[] = []

/** The road of this gateway; both facets travel it. */
export function openRoad({ ledger, limiter, budgets, guards, models, files, observing }: RoadParts): GovernDeps {
  return {
    ledger,
    limiter,
    budgets,
    monotonic: () => performance.now(),
    report: observing.report,
    digest: digestOf,
    guard({ item, view }) {
      const catalog = item === undefined ? undefined : view?.catalogs.find(({ id }) => id === item.catalog)
      return catalog === undefined || catalog.guards.length === 0 ? undefined : guards.of(catalog.guards)
    },
    limitRules: (exchange, { item }) =>
      limitRules({
        item,
        catalog: item === undefined ? undefined : exchange.snapshot.catalogs.get(item.catalog),
        identity: exchange.identity,
        session: exchange.session,
        defaults: files.files().gateway?.value.limits,
      }),
    budgetRules: (exchange, { item }) =>
      (item === undefined ? undefined : exchange.snapshot.catalogs.get(item.catalog)?.budgets) ?? NO_BUDGETS,
    cost: ({ provider, priceAs, region, serviceTier, at, usage }) =>
      usage === undefined
        ? { nanoUsd: 0, priceVersion: null }
        : models
            .priceTable()
            .cost(
              priceQuery(
                files.files(),
                { provider, priceAs, ...(region === undefined ? {} : { region }) },
                at,
                tierOf(serviceTier),
              ),
              usage,
            ),
    ended: observing.ended,
  }
}

/** Service tiers that have prices of their own; all others cost the standard price. */
function tierOf(tier: string | undefined): string | undefined {
  return tier === 'priority' || tier === 'flex' || tier === 'batch' ? tier : undefined
}

import type { Catalog as CatalogFile, ModelRule } from '../config/catalog.ts'
import type { Located } from '../config/read-file.ts'
import type { CatalogItem, Definition, ModelRoute, SnapshotProblem, Withheld } from '../core/snapshot.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { isWithinRegion } from '../lib/region.ts'
import { conditionOf, locationOf } from './located.ts'
import type { ResolvedRoute } from './routes.ts'

/** The models of a catalog in the order of its rules, and rules whose route is not there. */
export interface ResolvedModels {
  readonly items: readonly CatalogItem[]
  readonly withheld: readonly Withheld[]
  readonly problems: readonly SnapshotProblem[]
}

/** Resolves the `models` of a catalog. One that is switched off stays an item: decide refuses it, and says so, and no list shows it. */
export function resolveModels(
  catalog: string,
  file: Located<CatalogFile>,
  routes: ReadonlyMap<string, ResolvedRoute>,
): ResolvedModels {
  const withheld: Withheld[] = []
  const problems: SnapshotProblem[] = []
  const items = file.value.models.flatMap((rule, index) => {
    const location = locationOf(file, ['models', index, 'route'])
    const resolved = routes.get(rule.route)
    if (resolved !== undefined && !leavesTarget(rule, resolved.route)) {
      const message = `no target of route ${JSON.stringify(rule.route)} is in these regions, so nothing can answer`
      problems.push({ ...locationOf(file, ['models', index, 'regions']), message })
    }
    if (resolved !== undefined) return [{ ...toItem(catalog, rule, resolved), rule: location }]
    const message = `tollgate.json has no route ${JSON.stringify(rule.route)}`
    withheld.push({ kind: 'model', catalog, server: '', name: nameOf(rule), reason: 'not-offered', message, rule: location })
    return []
  })
  return { items, withheld, problems }
}

function leavesTarget({ regions }: ModelRule, route: ModelRoute): boolean {
  if (regions === undefined) return true
  const isInside = (region: string | undefined, pins: readonly string[]) => pins.some((pin) => isWithinRegion(region, pin))
  return route.targets.some(
    ({ region }) => isInside(region, regions) && (route.regions === undefined || isInside(region, route.regions)),
  )
}

function nameOf(rule: ModelRule): string {
  return rule.as ?? rule.route
}

function toItem(catalog: string, rule: ModelRule, { route, raw, digest }: ResolvedRoute): Omit<CatalogItem, 'rule'> {
  const name = nameOf(rule)
  const definition: Definition = { kind: 'model', server: '', name: route.id, raw, digest }
  const shown = { id: name }
  return {
    kind: 'model',
    catalog,
    server: '',
    name,
    definition,
    shown,
    shownDigest: digestOf(shown),
    model: {
      route,
      enabled: rule.enabled,
      ...(rule.regions === undefined ? {} : { regions: rule.regions }),
      strict: rule.strict ?? route.strict,
    },
    ...(rule.when === undefined ? {} : { when: conditionOf(rule.when, 'model') }),
    ...(rule.limits === undefined ? {} : { limits: rule.limits }),
    ...(rule.labels === undefined ? {} : { labels: rule.labels }),
  }
}

import type { ConditionContext } from '../core/condition.ts'
import type { JsonObject } from '../core/json.ts'
import type { Principal } from '../core/principal.ts'
import type { CatalogItem } from '../core/snapshot.ts'

/** What a `when` of a catalog item may look at. `args` is left out while listing. */
export function conditionContext(
  principal: Principal,
  item: CatalogItem,
  args: JsonObject | undefined,
  now: Date,
): ConditionContext {
  const tool = {
    name: item.name,
    server: item.server,
    upstream: item.definition.name,
    catalog: item.catalog,
    annotations: item.definition.raw['annotations'] ?? {},
    labels: item.labels ?? {},
  }
  return args === undefined ? { principal, tool, time: now } : { principal, tool, args, time: now }
}

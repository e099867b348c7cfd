import type { ConditionContext } from '../core/condition.ts'
import type { JsonObject } from '../core/json.ts'
import type { Principal } from '../core/principal.ts'
import type { CatalogItem } from '../core/snapshot.ts'

/** What a `when` of a catalog item may look at. `sent` is left out while listing: arguments, or for a model the facts of the request. */
export function conditionContext(
  principal: Principal,
  item: CatalogItem,
  sent: JsonObject | undefined,
  now: Date,
): ConditionContext {
  if (item.kind === 'model') return { principal, time: now, ...(sent === undefined ? {} : { request: sent }) }
  const tool = {
    name: item.name,
    server: item.server,
    upstream: item.definition.name,
    catalog: item.catalog,
    annotations: item.definition.raw['annotations'] ?? {},
    labels: item.labels ?? {},
  }
  return sent === undefined ? { principal, tool, time: now } : { principal, tool, args: sent, time: now }
}

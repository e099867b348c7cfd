import type { Fault } from './explain-issues.ts'
import type { JsonPath } from './json-source.ts'
import { memberOf } from './schema-walk.ts'

/** Limits and budgets of a catalog that could never refuse anything: whoever wrote them believes in a protection that is not there. */
export function countingFaults(catalog: unknown): Fault[] {
  const [tools, models] = [listOf(catalog, 'tools'), listOf(catalog, 'models')]
  return [
    ...limitFaults(['limits'], memberOf(catalog, 'limits'), models.length > 0),
    ...tools.flatMap((rule, index) => limitFaults(['tools', index, 'limits'], memberOf(rule, 'limits'), false)),
    ...models.flatMap((rule, index) => limitFaults(['models', index, 'limits'], memberOf(rule, 'limits'), true)),
    ...budgetFaults(catalog, models.length > 0 || tools.some((rule) => memberOf(rule, 'price') !== undefined)),
  ]
}

/** Faults of one set of limits. `hasTokens`: whether what it stands on uses any. */
export function limitFaults(path: JsonPath, limits: unknown, hasTokens: boolean): Fault[] {
  if (typeof limits !== 'object' || limits === null || Array.isArray(limits)) return []
  if (['callsPerMinute', 'tokensPerMinute', 'concurrent'].every((name) => memberOf(limits, name) === undefined))
    return [{ path, message: 'counts nothing: give "callsPerMinute", "tokensPerMinute" or "concurrent"' }]
  if (hasTokens || memberOf(limits, 'tokensPerMinute') === undefined) return []
  const message = 'only calls of models have tokens, so this would never refuse anything; use "callsPerMinute" for tools'
  return [{ path: [...path, 'tokensPerMinute'], message }]
}

function budgetFaults(catalog: unknown, hasPrices: boolean): Fault[] {
  if (hasPrices || listOf(catalog, 'budgets').length === 0) return []
  const message =
    'nothing of this catalog costs anything, so these would never refuse anything; give tools a "price", or add models'
  return [{ path: ['budgets'], message }]
}

function listOf(catalog: unknown, key: string): readonly unknown[] {
  const list = memberOf(catalog, key)
  return Array.isArray(list) ? list : []
}

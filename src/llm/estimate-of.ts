import { concreteTarget } from '../core/model-name.ts'
import type { CatalogItem } from '../core/snapshot.ts'
import type { Estimate } from '../pipeline/facet.ts'
import type { LlmDeps } from './contract.ts'
import type { ModelRequest } from './request.ts'
import { roughTokens } from './run/estimate.ts'

/** Output that is reserved for a request that names no bound. */
const DEFAULT_OUTPUT = 4_096

/** What a request may take at most: its size, its own bound on the answer, and the dearest target that may serve it. */
export function estimateOf(prices: LlmDeps['prices'], request: ModelRequest, item: CatalogItem | undefined): Estimate {
  const input = roughTokens(request.bytes.length)
  const targets = (item?.model?.route.targets ?? []).filter(({ enabled }) => enabled)
  const [first] = targets
  if (item === undefined || first === undefined) return { tokens: input, nanoUsd: null }
  const most = prices.maxOutputTokens(concreteTarget(first, item, request.model)) ?? DEFAULT_OUTPUT
  const output =
    request.door.operation === 'chat' ? (request.maxOutput ?? Math.min(most, DEFAULT_OUTPUT) * choicesOf(request)) : 0
  const counts = { input, output, isPriority: request.json['service_tier'] === 'priority' }
  const costs = targets
    .map((target) => prices.ceiling(concreteTarget(target, item, request.model), counts))
    .filter((cost) => cost !== null)
  return { tokens: input + output, nanoUsd: costs.length === 0 ? null : Math.max(...costs) }
}

/** Choices were checked when the request was read; each may be as long as the default. */
function choicesOf({ json }: ModelRequest): number {
  const { n } = json
  return typeof n === 'number' && n > 1 ? n : 1
}

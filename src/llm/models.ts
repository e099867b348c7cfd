import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { CatalogItem } from '../core/snapshot.ts'
import type { LlmDeps, LlmHttpRequest } from './contract.ts'

const MODEL_PATH = /^\/v1\/models\/(.+)$/

/**
 * Answers `GET /v1/models` and `GET /v1/models/<id>`: only what the caller's catalogs grant. One object serves both families of clients: OpenAI
 * reads `object`, `created` and `owned_by`, Anthropic `type`, `display_name` and `created_at`.
 */
export function listModels(deps: LlmDeps, request: LlmHttpRequest): JsonObject {
  const { principal } = request.identity
  const snapshot = deps.snapshot()
  const now = deps.now()
  const view = snapshot.view(deps.policy.eligible(principal, snapshot, now))
  const models = deps.policy.visible(principal, view, 'model', now).map((item) => toModel(deps, item, snapshot.createdAt))
  const asked = MODEL_PATH.exec(request.path)?.[1]
  if (asked === undefined) {
    const [first, last] = [models[0], models.at(-1)]
    return { object: 'list', data: models, has_more: false, first_id: first?.['id'] ?? null, last_id: last?.['id'] ?? null }
  }
  const model = models.find(({ id }) => id === decode(asked))
  if (model === undefined) throw new GatewayError('not_found', `model "${decode(asked)}" is not available to you`)
  return model
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function toModel(deps: LlmDeps, item: CatalogItem, createdAt: number): JsonObject {
  const route = item.model?.route
  const target = route?.targets.find(({ enabled }) => enabled)
  const facts = target === undefined ? undefined : deps.prices.facts(target)
  const since = Math.floor(createdAt / 1_000)
  return {
    id: item.name,
    object: 'model',
    created: since,
    owned_by: 'tollgate',
    type: 'model',
    display_name: item.name,
    created_at: new Date(since * 1_000).toISOString(),
    ...facts,
  }
}

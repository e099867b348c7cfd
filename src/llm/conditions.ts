import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { CatalogItem } from '../core/snapshot.ts'
import { roughTokens } from './run/estimate.ts'
import type { ModelRequest } from './request.ts'

/** What conditions may know of a request; nothing is gathered where no condition of the model asks. */
export function conditionFacts(request: ModelRequest, item: CatalogItem | undefined): JsonObject {
  const route = item?.model?.route
  const isAsked = item?.when !== undefined || route?.when !== undefined || route?.targets.some(({ when }) => when !== undefined)
  const { json } = request
  const basis: JsonObject = { model: request.model, stream: request.stream, dialect: request.door.dialect.name }
  if (isAsked !== true) return basis
  return {
    ...basis,
    operation: request.door.operation,
    maxTokens: request.maxOutput ?? 0,
    inputTokens: roughTokens(request.bytes.length),
    tools: toolNames(json['tools']),
    images: request.bytes.includes('"image'),
    reasoning: ['reasoning', 'reasoning_effort', 'thinking'].some(
      (member) => json[member] !== undefined && json[member] !== null,
    ),
    ...(isJsonObject(json['metadata']) ? { metadata: json['metadata'] } : {}),
  }
}

function toolNames(tools: Json | undefined): readonly string[] {
  if (!Array.isArray(tools)) return []
  return (tools as readonly Json[]).flatMap((tool) => {
    const inner = isJsonObject(tool) && isJsonObject(tool['function']) ? tool['function'] : tool
    const name = isJsonObject(inner) ? inner['name'] : undefined
    return typeof name === 'string' ? [name] : []
  })
}

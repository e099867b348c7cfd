import type { Json, JsonObject } from '../../core/json.ts'
import type { ChatRequest, OutputFormat } from '../middle.ts'
import type { ConverseContext } from './converse-context.ts'
import type { Message } from './converse-turns.ts'
import { toThinkingConfig } from './messages-thinking.ts'

type Fields = Record<string, Json | undefined>

/** What a model is told of thinking, and what follows from it. */
export interface Thinking {
  /** Members of the model's own API. */
  readonly fields: JsonObject
  readonly thinks: boolean
  /** The bound of the answer, where thinking demands one. */
  readonly maxTokens?: number
}

/** Tells a Claude model to think, in the members of its own API; the others have no common word for it. */
export function toThinking(request: ChatRequest, context: ConverseContext, messages: readonly Message[]): Thinking {
  const { reasoning } = request
  if (reasoning === undefined) return { fields: {}, thinks: false }
  if (context.model.claude === undefined) {
    if (reasoning.effort !== 'none' && reasoning.budgetTokens !== 0) context.dropped.add('reasoning')
    return { fields: {}, thinks: false }
  }
  const { thinking, effort, maxTokens } = toThinkingConfig(context.scope, messages.map(toOutline))
  const fields = {
    ...(thinking === undefined ? {} : { thinking }),
    ...(effort === undefined ? {} : { output_config: { effort } }),
  }
  const thinks = thinking !== undefined && thinking['type'] !== 'disabled'
  return { fields, thinks, ...(thinking?.['budget_tokens'] === undefined ? {} : { maxTokens }) }
}

/** A message as far as the rules of thinking look at it: who speaks, and what kinds of blocks there are. */
function toOutline({ role, content }: Message): { role: Message['role']; content: Fields[] } {
  const kinds = content.flatMap((block): Fields[] => {
    if (block['toolUse'] !== undefined) return [{ type: 'tool_use' }]
    if (block['reasoningContent'] !== undefined) return [{ type: 'thinking' }]
    return block['cachePoint'] === undefined ? [{ type: 'text' }] : []
  })
  return { role, content: kinds }
}

/** Writes `inferenceConfig`. A Claude model that thinks has no temperature, and the newest have none at all. */
export function toInference(request: ChatRequest, context: ConverseContext, thinking: Thinking): JsonObject {
  const { dropped } = context
  const stop = request.stop?.filter((sequence) => sequence.trim() !== '') ?? []
  if (stop.length < (request.stop?.length ?? 0)) dropped.add('stop')
  const maxTokens = request.maxTokens ?? thinking.maxTokens
  const inference: Fields = {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...toSampling(request, context, thinking.thinks),
    ...(stop.length === 0 ? {} : { stopSequences: stop }),
  }
  return Object.keys(inference).length === 0 ? {} : { inferenceConfig: inference }
}

function toSampling({ temperature, topP }: ChatRequest, { model, dropped }: ConverseContext, thinks: boolean): Fields {
  const sampling = model.claude?.sampling ?? 'all'
  const members: Fields = {}
  if (temperature !== undefined) {
    const clamped = Math.min(1, Math.max(0, temperature))
    if (sampling !== 'none' && (!thinks || clamped === 1)) members['temperature'] = clamped
    if (members['temperature'] !== temperature) dropped.add('temperature')
  }
  if (topP !== undefined) {
    const isTaken = sampling === 'one' && members['temperature'] !== undefined
    if (sampling === 'none' || isTaken || (thinks && topP < 0.95)) dropped.add('top_p')
    else members['topP'] = topP
  }
  return members
}

/** Writes `top_k` where the model has a place for it. */
export function toTopK({ topK }: ChatRequest, { model, dropped }: ConverseContext, thinks: boolean): JsonObject {
  if (topK === undefined) return {}
  if (model.isNova) return { inferenceConfig: { topK } }
  if (model.claude !== undefined && model.claude.sampling !== 'none' && !thinks) return { top_k: topK }
  dropped.add('top_k')
  return {}
}

/** Writes `outputConfig`; there is a word for schemas only, and only for models that keep to them. */
export function toOutput(output: OutputFormat | undefined, { model, dropped }: ConverseContext): JsonObject {
  if (output === undefined || output.type === 'text') return {}
  if (output.type !== 'schema' || !model.schemas) {
    dropped.add('response_format')
    return {}
  }
  const { name, description } = output
  const jsonSchema = {
    schema: JSON.stringify(output.schema),
    ...(name !== undefined && /^[A-Za-z0-9_-]{1,64}$/.test(name) ? { name } : {}),
    ...(description === undefined || description === '' ? {} : { description }),
  }
  return { outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema } } } }
}

const TIERS: Readonly<Record<string, string>> = {
  default: 'default',
  standard: 'default',
  standard_only: 'default',
  priority: 'priority',
  flex: 'flex',
  reserved: 'reserved',
}

/** Writes `serviceTier`; `auto` is what the wire does by itself. */
export function toServiceTier(tier: string | undefined, { dropped }: ConverseContext): JsonObject {
  if (tier === undefined || tier === 'auto') return {}
  if (Object.hasOwn(TIERS, tier)) return { serviceTier: { type: TIERS[tier] } }
  dropped.add('service_tier')
  return {}
}

const MAX_METADATA = 16

/** Writes `requestMetadata`, by which invocation logs are searched. */
export function toMetadata(metadata: JsonObject | undefined, { dropped }: ConverseContext): JsonObject {
  if (metadata === undefined) return {}
  const entries = Object.entries(metadata)
  const isPlain = entries.every(
    ([key, value]) => typeof value === 'string' && METADATA_TEXT.test(value) && key !== '' && METADATA_TEXT.test(key),
  )
  if (isPlain && entries.length <= MAX_METADATA) return entries.length === 0 ? {} : { requestMetadata: metadata }
  dropped.add('metadata')
  return {}
}

const METADATA_TEXT = /^[A-Za-z0-9\s:_@$#=/+,\-.]{0,256}$/

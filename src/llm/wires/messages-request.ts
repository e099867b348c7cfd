import type { Json, JsonObject } from '../../core/json.ts'
import type { ChatRequest } from '../middle.ts'
import type { EncodedRequest, TargetProfile } from '../wire.ts'
import { toBlocks } from './messages-parts.ts'
import { fitSchema } from './messages-schema.ts'
import { createScope, limitBreakpoints, type Scope } from './messages-scope.ts'
import { toThinkingConfig } from './messages-thinking.ts'
import { toolsOfHistory, toToolChoice, toTools } from './messages-tools.ts'
import { toMessages } from './messages-turns.ts'

type Members = Record<string, Json | undefined>

/** Writes a request of the middle form as a Messages body. */
export function encodeMessagesRequest(request: ChatRequest, target: TargetProfile): EncodedRequest {
  const scope = createScope(request, target)
  noteUnsaid(scope)
  // In the order of the prompt, which is the order of cache breakpoints.
  const offered = toTools(scope)
  const system = request.system.flatMap((part) => toBlocks(part, scope))
  const messages = toMessages(request.turns, scope)
  limitBreakpoints(scope)
  const { thinking, effort, maxTokens } = toThinkingConfig(scope, messages)
  const isThinking = thinking !== undefined && thinking['type'] !== 'disabled'
  const choice = toToolChoice(scope, offered.length > 0, isThinking)
  const history = offered.length === 0 ? toolsOfHistory(messages) : []
  const outputConfig = toOutputConfig(scope, effort)
  const body: Members = {
    model: target.model,
    max_tokens: maxTokens,
    ...(system.length === 0 ? {} : { system }),
    messages: messages.map(({ role, content }) => ({ role, content })),
    ...(offered.length + history.length === 0 ? {} : { tools: [...offered, ...history] }),
    ...(history.length > 0 ? { tool_choice: { type: 'none' } } : choice === undefined ? {} : { tool_choice: choice }),
    ...(thinking === undefined ? {} : { thinking }),
    ...(outputConfig === undefined ? {} : { output_config: outputConfig }),
    ...toSampling(scope, isThinking),
    ...toService(scope),
    ...(request.stream ? { stream: true } : {}),
    ...ownExtras(request),
  }
  const toolNames = scope.names.renamed()
  return { body, dropped: [...scope.dropped].toSorted(), ...(toolNames === undefined ? {} : { toolNames }) }
}

/** Parameters that have no word on this wire. */
function noteUnsaid({ request, dropped }: Scope): void {
  const unsaid: Readonly<Record<string, boolean>> = {
    seed: request.seed !== undefined,
    presence_penalty: request.presencePenalty !== undefined,
    frequency_penalty: request.frequencyPenalty !== undefined,
    logit_bias: request.logitBias !== undefined,
    n: request.n !== undefined && request.n !== 1,
    logprobs: request.logprobs === true,
    top_logprobs: request.topLogprobs !== undefined,
    verbosity: request.verbosity !== undefined,
    metadata: request.metadata !== undefined,
    prompt_cache_key: request.cacheKey !== undefined,
  }
  for (const [name, isGiven] of Object.entries(unsaid)) if (isGiven) dropped.add(name)
  for (const [name, value] of Object.entries(request.extras)) if (!isOwn(request, name, value)) dropped.add(name)
}

/** A Messages caller's members that the middle form has no word for can be said here as they came; pieces of its messages cannot. */
function isOwn({ dialect }: ChatRequest, name: string, value: Json | undefined): boolean {
  if (dialect !== 'messages') return false
  return name.startsWith('tools[].') ? Array.isArray(value) : !name.startsWith('messages[]')
}

function ownExtras(request: ChatRequest): Members {
  const plain = Object.entries(request.extras).filter(([name, value]) => isOwn(request, name, value) && !/[[.]/.test(name))
  return Object.fromEntries(plain)
}

/** Extras that stand inside a member, such as `output_config.task_budget`. */
function extrasOf(request: ChatRequest, member: string): Members {
  if (request.dialect !== 'messages') return {}
  const inside = Object.entries(request.extras).filter(([name]) => name.startsWith(`${member}.`))
  return Object.fromEntries(inside.map(([name, value]) => [name.slice(member.length + 1), value]))
}

function toOutputConfig(scope: Scope, effort: string | undefined): JsonObject | undefined {
  const { request, model, dropped } = scope
  const { output } = request
  const hasFormat = output?.type === 'schema' && model.schema
  if (output !== undefined && output.type !== 'text' && !hasFormat) dropped.add('response_format')
  const config: Members = {
    ...extrasOf(request, 'output_config'),
    ...(effort === undefined ? {} : { effort }),
    ...(hasFormat ? { format: { type: 'json_schema', schema: toSchema(output.schema, scope) } } : {}),
  }
  return Object.keys(config).length === 0 ? undefined : config
}

/** A Messages caller writes for this wire; schemas of others are fitted. */
function toSchema(schema: JsonObject, { request, dropped }: Scope): JsonObject {
  if (request.dialect === 'messages') return schema
  const fitted = fitSchema(schema)
  for (const keyword of fitted.lost) dropped.add(`response_format.json_schema.schema.${keyword}`)
  return fitted.schema
}

function toSampling({ request, model, dropped }: Scope, isThinking: boolean): Members {
  const { temperature, topP, topK } = request
  const members: Members = {}
  if (temperature !== undefined) {
    const clamped = Math.min(1, Math.max(0, temperature))
    if (model.sampling !== 'none' && (!isThinking || clamped === 1)) members['temperature'] = clamped
    if (members['temperature'] !== temperature) dropped.add('temperature')
  }
  if (topP !== undefined) {
    const isTaken = model.sampling === 'one' && members['temperature'] !== undefined
    if (model.sampling === 'none' || isTaken || (isThinking && topP < 0.95)) dropped.add('top_p')
    else members['top_p'] = topP
  }
  if (topK !== undefined) {
    if (model.sampling === 'none' || isThinking) dropped.add('top_k')
    else members['top_k'] = topK
  }
  const stop = request.stop?.filter((sequence) => sequence.trim() !== '')
  if (stop !== undefined && stop.length < (request.stop?.length ?? 0)) dropped.add('stop')
  if (stop !== undefined && stop.length > 0) members['stop_sequences'] = stop
  return members
}

const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  default: 'standard_only',
  standard: 'standard_only',
  standard_only: 'standard_only',
}

function toService({ request, dropped }: Scope): Members {
  const { serviceTier, user } = request
  const tier = serviceTier !== undefined && Object.hasOwn(TIERS, serviceTier) ? TIERS[serviceTier] : undefined
  if (serviceTier !== undefined && tier === undefined) dropped.add('service_tier')
  const metadata: Members = { ...extrasOf(request, 'metadata'), ...(user === undefined ? {} : { user_id: user }) }
  return {
    ...(tier === undefined ? {} : { service_tier: tier }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  }
}

import type { Json, JsonObject } from '../../core/json.ts'
import { objectOf } from '../loose-json.ts'
import { effortOf } from '../effort.ts'
import type { ChatRequest, DialectName, OutputFormat, Tool, ToolChoice } from '../middle.ts'
import type { EncodedRequest, Quirks, TargetProfile } from '../wire.ts'
import { systemMessages, turnMessages, type TurnsContext } from './chat-turns.ts'
import { createToolNames } from './tool-names.ts'

/** Writes a request of the middle form. What cannot be said is listed. */
export function encodeChatRequest(request: ChatRequest, target: TargetProfile): EncodedRequest {
  const quirks = target.quirks ?? {}
  const dropped = new Set<string>()
  const drop = (name: string) => void dropped.add(callerName(request.dialect, name))
  const names = createToolNames(request)
  const context: TurnsContext = { family: target.family, quirks, caches: canCache(request, target), sentName: names.sent, drop }
  const writing: Writing = { request, target, quirks, context }
  const body: Record<string, Json | undefined> = {
    model: target.model,
    messages: [...systemMessages(request.system, context), ...turnMessages(request.turns, context)],
    ...toolMembers(writing),
    ...sampling(request, quirks),
    ...meaning(writing),
    ...extras(request, drop),
    ...streaming(request, quirks),
  }
  for (const name of quirks.rejects ?? []) {
    if (body[name] !== undefined && name !== 'stream_options') drop(name)
    delete body[name]
  }
  for (const [from, to] of Object.entries(quirks.renames ?? {})) {
    if (body[from] === undefined || from === to) continue
    body[to] = body[from]
    delete body[from]
  }
  const toolNames = names.renamed()
  const encoded = { body: withoutAbsent(body), dropped: [...dropped] }
  return toolNames === undefined ? encoded : { ...encoded, toolNames }
}

interface Writing {
  readonly request: ChatRequest
  readonly target: TargetProfile
  readonly quirks: Quirks
  readonly context: TurnsContext
}

type Members = Record<string, Json | undefined>

function withoutAbsent(members: Members): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

/** OpenAI's breakpoints are for those who know them; hints of other dialects would make older models refuse the request. */
function canCache(request: ChatRequest, target: TargetProfile): boolean {
  return target.family === 'openai' && request.dialect !== 'messages'
}

/** What is lost, by the name the caller's dialect has for it. */
const CALLER_NAMES: Readonly<Record<DialectName, Readonly<Record<string, string>>>> = {
  chat: { max_completion_tokens: 'max_tokens', cache_control: 'prompt_cache_breakpoint' },
  responses: {
    max_completion_tokens: 'max_output_tokens',
    cache_control: 'prompt_cache_breakpoint',
    reasoning_effort: 'reasoning',
    response_format: 'text.format',
    verbosity: 'text.verbosity',
  },
  messages: {
    max_completion_tokens: 'max_tokens',
    stop: 'stop_sequences',
    reasoning_effort: 'thinking',
    response_format: 'output_config.format',
    user: 'metadata.user_id',
    parallel_tool_calls: 'disable_parallel_tool_use',
  },
}

function callerName(dialect: DialectName, name: string): string {
  const names = CALLER_NAMES[dialect]
  return Object.hasOwn(names, name) ? (names[name] ?? name) : name
}

function sampling(request: ChatRequest, quirks: Quirks): Members {
  return {
    [quirks.maxTokensField ?? 'max_completion_tokens']: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stop,
    seed: request.seed,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    logit_bias: request.logitBias,
    logprobs: request.logprobs,
    top_logprobs: request.topLogprobs,
    verbosity: request.verbosity,
    user: request.user,
    prompt_cache_key: request.cacheKey,
  }
}

/** Members that need a decision: what the target has no word for is listed. */
function meaning({ request, target, quirks, context: { drop } }: Writing): Members {
  const hasTopK = Object.hasOwn(quirks.renames ?? {}, 'top_k')
  if (request.topK !== undefined && !hasTopK) drop('top_k')
  // OpenAI takes metadata only with an answer it is to store
  const keepsMetadata = target.family !== 'openai' || request.extras['store'] === true
  if (request.metadata !== undefined && !keepsMetadata) drop('metadata')
  // an answer of the middle form is one answer: more would be paid for and thrown away
  if (request.n !== undefined && request.n > 1) drop('n')
  // a model that decides by itself is what saying nothing means; few models know more than `high`
  const effort = request.reasoning === undefined ? undefined : effortOf(request.reasoning, 'high')
  const isEffortLost = target.reasons === false && effort !== undefined
  if (isEffortLost && effort !== 'none') drop('reasoning_effort')
  if (request.reasoning?.summary !== undefined && request.reasoning.summary !== 'omitted') drop('reasoning.summary')
  return {
    top_k: hasTopK ? request.topK : undefined,
    metadata: keepsMetadata ? request.metadata : undefined,
    reasoning_effort: isEffortLost ? undefined : effort,
    service_tier: request.serviceTier === 'standard_only' ? 'default' : request.serviceTier,
    response_format: request.output === undefined ? undefined : responseFormat(request.output),
  }
}

function responseFormat(output: OutputFormat): JsonObject {
  if (output.type !== 'schema') return { type: output.type === 'json' ? 'json_object' : 'text' }
  const { name = 'answer', description, schema, strict } = output
  return { type: 'json_schema', json_schema: withoutAbsent({ name, description, schema, strict }) }
}

function toolMembers({ request, target, quirks, context }: Writing): Members {
  const { tools, toolChoice } = request
  if (tools.some(({ cache }) => cache !== undefined)) context.drop('cache_control')
  if (tools.length === 0) {
    // without tools these members are refused, and say nothing
    if (toolChoice !== undefined && toolChoice.type !== 'auto' && toolChoice.type !== 'none') context.drop('tool_choice')
    return {}
  }
  // a subset is OpenAI's own word; elsewhere only the tools of the subset are offered
  const subset = toolChoice?.type === 'subset' && target.family !== 'openai' ? new Set(toolChoice.names) : undefined
  const offered = subset === undefined ? tools : tools.filter(({ name }) => subset.has(name))
  return {
    tools: offered.map((tool) => toolMember(tool, context)),
    tool_choice: toolChoice === undefined ? undefined : choiceMember(toolChoice, quirks, context, subset !== undefined),
    parallel_tool_calls: request.parallelTools,
  }
}

function toolMember({ name, description, schema, strict }: Tool, context: TurnsContext): JsonObject {
  return { type: 'function', function: withoutAbsent({ name: context.sentName(name), description, parameters: schema, strict }) }
}

function choiceMember(choice: ToolChoice, quirks: Quirks, context: TurnsContext, isFiltered: boolean): Json {
  const required = quirks.toolChoiceRequired ?? 'required'
  const named = (name: string) => ({ type: 'function', function: { name: context.sentName(name) } })
  switch (choice.type) {
    case 'auto':
    case 'none':
      return choice.type
    case 'required':
      return required
    case 'tool':
      return named(choice.name)
    case 'subset':
      if (isFiltered) return choice.required ? required : 'auto'
      return {
        type: 'allowed_tools',
        allowed_tools: { mode: choice.required ? 'required' : 'auto', tools: choice.names.map(named) },
      }
  }
}

/** Members without a word in the middle form can be said again only where the caller spoke this wire. */
function extras(request: ChatRequest, drop: (name: string) => void): Members {
  const said: Members = {}
  for (const [name, value] of Object.entries(request.extras)) {
    if (request.dialect === 'chat' && /^\w+$/.test(name)) said[name] = value
    else drop(name)
  }
  return said
}

function streaming(request: ChatRequest, quirks: Quirks): Members {
  if (!request.stream) return {}
  const asked = request.extras['stream_options']
  const options = objectOf(asked)
  return { stream: true, stream_options: (quirks.usage ?? 'ask') === 'ask' ? { ...options, include_usage: true } : undefined }
}

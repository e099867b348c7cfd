import type { JsonObject } from '../../core/json.ts'
import type { ChatRequest, Tool, ToolChoice } from '../middle.ts'
import type { ConverseContext } from './converse-context.ts'

/** The tools of a request, as far as they are written. */
export interface WrittenTools {
  /** What the model may call; empty when the tools of the history are only named. */
  readonly offered: readonly Tool[]
  readonly specs: readonly JsonObject[]
}

/** Writes the tools: required as soon as the history has calls, even when no tool is offered any more. */
export function toTools(request: ChatRequest, context: ConverseContext): WrittenTools {
  const used = usedNames(request)
  const offered = offeredTools(request, used.length > 0, context)
  if (offered.length === 0 && used.length === 0) noteNothingOffered(request, context)
  // Tools the caller no longer offers are named without their parameters: the history cannot stand without them.
  if (offered.length === 0 && used.length > 0) context.dropped.add('tools')
  const written = offered.length > 0 ? offered : used.map((name): Tool => ({ name, schema: { type: 'object' } }))
  return { offered, specs: written.flatMap((tool) => [toToolSpec(tool, context), ...toolCache(tool, context)]) }
}

/** Writes `toolConfig`. */
export function toToolConfig(
  request: ChatRequest,
  { offered, specs }: WrittenTools,
  context: ConverseContext,
  thinks: boolean,
): JsonObject {
  if (specs.length === 0) return {}
  const choice = toChoice(request, offered, context, thinks)
  return { toolConfig: { tools: context.withoutSurplus(specs), ...(choice === undefined ? {} : { toolChoice: choice }) } }
}

/** How a Claude model is told to call one tool at a time: a member of its own, beside `toolConfig`. */
export function toSingleCall(
  request: ChatRequest,
  { specs }: WrittenTools,
  context: ConverseContext,
  thinks: boolean,
): JsonObject {
  const { parallelTools, toolChoice } = request
  if (parallelTools !== false || specs.length === 0) return {}
  // Two words on the same matter must agree, and only `auto` is sure to: a forced call keeps `toolConfig` alone.
  const isForced = isDemand(toolChoice) && !thinks
  if (context.model.claude !== undefined && !isForced) return { tool_choice: { type: 'auto', disable_parallel_tool_use: true } }
  context.dropped.add('parallel_tool_calls')
  return {}
}

function isDemand(choice: ToolChoice | undefined): boolean {
  return choice?.type === 'required' || choice?.type === 'tool' || (choice?.type === 'subset' && choice.required)
}

function noteNothingOffered({ tools, toolChoice, parallelTools }: ChatRequest, { dropped }: ConverseContext): void {
  if (isDemand(toolChoice) || toolChoice?.type === 'subset') dropped.add('tool_choice')
  if (parallelTools === false && tools.length === 0) dropped.add('parallel_tool_calls')
}

/** The wire has no `none`: without calls in the history the tools stay away, with them they must be named and the choice is lost. */
function offeredTools({ tools, toolChoice }: ChatRequest, hasHistory: boolean, { dropped }: ConverseContext): readonly Tool[] {
  if (toolChoice?.type === 'none') {
    if (!hasHistory) return []
    if (tools.length > 0) dropped.add('tool_choice')
    return tools
  }
  if (toolChoice?.type !== 'subset') return tools
  const kept = tools.filter(({ name }) => toolChoice.names.includes(name))
  if (kept.length > 0 || !hasHistory) return kept
  dropped.add('tool_choice')
  return tools
}

function usedNames({ turns }: ChatRequest): string[] {
  const calls = turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])))
  return [...new Set(calls)]
}

function toToolSpec(tool: Tool, { model, names, dropped }: ConverseContext): JsonObject {
  const isStrict = tool.strict === true && model.schemas
  if (tool.strict === true && !isStrict) dropped.add('tools[].strict')
  const schema = tool.schema['type'] === undefined ? { ...tool.schema, type: 'object' } : tool.schema
  return {
    toolSpec: {
      name: names.sent(tool.name),
      ...(tool.description === undefined || tool.description.trim() === '' ? {} : { description: tool.description }),
      inputSchema: { json: schema },
      ...(isStrict ? { strict: true } : {}),
    },
  }
}

/** Nova caches messages and system, not tools. */
function toolCache(tool: Tool, context: ConverseContext): JsonObject[] {
  if (tool.cache === undefined) return []
  if (!context.model.isNova) return context.cachePoints(tool.cache)
  context.dropped.add('cache_control')
  return []
}

function toChoice(
  { toolChoice }: ChatRequest,
  offered: readonly Tool[],
  context: ConverseContext,
  thinks: boolean,
): JsonObject | undefined {
  const forced = toForced(toolChoice, offered, context)
  if (forced === undefined) return undefined
  // A model that thinks may not be forced to call.
  if (!thinks) return forced
  context.dropped.add('tool_choice')
  return undefined
}

/** `auto` is what the wire does by itself; some models refuse to be told. */
function toForced(choice: ToolChoice | undefined, offered: readonly Tool[], context: ConverseContext): JsonObject | undefined {
  if (choice === undefined || !isDemand(choice)) return undefined
  if (offered.length === 0) {
    context.dropped.add('tool_choice')
    return undefined
  }
  return choice.type === 'tool' ? { tool: { name: context.names.sent(choice.name) } } : { any: {} }
}

import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Tool, ToolChoice } from '../middle.ts'
import { fitSchema } from './messages-schema.ts'
import { withCache, type Block, type Scope } from './messages-scope.ts'
import type { Message } from './messages-turns.ts'

/** Tools as this wire says them: those of the caller, and what a Messages caller offered that the middle form has no word for. */
export function toTools(scope: Scope): Block[] {
  const { tools, toolChoice } = scope.request
  const names = toolChoice?.type === 'subset' ? new Set(toolChoice.names) : undefined
  return [...tools.filter(({ name }) => names?.has(name) ?? true).map((tool) => toTool(tool, scope)), ...hostedTools(scope)]
}

function toTool(tool: Tool, scope: Scope): Block {
  const { description, strict } = tool
  const isStrict = strict === true && scope.model.schema
  if (strict === true && !isStrict) scope.dropped.add('tools[].strict')
  const schema = isStrict ? enforceable(tool.schema, scope) : tool.schema
  const block: Block = {
    name: scope.names.sent(tool.name),
    ...(description === undefined ? {} : { description }),
    input_schema: schema['type'] === 'object' ? schema : { ...schema, type: 'object' },
    ...(isStrict ? { strict } : {}),
  }
  return withCache(block, tool.cache, scope)
}

function enforceable(schema: JsonObject, { request, dropped }: Scope): JsonObject {
  if (request.dialect === 'messages') return schema
  const fitted = fitSchema(schema)
  for (const keyword of fitted.lost) dropped.add(`tools[].parameters.${keyword}`)
  return fitted.schema
}

function hostedTools({ request }: Scope): Block[] {
  if (request.dialect !== 'messages') return []
  return Object.entries(request.extras).flatMap(([name, value]) =>
    name.startsWith('tools[].') && Array.isArray(value) ? value.filter(isJsonObject) : [],
  )
}

/** Calls in the history need tools to refer to, also when the caller offers none any more. */
export function toolsOfHistory(messages: readonly Message[]): Block[] {
  const names = messages.flatMap(({ content }) =>
    content.flatMap((block) => (block['type'] === 'tool_use' ? [block['name']] : [])),
  )
  return [...new Set(names)].map((name) => ({ name, input_schema: { type: 'object' } }))
}

/** Which tool to call. Thinking leaves the model free: a forced choice becomes `auto`. */
export function toToolChoice(scope: Scope, hasTools: boolean, isThinking: boolean): JsonObject | undefined {
  const { toolChoice, parallelTools } = scope.request
  if (!hasTools) {
    if (toolChoice !== undefined && toolChoice.type !== 'auto' && toolChoice.type !== 'none') scope.dropped.add('tool_choice')
    if (parallelTools === false) scope.dropped.add('parallel_tool_calls')
    return undefined
  }
  const wanted = toolChoice === undefined ? undefined : choiceOf(toolChoice, scope)
  const isForced = wanted?.['type'] === 'any' || wanted?.['type'] === 'tool'
  if (isForced && isThinking) scope.dropped.add('tool_choice')
  const choice = isForced && isThinking ? { type: 'auto' } : wanted
  if (parallelTools === undefined || choice?.['type'] === 'none') return choice
  if (parallelTools && choice === undefined) return undefined
  return { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: !parallelTools }
}

function choiceOf(choice: ToolChoice, { names }: Scope): Readonly<Record<string, Json>> {
  if (choice.type === 'tool') return { type: 'tool', name: names.sent(choice.name) }
  if (choice.type === 'subset') return { type: choice.required ? 'any' : 'auto' }
  return { type: choice.type === 'required' ? 'any' : choice.type }
}

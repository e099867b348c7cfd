import type { JsonObject } from '../../core/json.ts'
import type { ChatRequest, Tool, ToolChoice } from '../middle.ts'
import { takesJsonSchema, type GeminiModel } from './gemini-model.ts'
import { toGeminiSchema } from './gemini-schema.ts'
import type { ToolNames } from './tool-names.ts'

/** What writing tools shares over one request. */
export interface ToolContext {
  readonly model: GeminiModel
  readonly names: ToolNames
  readonly dropped: Set<string>
}

/** Writes `tools` and `toolConfig`. */
export function toTools(request: ChatRequest, context: ToolContext): JsonObject {
  const { toolChoice } = request
  if (request.parallelTools === false) context.dropped.add('parallel_tool_calls')
  if (request.tools.length === 0) {
    if (toolChoice !== undefined) context.dropped.add('tool_choice')
    return {}
  }
  const functionDeclarations = offered(request.tools, toolChoice).map((tool) => toDeclaration(tool, context))
  const functionCallingConfig = toolChoice === undefined ? undefined : toMode(toolChoice, request.tools, context.names)
  return {
    tools: [{ functionDeclarations }],
    ...(functionCallingConfig === undefined ? {} : { toolConfig: { functionCallingConfig } }),
  }
}

/** Names can be restricted only where a call is demanded, so a subset the model may also leave alone is what it gets to see. */
function offered(tools: readonly Tool[], choice: ToolChoice | undefined): readonly Tool[] {
  if (choice?.type !== 'subset' || choice.required) return tools
  const wanted = new Set(choice.names)
  const kept = tools.filter(({ name }) => wanted.has(name))
  return kept.length > 0 ? kept : tools
}

function toMode(choice: ToolChoice, tools: readonly Tool[], names: ToolNames): JsonObject {
  const known = new Set(tools.map(({ name }) => name))
  switch (choice.type) {
    case 'auto':
      return { mode: 'AUTO' }
    case 'none':
      return { mode: 'NONE' }
    case 'required':
      return { mode: 'ANY' }
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [names.sent(choice.name)] }
    case 'subset':
      if (choice.required) return { mode: 'ANY', allowedFunctionNames: choice.names.map((name) => names.sent(name)) }
      return { mode: choice.names.some((name) => known.has(name)) ? 'AUTO' : 'NONE' }
  }
}

function toDeclaration(tool: Tool, { model, names, dropped }: ToolContext): JsonObject {
  if (tool.strict === true) dropped.add('tools[].strict')
  if (tool.cache !== undefined) dropped.add('cache_control')
  const words = { name: names.sent(tool.name), description: tool.description ?? tool.name }
  if (takesJsonSchema(model))
    return Object.keys(tool.schema).length === 0 ? words : { ...words, parametersJsonSchema: tool.schema }
  const { schema, lost } = toGeminiSchema(tool.schema)
  for (const keyword of lost) dropped.add(`tools[].parameters.${keyword}`)
  // An object without properties is refused; a function without parameters is not.
  return schema['properties'] === undefined ? words : { ...words, parameters: schema }
}

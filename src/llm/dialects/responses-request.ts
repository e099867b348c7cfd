import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { ChatRequest, OutputFormat, Reasoning, Tool, ToolChoice } from '../middle.ts'
import { append, readInput } from './responses-input.ts'
import {
  needText,
  readFlag,
  readInteger,
  readNumber,
  readObject,
  readObjects,
  readText,
  readWord,
  refusal,
  valueOf,
} from './responses-read.ts'

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const

/** Members that have a word in the middle form; every other one is an extra. */
const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'input',
  'instructions',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'reasoning',
  'text',
  'metadata',
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'service_tier',
  'stream',
  'include',
])

/** Members that, with these values, ask for nothing another wire would not do anyway. */
const ORDINARY: Readonly<Record<string, (value: Json) => boolean>> = {
  store: (value) => value === false,
  background: (value) => value === false,
  truncation: (value) => value === 'disabled',
  stream_options: (value) => isJsonObject(value) && value['include_obfuscation'] !== true,
}

/** Values of `include` that the middle form says otherwise. */
const LOGPROBS = 'message.output_text.logprobs'
const ENCRYPTED = 'reasoning.encrypted_content'

/** Reads a request of the Responses dialect. */
export function decodeResponsesRequest(body: JsonObject): ChatRequest {
  const model = needText({ holder: body, name: 'model' })
  const instructions = readText({ holder: body, name: 'instructions' })
  const { system, turns, others } = readInput(body)
  if ((body['input'] ?? undefined) === undefined && needsSameWire(body).length === 0)
    throw refusal('input', 'text or a list of items')
  const { tools, hosted } = readTools(body)
  const choice = readToolChoice(body)
  const { included, logprobs } = readInclude(body)
  return {
    dialect: 'responses',
    model,
    system: instructions === undefined ? system : [{ type: 'text', text: instructions }, ...system],
    turns,
    tools,
    stream: readFlag({ holder: body, name: 'stream' }) ?? false,
    includeUsage: true,
    ...defined({ toolChoice: choice?.said, logprobs }),
    ...readSettings(body),
    extras: {
      ...extrasOf(body),
      ...prefixed('input[].', others),
      ...prefixed('tools[].', hosted),
      ...defined({ tool_choice: choice?.unsaid, include: included.length === 0 ? undefined : included }),
    },
  }
}

/** Names what in a body only the Responses wire of the same provider can honour: without it, the request would mean something else. */
export function needsSameWire(body: JsonObject): string[] {
  const named = ['previous_response_id', 'conversation', 'prompt'].filter((name) => (body[name] ?? undefined) !== undefined)
  if (body['background'] === true) named.push('background')
  const items = Array.isArray(body['input']) ? body['input'] : []
  for (const type of ['item_reference', 'compaction'])
    if (items.some((item: unknown) => isJsonObject(item) && item['type'] === type)) named.push(`input[].${type}`)
  return named
}

/** Without the members that say nothing. */
function defined<Members extends object>(members: Members): { [Name in keyof Members]?: NonNullable<Members[Name]> } {
  const said = Object.entries(members).filter(([, value]) => value !== undefined && value !== null)
  // Only members with undefined or null were left out.
  return Object.fromEntries(said) as { [Name in keyof Members]?: NonNullable<Members[Name]> }
}

function prefixed(prefix: string, lists: ReadonlyMap<string, readonly JsonObject[]>): JsonObject {
  return Object.fromEntries([...lists].map(([type, list]) => [`${prefix}${type}`, list]))
}

function extrasOf(body: JsonObject): JsonObject {
  const extras = Object.entries(body).filter(([name, value]) => {
    if (value === undefined || value === null || KNOWN.has(name)) return false
    return !(Object.hasOwn(ORDINARY, name) && ORDINARY[name]?.(value) === true)
  })
  return Object.fromEntries(extras)
}

function readSettings(body: JsonObject): Partial<ChatRequest> {
  const text = readObject({ holder: body, name: 'text' }) ?? {}
  return defined({
    parallelTools: readFlag({ holder: body, name: 'parallel_tool_calls' }),
    maxTokens: readInteger({ holder: body, name: 'max_output_tokens' }, 1),
    temperature: readNumber({ holder: body, name: 'temperature' }, 0, 2),
    topP: readNumber({ holder: body, name: 'top_p' }, 0, 1),
    topLogprobs: readTopLogprobs(body),
    reasoning: readReasoning(body),
    output: readFormat(text),
    verbosity: readText({ holder: text, name: 'verbosity', at: 'text.' }),
    metadata: readObject({ holder: body, name: 'metadata' }),
    user: readText({ holder: body, name: 'safety_identifier' }) ?? readText({ holder: body, name: 'user' }),
    cacheKey: readText({ holder: body, name: 'prompt_cache_key' }),
    serviceTier: readText({ holder: body, name: 'service_tier' }),
  })
}

function readTopLogprobs(body: JsonObject): number | undefined {
  const most = readInteger({ holder: body, name: 'top_logprobs' }, 0)
  if (most !== undefined && most > 20) throw refusal('top_logprobs', 'a whole number from 0 to 20')
  return most
}

function readInclude(body: JsonObject): { readonly included: readonly string[]; readonly logprobs?: true } {
  const include = valueOf({ holder: body, name: 'include' }) ?? []
  if (!Array.isArray(include)) throw refusal('include', 'a list of texts')
  const words = include.filter((word: Json): word is string => typeof word === 'string')
  const top = body['top_logprobs']
  const wantsLogprobs = words.includes(LOGPROBS) || (typeof top === 'number' && top > 0)
  const included = words.filter((word) => word !== LOGPROBS && word !== ENCRYPTED)
  return wantsLogprobs ? { included, logprobs: true } : { included }
}

function readReasoning(body: JsonObject): Reasoning | undefined {
  const holder = readObject({ holder: body, name: 'reasoning' })
  if (holder === undefined) return undefined
  const effort = readWord({ holder, name: 'effort', at: 'reasoning.' }, EFFORTS)
  const summary = readText({ holder, name: 'summary', at: 'reasoning.' })
  const older = readText({ holder, name: 'generate_summary', at: 'reasoning.' })
  const reasoning = defined({ effort, summary: summary ?? older })
  return Object.keys(reasoning).length === 0 ? undefined : reasoning
}

function readFormat(text: JsonObject): OutputFormat | undefined {
  const holder = readObject({ holder: text, name: 'format', at: 'text.' })
  if (holder === undefined) return undefined
  const at = 'text.format.'
  const type = readWord({ holder, name: 'type', at }, ['text', 'json_object', 'json_schema'])
  if (type === 'text') return { type: 'text' }
  if (type === 'json_object') return { type: 'json' }
  const schema = readObject({ holder, name: 'schema', at })
  if (schema === undefined) throw refusal(`${at}schema`, 'a JSON Schema object')
  const name = readText({ holder, name: 'name', at })
  const description = readText({ holder, name: 'description', at })
  return { type: 'schema', schema, ...defined({ name, description, strict: readFlag({ holder, name: 'strict', at }) }) }
}

interface ReadTools {
  readonly tools: readonly Tool[]
  /** Tools that are not functions, by their types. */
  readonly hosted: ReadonlyMap<string, readonly JsonObject[]>
}

function readTools(body: JsonObject): ReadTools {
  const tools: Tool[] = []
  const hosted = new Map<string, JsonObject[]>()
  for (const [index, holder] of (readObjects({ holder: body, name: 'tools' }) ?? []).entries()) {
    const at = `tools[${index}].`
    const type = needText({ holder, name: 'type', at })
    if (type === 'function') tools.push(readTool(holder, at))
    else append(hosted, type, holder)
  }
  return { tools, hosted }
}

function readTool(holder: JsonObject, at: string): Tool {
  const name = needText({ holder, name: 'name', at })
  if (name === '') throw refusal(`${at}name`, 'text that is not empty')
  const description = readText({ holder, name: 'description', at })
  const schema = readObject({ holder, name: 'parameters', at }) ?? { type: 'object', properties: {} }
  return { name, schema, ...defined({ description, strict: readFlag({ holder, name: 'strict', at }) }) }
}

/** What is said of tools in the middle form, or what only this wire can say (a hosted tool). */
function readToolChoice(body: JsonObject): { readonly said?: ToolChoice; readonly unsaid?: Json } | undefined {
  const choice = valueOf({ holder: body, name: 'tool_choice' })
  if (choice === undefined) return undefined
  if (choice === 'auto' || choice === 'required' || choice === 'none') return { said: { type: choice } }
  if (!isJsonObject(choice)) throw refusal('tool_choice', 'auto, required, none or an object')
  const at = 'tool_choice.'
  if (choice['type'] === 'function') return { said: { type: 'tool', name: needText({ holder: choice, name: 'name', at }) } }
  if (choice['type'] !== 'allowed_tools') return { unsaid: choice }
  const mode = readWord({ holder: choice, name: 'mode', at }, ['auto', 'required'])
  const tools = readObjects({ holder: choice, name: 'tools', at }) ?? []
  if (tools.some((tool) => tool['type'] !== 'function')) return { unsaid: choice }
  const names = tools.map((tool, index) => needText({ holder: tool, name: 'name', at: `${at}tools[${index}].` }))
  return { said: { type: 'subset', names, required: mode === 'required' } }
}

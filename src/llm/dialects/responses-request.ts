import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { createReader, fault, objectAt, type Reader } from '../body-reader.ts'
import { EFFORTS } from '../effort.ts'
import type { ChatRequest, OutputFormat, Reasoning, Tool, ToolChoice } from '../middle.ts'
import { append, needText, readInput } from './responses-request-input.ts'

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

const REASONING: ReadonlySet<string> = new Set(['effort', 'summary', 'generate_summary'])
const TEXT: ReadonlySet<string> = new Set(['format', 'verbosity'])
const TOOL: ReadonlySet<string> = new Set(['type', 'name', 'description', 'parameters', 'strict'])

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
  const reader = createReader(body, '$')
  const model = needText(reader, 'model')
  const instructions = reader.text('instructions')
  if (reader.raw('input') === undefined && needsSameWire(body).length === 0)
    throw fault('$.input', 'must be text or a list of items')
  const { system, turns, others } = readInput(reader)
  const { tools, hosted, unsaid } = readTools(reader)
  const choice = readToolChoice(reader)
  const { included, logprobs } = readInclude(reader)
  return {
    dialect: 'responses',
    model,
    system: instructions === undefined ? system : [{ type: 'text', text: instructions }, ...system],
    turns,
    tools,
    stream: reader.flag('stream') ?? false,
    includeUsage: true,
    ...defined({ toolChoice: choice.said, logprobs }),
    ...readSettings(reader),
    extras: {
      ...extrasOf(body),
      ...innerExtras(reader.object('reasoning'), 'reasoning.', REASONING),
      ...innerExtras(reader.object('text'), 'text.', TEXT),
      ...prefixed('input[].', others),
      ...prefixed('tools[].', hosted),
      ...unsaid,
      ...defined({ tool_choice: choice.unsaid, include: included.length === 0 ? undefined : included }),
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

/** Members of an object inside the body that have no word in the middle form, by their paths. */
function innerExtras(object: JsonObject | undefined, prefix: string, known: ReadonlySet<string>): JsonObject {
  const extras = Object.entries(object ?? {}).filter(([name, value]) => !known.has(name) && value !== undefined && value !== null)
  return Object.fromEntries(extras.map(([name, value]) => [`${prefix}${name}`, value]))
}

function readSettings(reader: Reader): Partial<ChatRequest> {
  const text = createReader(reader.object('text') ?? {}, '$.text')
  return defined({
    parallelTools: reader.flag('parallel_tool_calls'),
    maxTokens: reader.integer('max_output_tokens', 1),
    temperature: reader.number('temperature', 0, 2),
    topP: reader.number('top_p', 0, 1),
    topLogprobs: reader.integer('top_logprobs', 0, 20),
    reasoning: readReasoning(reader),
    output: readFormat(text),
    verbosity: text.text('verbosity'),
    metadata: reader.object('metadata'),
    user: reader.text('safety_identifier') ?? reader.text('user'),
    cacheKey: reader.text('prompt_cache_key'),
    serviceTier: reader.text('service_tier'),
  })
}

/** Words of `include` for which the middle form has no word, and whether log-probabilities are asked for. */
function readInclude(reader: Reader): { readonly included: readonly string[]; readonly logprobs: true | undefined } {
  const words = (reader.array('include') ?? []).filter((word) => typeof word === 'string')
  const top = reader.raw('top_logprobs')
  const wantsLogprobs = words.includes(LOGPROBS) || (typeof top === 'number' && top > 0)
  return {
    included: words.filter((word) => word !== LOGPROBS && word !== ENCRYPTED),
    logprobs: wantsLogprobs ? true : undefined,
  }
}

function readReasoning(reader: Reader): Reasoning | undefined {
  const inner = createReader(reader.object('reasoning') ?? {}, '$.reasoning')
  const summary = inner.text('summary') ?? inner.text('generate_summary')
  const reasoning = defined({ effort: inner.word('effort', EFFORTS), summary })
  return Object.keys(reasoning).length === 0 ? undefined : reasoning
}

function readFormat(text: Reader): OutputFormat | undefined {
  const format = text.object('format')
  if (format === undefined) return undefined
  const reader = createReader(format, text.at('format'))
  const type = reader.word('type', ['text', 'json_object', 'json_schema'])
  if (type === 'text') return { type: 'text' }
  if (type === 'json_object') return { type: 'json' }
  const schema = objectAt(reader.raw('schema'), reader.at('schema'))
  const [name, description] = [reader.text('name'), reader.text('description')]
  return { type: 'schema', schema, ...defined({ name, description, strict: reader.flag('strict') }) }
}

interface ReadTools {
  readonly tools: readonly Tool[]
  /** Tools that are not functions, by their types. */
  readonly hosted: ReadonlyMap<string, readonly JsonObject[]>
  /** Members of function tools that have no word, by their paths. */
  readonly unsaid: JsonObject
}

function readTools(body: Reader): ReadTools {
  const tools: Tool[] = []
  const hosted = new Map<string, JsonObject[]>()
  const unsaid: Record<string, Json | undefined> = {}
  for (const [index, value] of (body.array('tools') ?? []).entries()) {
    const path = `${body.at('tools')}[${index}]`
    const tool = objectAt(value, path)
    const reader = createReader(tool, path)
    const type = needText(reader, 'type')
    if (type !== 'function') {
      append(hosted, type, tool)
      continue
    }
    tools.push(readTool(reader))
    for (const name of Object.keys(innerExtras(tool, 'tools[].function.', TOOL))) unsaid[name] = true
  }
  return { tools, hosted, unsaid }
}

function readTool(reader: Reader): Tool {
  const name = needText(reader, 'name')
  if (name === '') throw fault(reader.at('name'), 'must not be empty')
  const schema = reader.object('parameters') ?? { type: 'object', properties: {} }
  return { name, schema, ...defined({ description: reader.text('description'), strict: reader.flag('strict') }) }
}

/** What is said of tools in the middle form, or what only this wire can say (a hosted tool). */
function readToolChoice(body: Reader): { readonly said?: ToolChoice; readonly unsaid?: Json } {
  const choice = body.raw('tool_choice')
  if (choice === undefined) return {}
  if (choice === 'auto' || choice === 'required' || choice === 'none') return { said: { type: choice } }
  if (!isJsonObject(choice)) throw fault('$.tool_choice', 'must be "auto", "required", "none" or an object')
  const reader = createReader(choice, '$.tool_choice')
  if (choice['type'] === 'function') return { said: { type: 'tool', name: needText(reader, 'name') } }
  if (choice['type'] !== 'allowed_tools') return { unsaid: choice }
  const required = reader.word('mode', ['auto', 'required']) === 'required'
  const tools = (reader.array('tools') ?? []).map((tool, index) => objectAt(tool, `$.tool_choice.tools[${index}]`))
  if (tools.some((tool) => tool['type'] !== 'function')) return { unsaid: choice }
  const names = tools.map((tool, index) => needText(createReader(tool, `$.tool_choice.tools[${index}]`), 'name'))
  return { said: { type: 'subset', names, required } }
}

import type { Json, JsonObject } from '../../core/json.ts'
import type { ChatRequest, OutputFormat, Part, Reasoning, TextPart, Tool, ToolChoice, Turn } from '../middle.ts'
import { refuseThread } from '../wires/messages-thread.ts'
import { createReader, fault, objectAt, type Reader } from '../body-reader.ts'
import {
  needText,
  readCache,
  readContent,
  readInstructions,
  readPlace,
  readPlaces,
  type Lost,
} from './messages-request-content.ts'

type Extras = Record<string, Json | undefined>

/** Reads a request of a Messages caller. */
export function decodeMessagesRequest(body: JsonObject): ChatRequest {
  refuseThread(body['thread'])
  const place = createReader(body, '$')
  const maxTokens = place.integer('max_tokens', 1)
  if (maxTokens === undefined) throw fault(place.at('max_tokens'), 'must be a whole number of at least 1; it is required')
  return { ...decodeMessagesCount(body), maxTokens }
}

/** Reads a request of `count_tokens`: the same without a bound for the answer. */
export function decodeMessagesCount(body: JsonObject): ChatRequest {
  const place = createReader(body, '$')
  const lost: Lost = {}
  const extras: Extras = Object.fromEntries(Object.entries(body).filter(([name, value]) => !KNOWN.has(name) && value !== null))
  const { system, turns } = readConversation(place, lost)
  return {
    dialect: 'messages',
    model: needText(place, 'model', 1),
    system,
    turns,
    ...readTools(place, extras),
    ...readSampling(place),
    ...readOutput(place, extras),
    ...readService(place, extras),
    stream: place.flag('stream') ?? false,
    includeUsage: true,
    extras: { ...extras, ...lost },
  }
}

const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'max_tokens',
  'system',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'stream',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'cache_control',
  'service_tier',
  'metadata',
])

function readConversation(place: Reader, lost: Lost): { readonly system: readonly TextPart[]; readonly turns: readonly Turn[] } {
  const messages = readPlaces(place, 'messages')
  if (messages === undefined || messages.length === 0) throw fault(place.at('messages'), 'must be a list of at least one message')
  const system = place.raw('system') === undefined ? [] : readInstructions(place, 'system', lost)
  const turns = named(messages.map((message) => readTurn(message, lost)))
  // Instructions before the first words of the conversation are what `system` is for.
  const first = turns.findIndex(({ role }) => role !== 'system')
  const leading = turns.slice(0, first === -1 ? turns.length : first).flatMap(({ parts }) => parts)
  return {
    system: [...system, ...leading.filter((part) => part.type === 'text')],
    turns: withFinalCache(first === -1 ? [] : turns.slice(first), place),
  }
}

function readTurn(message: Reader, lost: Lost): Turn {
  const role = message.word('role', ['user', 'assistant', 'system'])
  if (role === undefined) throw fault(message.at('role'), 'must be one of user, assistant, system')
  return { role, parts: role === 'system' ? readInstructions(message, 'content', lost) : readContent(message, 'content', lost) }
}

/** Results carry the name of the tool that was called, where the conversation holds the call. */
function named(turns: readonly Turn[]): Turn[] {
  const names = new Map<string, string>()
  const rename = (part: Part): Part => {
    if (part.type === 'tool-call') names.set(part.id, part.name)
    if (part.type !== 'tool-result') return part
    const name = names.get(part.callId)
    return name === undefined ? part : { ...part, name }
  }
  return turns.map(({ role, parts }) => ({ role, parts: parts.map(rename) }))
}

/** A top-level `cache_control` is a breakpoint after the last block that can have one. */
function withFinalCache(turns: readonly Turn[], place: Reader): readonly Turn[] {
  const { cache } = readCache(place)
  const last = turns.at(-1)
  const at = last?.parts.findLastIndex((part) => part.type !== 'reasoning') ?? -1
  if (cache === undefined || last === undefined || at === -1) return turns
  const parts = last.parts.map((part, index) => (index === at ? { cache, ...part } : part))
  return [...turns.slice(0, -1), { role: last.role, parts }]
}

const TOOL_MEMBERS: ReadonlySet<string> = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control'])

function readTools(place: Reader, extras: Extras): Pick<ChatRequest, 'tools' | 'toolChoice' | 'parallelTools'> {
  const tools: Tool[] = []
  for (const [index, item] of (place.array('tools') ?? []).entries()) {
    const path = `${place.at('tools')}[${index}]`
    const tool = objectAt(item, path)
    const type = createReader(tool, path).text('type') ?? 'custom'
    if (type === 'custom') tools.push(readTool(tool, path, extras))
    else {
      // Tools of the provider go back to a Messages provider as they came.
      const name = `tools[].${type.slice(0, 64)}`
      const before = extras[name]
      extras[name] = [...(Array.isArray(before) ? (before as Json[]) : []), tool] // `as`: only this line puts lists there
    }
  }
  const choice = readPlace(place, 'tool_choice')
  if (choice === undefined) return { tools }
  const isSingle = choice.flag('disable_parallel_tool_use')
  return { tools, toolChoice: readChoice(choice), ...(isSingle === undefined ? {} : { parallelTools: !isSingle }) }
}

function readTool(json: JsonObject, path: string, extras: Extras): Tool {
  const tool = createReader(json, path)
  const description = tool.text('description')
  const strict = tool.flag('strict')
  for (const [name, value] of Object.entries(json))
    if (!TOOL_MEMBERS.has(name) && value !== null && value !== undefined) extras[`tools[].${name.slice(0, 64)}`] ??= true
  return {
    name: needText(tool, 'name', 1),
    ...(description === undefined ? {} : { description }),
    schema: objectAt(tool.object('input_schema'), tool.at('input_schema')),
    ...(strict === undefined ? {} : { strict }),
    ...readCache(tool),
  }
}

function readChoice(choice: Reader): ToolChoice {
  const type = choice.word('type', ['auto', 'any', 'tool', 'none'])
  if (type === undefined) throw fault(choice.at('type'), 'must be one of auto, any, tool, none')
  if (type === 'tool') return { type, name: needText(choice, 'name', 1) }
  return { type: type === 'any' ? 'required' : type }
}

function readSampling(place: Reader): Pick<ChatRequest, 'temperature' | 'topP' | 'topK' | 'stop'> {
  const temperature = place.number('temperature', 0, 1)
  const topP = place.number('top_p', 0, 1)
  const topK = place.integer('top_k', 0)
  const stop = place.raw('stop_sequences')
  if (stop !== undefined && !isTexts(stop)) throw fault(place.at('stop_sequences'), 'must be a list of texts')
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(stop === undefined ? {} : { stop }),
  }
}

function isTexts(value: Json): value is readonly string[] {
  return Array.isArray(value) && value.every((item: unknown) => typeof item === 'string')
}

const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'] as const

function readOutput(place: Reader, extras: Extras): Pick<ChatRequest, 'reasoning' | 'output'> {
  const config = readPlace(place, 'output_config')
  const effort = config === undefined ? undefined : config.word('effort', EFFORTS)
  keepRest(place, 'output_config', { known: ['effort', 'format'], extras })
  const reasoning = readThinking(place, effort, extras)
  const format = config === undefined ? undefined : readPlace(config, 'format')
  const output = format === undefined ? undefined : readFormat(format)
  return { ...(reasoning === undefined ? {} : { reasoning }), ...(output === undefined ? {} : { output }) }
}

function readFormat(format: Reader): OutputFormat {
  if (format.text('type') !== 'json_schema') throw fault(format.at('type'), 'must be "json_schema"')
  return { type: 'schema', schema: objectAt(format.object('schema'), format.at('schema')), strict: true }
}

function readThinking(place: Reader, effort: (typeof EFFORTS)[number] | undefined, extras: Extras): Reasoning | undefined {
  const thinking = readPlace(place, 'thinking')
  const said = effort === undefined ? {} : { effort }
  if (thinking === undefined) return effort === undefined ? undefined : said
  const type = thinking.word('type', ['enabled', 'adaptive', 'disabled', 'between_tools'])
  if (type === 'disabled') {
    if (effort !== undefined) extras['output_config.effort'] = effort
    return { effort: 'none' }
  }
  if (type === 'between_tools') {
    extras['thinking'] = place.object('thinking')
    return effort === undefined ? undefined : said
  }
  const summary = thinking.word('display', ['summarized', 'omitted'])
  const shown = summary === undefined ? {} : { summary }
  if (type === 'adaptive') return { ...said, adaptive: true, ...shown }
  if (type === undefined) throw fault(thinking.at('type'), 'must be one of enabled, adaptive, disabled, between_tools')
  const budgetTokens = thinking.integer('budget_tokens', 1)
  if (budgetTokens === undefined) throw fault(thinking.at('budget_tokens'), 'must be a whole number of at least 1')
  return { ...said, budgetTokens, ...shown }
}

function readService(place: Reader, extras: Extras): Pick<ChatRequest, 'serviceTier' | 'user'> {
  const serviceTier = place.text('service_tier')
  const metadata = readPlace(place, 'metadata')
  const user = metadata === undefined ? undefined : metadata.text('user_id')
  keepRest(place, 'metadata', { known: ['user_id'], extras })
  return { ...(serviceTier === undefined ? {} : { serviceTier }), ...(user === undefined ? {} : { user }) }
}

/** Members inside a member that have no word in the middle form, under their path. */
function keepRest(place: Reader, member: string, { known, extras }: { known: readonly string[]; extras: Extras }): void {
  for (const [name, value] of Object.entries(place.object(member) ?? {}))
    if (!known.includes(name) && value !== null && value !== undefined) extras[`${member}.${name}`] = value
}

import type { Json, JsonObject } from '../../core/json.ts'
import type { ChatRequest, OutputFormat, Part, Reasoning, TextPart, Tool, ToolChoice, Turn } from '../middle.ts'
import { readCache, readContent, readInstructions, type Lost } from './messages-content.ts'
import {
  needPlace,
  needText,
  readFlag,
  readNumber,
  readPlace,
  readPlaces,
  readText,
  readWhole,
  readWord,
  refusal,
  valueOf,
  type Place,
} from './messages-read.ts'

type Extras = Record<string, Json | undefined>

/** Reads a request of a Messages caller. */
export function decodeMessagesRequest(body: JsonObject): ChatRequest {
  const place = { holder: body, at: '' }
  const maxTokens = readWhole(place, 'max_tokens', 1)
  if (maxTokens === undefined) throw refusal('max_tokens', 'a whole number of at least 1; it is required')
  return { ...decodeMessagesCount(body), maxTokens }
}

/** Reads a request of `count_tokens`: the same without a bound for the answer. */
export function decodeMessagesCount(body: JsonObject): ChatRequest {
  const place = { holder: body, at: '' }
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
    stream: readFlag(place, 'stream') ?? false,
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

function readConversation(place: Place, lost: Lost): { readonly system: readonly TextPart[]; readonly turns: readonly Turn[] } {
  const messages = readPlaces(place, 'messages')
  if (messages === undefined || messages.length === 0) throw refusal('messages', 'a list of at least one message')
  const system = valueOf(place, 'system') === undefined ? [] : readInstructions(place, 'system', lost)
  const turns = named(messages.map((message) => readTurn(message, lost)))
  // Instructions before the first words of the conversation are what `system` is for.
  const first = turns.findIndex(({ role }) => role !== 'system')
  const leading = turns.slice(0, first === -1 ? turns.length : first).flatMap(({ parts }) => parts)
  return {
    system: [...system, ...leading.filter((part) => part.type === 'text')],
    turns: withFinalCache(first === -1 ? [] : turns.slice(first), place),
  }
}

function readTurn(message: Place, lost: Lost): Turn {
  const role = readWord(message, 'role', ['user', 'assistant', 'system'])
  if (role === undefined) throw refusal(`${message.at}role`, 'one of user, assistant, system')
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
function withFinalCache(turns: readonly Turn[], place: Place): readonly Turn[] {
  const { cache } = readCache(place)
  const last = turns.at(-1)
  const at = last?.parts.findLastIndex((part) => part.type !== 'reasoning') ?? -1
  if (cache === undefined || last === undefined || at === -1) return turns
  const parts = last.parts.map((part, index) => (index === at ? { cache, ...part } : part))
  return [...turns.slice(0, -1), { role: last.role, parts }]
}

const TOOL_MEMBERS: ReadonlySet<string> = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control'])

function readTools(place: Place, extras: Extras): Pick<ChatRequest, 'tools' | 'toolChoice' | 'parallelTools'> {
  const tools: Tool[] = []
  for (const tool of readPlaces(place, 'tools') ?? []) {
    const type = readText(tool, 'type') ?? 'custom'
    if (type === 'custom') tools.push(readTool(tool, extras))
    else {
      // Tools of the provider go back to a Messages provider as they came.
      const name = `tools[].${type.slice(0, 64)}`
      const before = extras[name]
      extras[name] = [...(Array.isArray(before) ? (before as Json[]) : []), tool.holder] // `as`: only this line puts lists there
    }
  }
  const choice = readPlace(place, 'tool_choice')
  if (choice === undefined) return { tools }
  const isSingle = readFlag(choice, 'disable_parallel_tool_use')
  return { tools, toolChoice: readChoice(choice), ...(isSingle === undefined ? {} : { parallelTools: !isSingle }) }
}

function readTool(tool: Place, extras: Extras): Tool {
  const description = readText(tool, 'description')
  const strict = readFlag(tool, 'strict')
  for (const [name, value] of Object.entries(tool.holder))
    if (!TOOL_MEMBERS.has(name) && value !== null && value !== undefined) extras[`tools[].${name.slice(0, 64)}`] ??= true
  return {
    name: needText(tool, 'name', 1),
    ...(description === undefined ? {} : { description }),
    schema: needPlace(tool, 'input_schema').holder,
    ...(strict === undefined ? {} : { strict }),
    ...readCache(tool),
  }
}

function readChoice(choice: Place): ToolChoice {
  const type = readWord(choice, 'type', ['auto', 'any', 'tool', 'none'])
  if (type === undefined) throw refusal(`${choice.at}type`, 'one of auto, any, tool, none')
  if (type === 'tool') return { type, name: needText(choice, 'name', 1) }
  return { type: type === 'any' ? 'required' : type }
}

function readSampling(place: Place): Pick<ChatRequest, 'temperature' | 'topP' | 'topK' | 'stop'> {
  const temperature = readNumber(place, 'temperature', 0, 1)
  const topP = readNumber(place, 'top_p', 0, 1)
  const topK = readWhole(place, 'top_k', 0)
  const stop = valueOf(place, 'stop_sequences')
  if (stop !== undefined && !isTexts(stop)) throw refusal('stop_sequences', 'a list of texts')
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

function readOutput(place: Place, extras: Extras): Pick<ChatRequest, 'reasoning' | 'output'> {
  const config = readPlace(place, 'output_config')
  const effort = config === undefined ? undefined : readWord(config, 'effort', EFFORTS)
  keepRest(config, ['effort', 'format'], extras)
  const reasoning = readThinking(place, effort, extras)
  const format = config === undefined ? undefined : readPlace(config, 'format')
  const output = format === undefined ? undefined : readFormat(format)
  return { ...(reasoning === undefined ? {} : { reasoning }), ...(output === undefined ? {} : { output }) }
}

function readFormat(format: Place): OutputFormat {
  if (readText(format, 'type') !== 'json_schema') throw refusal(`${format.at}type`, '"json_schema"')
  return { type: 'schema', schema: needPlace(format, 'schema').holder, strict: true }
}

function readThinking(place: Place, effort: (typeof EFFORTS)[number] | undefined, extras: Extras): Reasoning | undefined {
  const thinking = readPlace(place, 'thinking')
  const said = effort === undefined ? {} : { effort }
  if (thinking === undefined) return effort === undefined ? undefined : said
  const type = readWord(thinking, 'type', ['enabled', 'adaptive', 'disabled', 'between_tools'])
  if (type === 'disabled') {
    if (effort !== undefined) extras['output_config.effort'] = effort
    return { effort: 'none' }
  }
  if (type === 'between_tools') {
    extras['thinking'] = thinking.holder
    return effort === undefined ? undefined : said
  }
  const summary = readWord(thinking, 'display', ['summarized', 'omitted'])
  const shown = summary === undefined ? {} : { summary }
  if (type === 'adaptive') return { ...said, adaptive: true, ...shown }
  if (type === undefined) throw refusal(`${thinking.at}type`, 'one of enabled, adaptive, disabled, between_tools')
  const budgetTokens = readWhole(thinking, 'budget_tokens', 1)
  if (budgetTokens === undefined) throw refusal(`${thinking.at}budget_tokens`, 'a whole number of at least 1')
  return { ...said, budgetTokens, ...shown }
}

function readService(place: Place, extras: Extras): Pick<ChatRequest, 'serviceTier' | 'user'> {
  const serviceTier = readText(place, 'service_tier')
  const metadata = readPlace(place, 'metadata')
  const user = metadata === undefined ? undefined : readText(metadata, 'user_id')
  keepRest(metadata, ['user_id'], extras)
  return { ...(serviceTier === undefined ? {} : { serviceTier }), ...(user === undefined ? {} : { user }) }
}

/** Members inside a member that have no word in the middle form, under their path. */
function keepRest(place: Place | undefined, known: readonly string[], extras: Extras): void {
  if (place === undefined) return
  for (const [name, value] of Object.entries(place.holder))
    if (!known.includes(name) && value !== null && value !== undefined) extras[place.at + name] = value
}

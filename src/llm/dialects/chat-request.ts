import type { Json, JsonObject } from '../../core/json.ts'
import { isJsonObject } from '../../core/json.ts'
import { EFFORTS } from '../effort.ts'
import type { ChatRequest, OutputFormat, Tool, ToolChoice } from '../middle.ts'
import { readMessages } from './chat-request-messages.ts'
import { createReader, fault, objectAt, type Reader } from '../body-reader.ts'

/** Reads a Chat Completions request. Throws `invalid_params` that names the place and what is allowed there. */
export function decodeChatRequest(json: JsonObject): ChatRequest {
  const body = createReader(json, '$')
  const model = body.text('model')
  if (model === undefined || model === '') throw fault('$.model', 'must be the name of a model, as text')
  refuseRetired(body)
  const messages = body.array('messages')
  if (messages === undefined) throw fault('$.messages', 'must be an array of messages')
  const { system, turns, hasNames } = readMessages(messages)
  const stream = body.flag('stream') ?? false
  const options = body.object('stream_options')
  return {
    dialect: 'chat',
    model,
    system,
    turns,
    tools: (body.array('tools') ?? []).map((tool, index) => readTool(tool, `$.tools[${index}]`)),
    ...present({
      ...toolMembers(body),
      ...sampling(body),
      ...meaning(body),
    }),
    stream,
    includeUsage: options?.['include_usage'] === true,
    extras: extrasOf(json, options, hasNames),
  }
}

type Optional = Omit<
  Partial<ChatRequest>,
  'dialect' | 'model' | 'system' | 'turns' | 'tools' | 'stream' | 'includeUsage' | 'extras'
>
type Maybe = { readonly [Name in keyof Optional]: Optional[Name] | undefined }

/** Leaves out what the caller did not say. */
function present(members: Maybe): Optional {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

function refuseRetired(body: Reader): void {
  if (body.raw('functions') !== undefined) throw fault('$.functions', 'is the retired form; send the functions as tools')
  if (body.raw('function_call') !== undefined) throw fault('$.function_call', 'is the retired form; send tool_choice')
}

const MOST_CHOICES = 128

function sampling(body: Reader): Maybe {
  const n = body.integer('n', 1, MOST_CHOICES)
  const most = body.integer('max_tokens', 1)
  return {
    maxTokens: body.integer('max_completion_tokens', 1) ?? most,
    temperature: body.number('temperature', 0, 2),
    topP: body.number('top_p', 0, 1),
    topK: body.integer('top_k', -1),
    stop: stopOf(body),
    seed: body.integer('seed', Number.MIN_SAFE_INTEGER),
    presencePenalty: body.number('presence_penalty', -2, 2),
    frequencyPenalty: body.number('frequency_penalty', -2, 2),
    logitBias: body.object('logit_bias'),
    n: n === 1 ? undefined : n,
    logprobs: body.flag('logprobs') === true ? true : undefined,
    topLogprobs: body.integer('top_logprobs', 0, 20),
  }
}

function meaning(body: Reader): Maybe {
  const effort = body.word('reasoning_effort', EFFORTS)
  return {
    reasoning: effort === undefined ? undefined : { effort },
    output: outputOf(body),
    verbosity: body.text('verbosity'),
    serviceTier: body.text('service_tier'),
    user: body.text('user') ?? body.text('safety_identifier'),
    metadata: body.object('metadata'),
    cacheKey: body.text('prompt_cache_key'),
  }
}

function stopOf(body: Reader): readonly string[] | undefined {
  const stop = body.raw('stop')
  if (typeof stop === 'string') return [stop]
  const words = 'must be text or an array of texts'
  if (stop === undefined) return undefined
  if (!Array.isArray(stop)) throw fault('$.stop', words)
  return stop.map((one: Json, index) => {
    if (typeof one !== 'string') throw fault(`$.stop[${index}]`, 'must be text')
    return one
  })
}

function outputOf(body: Reader): OutputFormat | undefined {
  const given = body.object('response_format')
  if (given === undefined) return undefined
  const format = createReader(given, '$.response_format')
  const type = format.word('type', ['text', 'json_object', 'json_schema'])
  if (type === undefined) throw fault(format.at('type'), 'must be one of "text", "json_object", "json_schema"')
  if (type !== 'json_schema') return { type: type === 'text' ? 'text' : 'json' }
  const inner = createReader(objectAt(format.raw(type), format.at(type)), format.at(type))
  const [name, description, strict] = [inner.text('name'), inner.text('description'), inner.flag('strict')]
  return {
    type: 'schema',
    schema: inner.object('schema') ?? { type: 'object' },
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(strict === undefined ? {} : { strict }),
  }
}

function readTool(value: Json, path: string): Tool {
  const tool = createReader(objectAt(value, path), path)
  if (tool.raw('type') !== 'function')
    throw fault(tool.at('type'), 'must be "function"; other kinds cannot be translated or inspected')
  const made = createReader(objectAt(tool.raw('function'), tool.at('function')), tool.at('function'))
  const name = made.text('name')
  if (name === undefined || name === '') throw fault(made.at('name'), 'must be the name of the function')
  const [description, strict] = [made.text('description'), made.flag('strict')]
  return {
    name,
    ...(description === undefined ? {} : { description }),
    schema: made.object('parameters') ?? { type: 'object', properties: {} },
    ...(strict === undefined ? {} : { strict }),
  }
}

function toolMembers(body: Reader): Maybe {
  return { toolChoice: choiceOf(body), parallelTools: body.flag('parallel_tool_calls') }
}

const CHOICE_WORDS = 'must be "none", "auto", "required", a function or a list of allowed tools'

function choiceOf(body: Reader): ToolChoice | undefined {
  const given = body.raw('tool_choice')
  if (given === undefined) return undefined
  if (given === 'none' || given === 'auto' || given === 'required') return { type: given }
  if (given === 'any') return { type: 'required' }
  if (!isJsonObject(given)) throw fault('$.tool_choice', CHOICE_WORDS)
  if (given['type'] === 'function') return { type: 'tool', name: nameIn(given, '$.tool_choice') }
  if (given['type'] !== 'allowed_tools') throw fault('$.tool_choice.type', CHOICE_WORDS)
  const path = '$.tool_choice.allowed_tools'
  const allowed = createReader(objectAt(given['allowed_tools'], path), path)
  const tools = allowed.array('tools') ?? []
  const names = tools.map((tool, index) => nameIn(objectAt(tool, `${path}.tools[${index}]`), `${path}.tools[${index}]`))
  return { type: 'subset', names, required: allowed.word('mode', ['auto', 'required']) === 'required' }
}

function nameIn(choice: JsonObject, path: string): string {
  const made = createReader(objectAt(choice['function'], `${path}.function`), `${path}.function`)
  const name = made.text('name')
  if (name === undefined) throw fault(made.at('name'), 'must be the name of the function')
  return name
}

const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'n',
  'logprobs',
  'top_logprobs',
  'reasoning_effort',
  'response_format',
  'verbosity',
  'service_tier',
  'user',
  'metadata',
  'prompt_cache_key',
  'stream',
  'stream_options',
  'functions',
  'function_call',
])

/** What the middle form has no word for; members that say nothing are not kept. */
function extrasOf(json: JsonObject, options: JsonObject | undefined, hasNames: boolean): JsonObject {
  const { include_usage: _include, ...others } = options ?? {}
  const user = json['user'] ?? json['safety_identifier']
  const kept = Object.entries(json).filter(([name, value]) => {
    if (KNOWN.has(name) || value === undefined || value === null) return false
    if (name === 'safety_identifier') return value !== user
    return !(name === 'modalities' && Array.isArray(value) && value.length === 1 && value[0] === 'text')
  })
  return {
    ...Object.fromEntries(kept),
    ...(Object.keys(others).length === 0 ? {} : { stream_options: others }),
    ...(hasNames ? { 'messages[].name': true } : {}),
  }
}

import type { Json, JsonObject } from '../../core/json.ts'
import { effortOf } from '../effort.ts'
import { objectOf, objectsOf } from '../loose-json.ts'
import type { ChatRequest, OutputFormat, Tool, ToolChoice } from '../middle.ts'
import type { EncodedRequest, TargetProfile } from '../wire.ts'
import { digest } from './digest.ts'
import { dropCache, saysBreakpoints, toInputItems, toInputText, type InputScope } from './responses-input.ts'
import { createToolNames, type ToolNames } from './tool-names.ts'

/** The wire refuses a smaller bound. */
const LEAST_OUTPUT = 16
const MAX_USER = 64

/** Members of a Responses body that lean on what the provider stored. */
const STATEFUL = ['previous_response_id', 'conversation', 'background'] as const

/** Writes a request for the Responses wire, stateless unless the caller leans on what the provider stored. */
export function encodeResponsesRequest(request: ChatRequest, target: TargetProfile): EncodedRequest {
  const names = createToolNames(request)
  const extras = request.dialect === 'responses' ? request.extras : {}
  const hasHistory = STATEFUL.some((name) => Object.hasOwn(extras, name))
  const scope: InputScope = { request, target, names, hasHistory, dropped: new Set() }
  if (request.dialect !== 'responses') for (const name of Object.keys(request.extras)) scope.dropped.add(name)
  const body = defined({
    model: target.model,
    ...conversation(scope),
    ...tools(scope),
    ...sampling(scope),
    ...reasoning(scope),
    ...text(request),
    ...identity(scope),
    store: hasHistory ? undefined : false,
    stream: request.stream ? true : undefined,
  })
  noteUnsayable(scope)
  addExtras(scope, body, extras)
  include(scope, body)
  applyQuirks(scope, body)
  const toolNames = names.renamed()
  return { body, dropped: [...scope.dropped], ...(toolNames === undefined ? {} : { toolNames }) }
}

type Members = Record<string, Json | undefined>

/** Without the members nobody said. */
function defined(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

function conversation(scope: InputScope): Members {
  const { system } = scope.request
  const input = toInputItems(scope)
  if (system.length === 0) return { input }
  const isCached = system.some(({ cache }) => cache !== undefined)
  if (isCached && saysBreakpoints(scope)) {
    const content = system.map((part) => toInputText(scope, part.text, part.cache))
    return { input: [{ type: 'message', role: scope.target.quirks?.systemRole ?? 'developer', content }, ...input] }
  }
  if (isCached) dropCache(scope)
  return { instructions: system.map((part) => part.text).join('\n\n'), input }
}

function tools(scope: InputScope): Members {
  const { request, names } = scope
  if (request.tools.some(({ cache }) => cache !== undefined)) dropCache(scope)
  return {
    tools: request.tools.length === 0 ? undefined : request.tools.map((tool) => toTool(tool, request, names)),
    tool_choice: request.toolChoice === undefined ? undefined : toToolChoice(request.toolChoice, names),
    parallel_tool_calls: request.parallelTools,
  }
}

function toTool({ name, description, schema, strict }: Tool, { dialect }: ChatRequest, names: ToolNames): JsonObject {
  return defined({
    type: 'function',
    name: names.sent(name),
    description,
    parameters: schema,
    // this wire alone is strict where nothing is said
    strict: strict ?? (dialect === 'responses' ? undefined : false),
  })
}

function toToolChoice(choice: ToolChoice, names: ToolNames): Json {
  if (choice.type === 'tool') return { type: 'function', name: names.sent(choice.name) }
  if (choice.type !== 'subset') return choice.type
  const allowed = choice.names.map((name) => ({ type: 'function', name: names.sent(name) }))
  return { type: 'allowed_tools', mode: choice.required ? 'required' : 'auto', tools: allowed }
}

/** Reasoning models of OpenAI refuse to be sampled otherwise; a Responses caller knows and decides itself. */
function refusesSampling({ request, target }: InputScope): boolean {
  return target.reasons === true && request.reasoning?.effort !== 'none' && request.dialect !== 'responses'
}

function sampling(scope: InputScope): Members {
  const { request, dropped } = scope
  const members: Members = { temperature: request.temperature, top_p: request.topP, top_logprobs: request.topLogprobs }
  for (const name of Object.keys(members)) {
    if (!refusesSampling(scope) || members[name] === undefined) continue
    dropped.add(name)
    members[name] = undefined
  }
  return { ...members, max_output_tokens: maxOutput(request, dropped) }
}

function maxOutput({ maxTokens, dialect }: ChatRequest, dropped: Set<string>): number | undefined {
  if (maxTokens === undefined || maxTokens >= LEAST_OUTPUT || dialect === 'responses') return maxTokens
  dropped.add('max_tokens')
  return LEAST_OUTPUT
}

function reasoning({ request, target, dropped }: InputScope): Members {
  const wanted = request.reasoning
  if (wanted === undefined) return {}
  const members = defined({ effort: effortOf(wanted, 'high'), summary: summaryOf(wanted.summary) })
  if (Object.keys(members).length === 0) return {}
  if (target.reasons !== false) return { reasoning: members }
  if (members['effort'] !== 'none') dropped.add('reasoning')
  return {}
}

function summaryOf(summary: string | undefined): string | undefined {
  if (summary === 'omitted') return undefined
  return summary === 'summarized' ? 'auto' : summary
}

function text({ output, verbosity }: ChatRequest): Members {
  const members = defined({ format: output === undefined ? undefined : toFormat(output), verbosity })
  return Object.keys(members).length === 0 ? {} : { text: members }
}

function toFormat(output: OutputFormat): JsonObject {
  if (output.type !== 'schema') return { type: output.type === 'json' ? 'json_object' : 'text' }
  const { description, schema, strict } = output
  const name = (output.name ?? 'answer').replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64)
  return defined({ type: 'json_schema', name: name === '' ? 'answer' : name, description, schema, strict })
}

function identity({ request, dropped }: InputScope): Members {
  const entries = Object.entries(request.metadata ?? {})
  const said = entries.filter(([, value]) => typeof value === 'string')
  if (said.length < entries.length) dropped.add('metadata')
  return {
    metadata: request.metadata === undefined ? undefined : Object.fromEntries(said),
    safety_identifier: request.user === undefined ? undefined : sentUser(request.user),
    prompt_cache_key: request.cacheKey,
    service_tier: request.serviceTier,
  }
}

function noteUnsayable({ request, dropped }: InputScope): void {
  const unsayable: Readonly<Record<string, boolean>> = {
    top_k: request.topK !== undefined,
    [request.dialect === 'messages' ? 'stop_sequences' : 'stop']: (request.stop?.length ?? 0) > 0,
    seed: request.seed !== undefined,
    presence_penalty: request.presencePenalty !== undefined,
    frequency_penalty: request.frequencyPenalty !== undefined,
    logit_bias: request.logitBias !== undefined,
    n: request.n !== undefined && request.n !== 1,
  }
  for (const [name, isSaid] of Object.entries(unsayable)) if (isSaid) dropped.add(name)
}

/** What only this wire can say goes back where it stood; items of hosted tools have lost their place. */
function addExtras({ dropped }: InputScope, body: Members, extras: JsonObject): void {
  const hosted: JsonObject[] = []
  const inner = new Map<string, [string, Json | undefined][]>([
    ['reasoning', []],
    ['text', []],
  ])
  for (const [name, value] of Object.entries(extras)) {
    const dot = name.indexOf('.')
    const members = inner.get(name.slice(0, Math.max(dot, 0)))
    if (members !== undefined) members.push([name.slice(dot + 1), value])
    else if (name.startsWith('tools[].') && Array.isArray(value)) for (const tool of objectsOf(value)) hosted.push(tool)
    else if (/[.[]/.test(name)) dropped.add(name)
    else body[name] = value
  }
  if (hosted.length > 0) body['tools'] = [...objectsOf(body['tools']), ...hosted]
  for (const [outer, members] of inner) {
    const own = body[outer]
    if (members.length > 0) body[outer] = { ...objectOf(own), ...Object.fromEntries(members) }
  }
}

function include(scope: InputScope, body: Members): void {
  const { request, target, dropped } = scope
  const wanted = Array.isArray(body['include']) ? body['include'] : []
  const input = Array.isArray(body['input']) ? body['input'] : []
  const replays = input.some((item: JsonObject) => item['type'] === 'reasoning')
  const thinks = target.reasons ?? (request.reasoning !== undefined && request.reasoning.effort !== 'none')
  const all = new Set<Json>(wanted)
  if (thinks || replays) all.add('reasoning.encrypted_content')
  if (request.logprobs === true && !refusesSampling(scope)) all.add('message.output_text.logprobs')
  else if (request.logprobs === true) dropped.add('logprobs')
  if (all.size > 0) body['include'] = [...all]
}

/** An opaque name of the end user, of the length the wire takes. */
function sentUser(user: string): string {
  return user.length <= MAX_USER ? user : digest(user, MAX_USER)
}

function applyQuirks({ target, dropped }: InputScope, body: Members): void {
  for (const name of target.quirks?.rejects ?? []) {
    if (body[name] === undefined || name === 'model' || name === 'input') continue
    delete body[name]
    dropped.add(name)
  }
  for (const [from, to] of Object.entries(target.quirks?.renames ?? {})) {
    if (body[from] === undefined) continue
    body[to] = body[from]
    delete body[from]
  }
}

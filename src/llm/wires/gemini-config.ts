import type { Json, JsonObject } from '../../core/json.ts'
import { budgetOf, effortOf } from '../effort.ts'
import type { ChatRequest, OutputFormat, Reasoning } from '../middle.ts'
import type { TargetProfile } from '../wire.ts'
import { isThird, takesJsonSchema, type GeminiModel } from './gemini-model.ts'
import { toGeminiSchema } from './gemini-schema.ts'

const MAX_STOP_SEQUENCES = 5
const MAX_LOGPROBS = 20

/** Writes `generationConfig`; what the model cannot be told goes into `dropped`. */
export function toGenerationConfig(
  request: ChatRequest,
  target: TargetProfile,
  model: GeminiModel,
  dropped: Set<string>,
): JsonObject {
  const config: Record<string, Json | undefined> = {
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    maxOutputTokens: request.maxTokens,
    presencePenalty: request.presencePenalty,
    frequencyPenalty: request.frequencyPenalty,
  }
  if (request.stop !== undefined && request.stop.length > 0) config['stopSequences'] = request.stop.slice(0, MAX_STOP_SEQUENCES)
  if ((request.stop?.length ?? 0) > MAX_STOP_SEQUENCES) dropped.add('stop')
  // The field is a signed 32-bit number.
  if (request.seed !== undefined && request.seed === (request.seed | 0)) config['seed'] = request.seed
  else if (request.seed !== undefined) dropped.add('seed')
  writeLogprobs(request, config, dropped)
  writeThinking(request, target, { model, config, dropped })
  if (request.output !== undefined) Object.assign(config, toFormat(request, request.output, model, dropped))
  for (const key of Object.keys(config)) if (config[key] === undefined) delete config[key]
  return config
}

function writeLogprobs(request: ChatRequest, config: Record<string, Json | undefined>, dropped: Set<string>): void {
  if (request.logprobs === true) config['responseLogprobs'] = true
  if (request.topLogprobs === undefined) return
  if (request.logprobs !== true) dropped.add('top_logprobs')
  else if (request.topLogprobs > 0) config['logprobs'] = Math.min(request.topLogprobs, MAX_LOGPROBS)
}

function toFormat(request: ChatRequest, output: OutputFormat, model: GeminiModel, dropped: Set<string>): JsonObject {
  if (output.type === 'text') return {}
  // Before the third generation a response format and tools exclude each other, and the tools matter more.
  if (request.tools.length > 0 && !isThird(model)) {
    dropped.add('response_format')
    return {}
  }
  const mime = { responseMimeType: 'application/json' }
  if (output.type !== 'schema') return mime
  const schema: JsonObject = {
    ...(output.name === undefined ? {} : { title: output.name }),
    ...(output.description === undefined ? {} : { description: output.description }),
    ...output.schema,
  }
  if (takesJsonSchema(model)) return { ...mime, responseJsonSchema: schema }
  const rewritten = toGeminiSchema(schema)
  for (const keyword of rewritten.lost) dropped.add(`response_format.json_schema.schema.${keyword}`)
  return { ...mime, responseSchema: rewritten.schema }
}

interface Thinking {
  readonly model: GeminiModel
  readonly config: Record<string, Json | undefined>
  readonly dropped: Set<string>
}

function writeThinking(request: ChatRequest, target: TargetProfile, { model, config, dropped }: Thinking): void {
  const { reasoning } = request
  if (reasoning === undefined) return
  const isOff = reasoning.effort === 'none' || reasoning.budgetTokens === 0
  if (model.generation < 2.5 || target.reasons === false) {
    if (!isOff) dropped.add('reasoning')
    return
  }
  const depth = isThird(model) ? toLevel(reasoning, model, dropped) : toBudget(reasoning, model, dropped)
  const includeThoughts = showsThoughts(request, reasoning)
  const thinking = { ...depth, ...(includeThoughts === undefined ? {} : { includeThoughts }) }
  if (Object.keys(thinking).length > 0) config['thinkingConfig'] = thinking
}

/** A Messages caller that sets a budget sees thoughts unless it says otherwise; the other dialects must ask. */
function showsThoughts(request: ChatRequest, reasoning: Reasoning): boolean | undefined {
  if (reasoning.summary !== undefined) return reasoning.summary !== 'omitted' && reasoning.summary !== 'none'
  return request.dialect === 'messages' && (reasoning.budgetTokens ?? 0) > 0 ? true : undefined
}

function toLevel(reasoning: Reasoning, model: GeminiModel, dropped: Set<string>): JsonObject {
  const effort = effortOf(reasoning)
  if (effort === undefined) return {}
  // Thinking cannot be switched off here, only be kept short.
  if (effort === 'none') dropped.add('reasoning')
  if (effort === 'none' || effort === 'minimal') return { thinkingLevel: model.size === 'pro' ? 'LOW' : 'MINIMAL' }
  if (effort === 'low') return { thinkingLevel: 'LOW' }
  // The first Pro of the third generation has two levels only.
  if (effort === 'medium' && !(model.size === 'pro' && model.generation === 3)) return { thinkingLevel: 'MEDIUM' }
  return { thinkingLevel: 'HIGH' }
}

/** Smallest and largest budget besides 0, and whether 0 is allowed. */
const BUDGET_RANGES: Readonly<Record<GeminiModel['size'], readonly [number, number, boolean]>> = {
  pro: [128, 32_768, false],
  flash: [1, 24_576, true],
  'flash-lite': [512, 24_576, true],
  other: [1, 24_576, true],
}

function toBudget(reasoning: Reasoning, model: GeminiModel, dropped: Set<string>): JsonObject {
  const wanted = budgetOf(reasoning)
  if (wanted === undefined) return reasoning.adaptive === true ? { thinkingBudget: -1 } : {}
  const [least, most, canStop] = BUDGET_RANGES[model.size]
  if (wanted === 0 && canStop) return { thinkingBudget: 0 }
  const thinkingBudget = Math.min(Math.max(wanted, least), most)
  if (wanted === 0 || (reasoning.budgetTokens !== undefined && thinkingBudget !== wanted)) dropped.add('reasoning')
  return { thinkingBudget }
}

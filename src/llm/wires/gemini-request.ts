import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { ChatRequest } from '../middle.ts'
import type { EncodedRequest, TargetProfile } from '../wire.ts'
import { toGenerationConfig } from './gemini-config.ts'
import { toContents, type ContentContext } from './gemini-contents.ts'
import { geminiModel, isThird } from './gemini-model.ts'
import { noteCache, type GeminiFlavour } from './gemini-parts.ts'
import { toTools } from './gemini-tools.ts'
import { createToolNames } from './tool-names.ts'

/** Its alphabet is wider than others' but for the first letter. */
const FUNCTION_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/

/** Writes a request for `generateContent`; the model and streaming stand in the URL. */
export function toGeminiRequest(request: ChatRequest, target: TargetProfile, flavour: GeminiFlavour): EncodedRequest {
  const model = geminiModel(target.model)
  const dropped = new Set(unsaid(request))
  const names = createToolNames(request, FUNCTION_NAME)
  const context: ContentContext = { flavour, family: target.family, dropped, names, nestedMedia: isThird(model) }
  const generationConfig = toGenerationConfig(request, target, model, dropped)
  const body: JsonObject = {
    ...toConversation(request, context),
    ...toTools(request, { model, names, dropped }),
    ...(Object.keys(generationConfig).length === 0 ? {} : { generationConfig }),
  }
  const toolNames = names.renamed()
  return { body, dropped: [...dropped].toSorted(), ...(toolNames === undefined ? {} : { toolNames }) }
}

function toConversation(request: ChatRequest, context: ContentContext): JsonObject {
  for (const part of request.system) noteCache(part, context)
  const system = request.system.filter(({ text }) => text !== '').map(({ text }) => ({ text }))
  const contents = toContents(request, context)
  if (contents.length > 0) return { contents, ...(system.length === 0 ? {} : { systemInstruction: { parts: system } }) }
  if (system.length === 0) throw new GatewayError('invalid_params', 'at least one message must have content')
  // There must be contents, so instructions alone are put to the model as the user's words.
  context.dropped.add('messages[].role')
  return { contents: [{ role: 'user', parts: system }] }
}

const STANDARD_TIERS = new Set(['auto', 'default', 'standard', 'standard_only'])

/** Parameters that have no word on this wire, and members no wire knows. */
function unsaid(request: ChatRequest): string[] {
  const names: readonly (readonly [string, boolean])[] = [
    ['logit_bias', request.logitBias !== undefined],
    ['n', request.n !== undefined && request.n !== 1],
    ['verbosity', request.verbosity !== undefined],
    ['service_tier', request.serviceTier !== undefined && !STANDARD_TIERS.has(request.serviceTier)],
    ['user', request.user !== undefined],
    ['metadata', request.metadata !== undefined],
    ['prompt_cache_key', request.cacheKey !== undefined],
  ]
  return [...names.flatMap(([name, isGiven]) => (isGiven ? [name] : [])), ...Object.keys(request.extras)]
}

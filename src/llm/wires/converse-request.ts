import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { ChatRequest } from '../middle.ts'
import type { EncodedRequest, TargetProfile } from '../wire.ts'
import { createConverseContext, type ConverseContext } from './converse-context.ts'
import { toInference, toMetadata, toOutput, toServiceTier, toThinking, toTopK } from './converse-fields.ts'
import { toSingleCall, toToolConfig, toTools } from './converse-tools.ts'
import { toMessages, type Message } from './converse-turns.ts'

/** Writes a request for `Converse`; the model and streaming stand in the URL. */
export function toConverseRequest(request: ChatRequest, target: TargetProfile): EncodedRequest {
  const context = createConverseContext(request, target)
  for (const name of unsaid(request)) context.dropped.add(name)
  // In the order of the prompt, which is the order of cache points.
  const tools = toTools(request, context)
  const { messages, system } = toConversation(request, context)
  const thinking = toThinking(request, context, messages)
  const additional = {
    ...thinking.fields,
    ...toTopK(request, context, thinking.thinks),
    ...toSingleCall(request, tools, context, thinking.thinks),
  }
  // Which sequence was met is told only when asked for.
  const asksForStop = context.model.claude !== undefined && (request.stop?.length ?? 0) > 0
  const body: JsonObject = {
    messages: messages.map(({ role, content }) => ({ role, content: context.withoutSurplus(content) })),
    ...(system.length === 0 ? {} : { system: context.withoutSurplus(system) }),
    ...toInference(request, context, thinking),
    ...toToolConfig(request, tools, context, thinking.thinks),
    ...(Object.keys(additional).length === 0 ? {} : { additionalModelRequestFields: additional }),
    ...(asksForStop ? { additionalModelResponseFieldPaths: ['/stop_sequence'] } : {}),
    ...toOutput(request.output, context),
    ...toServiceTier(request.serviceTier, context),
    ...toMetadata(request.metadata, context),
  }
  const renamed = context.names.renamed()
  return { body, dropped: [...context.dropped].toSorted(), ...(renamed === undefined ? {} : { toolNames: renamed }) }
}

interface Conversation {
  readonly messages: readonly Message[]
  readonly system: readonly JsonObject[]
}

function toConversation(request: ChatRequest, context: ConverseContext): Conversation {
  const words = request.system.filter(({ text }) => text.trim() !== '')
  const system = words.flatMap(({ text, cache }) => [{ text }, ...context.cachePoints(cache)])
  const messages = toMessages(request.turns, context)
  if (messages.length > 0) return { messages, system }
  if (system.length === 0) throw new GatewayError('invalid_params', 'at least one message must have content')
  // There must be messages, so instructions alone are put to the model as the user's words.
  context.dropped.add('messages[].role')
  return { messages: [{ role: 'user', content: system }], system: [] }
}

/** Parameters that have no word on this wire, and members no wire knows. */
function unsaid(request: ChatRequest): string[] {
  const names: readonly (readonly [string, boolean])[] = [
    ['seed', request.seed !== undefined],
    ['presence_penalty', isGiven(request.presencePenalty)],
    ['frequency_penalty', isGiven(request.frequencyPenalty)],
    ['logit_bias', request.logitBias !== undefined],
    ['n', request.n !== undefined && request.n !== 1],
    ['logprobs', request.logprobs === true],
    ['top_logprobs', request.topLogprobs !== undefined],
    ['verbosity', request.verbosity !== undefined],
    ['user', request.user !== undefined],
    ['prompt_cache_key', request.cacheKey !== undefined],
  ]
  return [...names.flatMap(([name, isLost]) => (isLost ? [name] : [])), ...Object.keys(request.extras)]
}

/** A penalty of nothing is what every model does. */
const isGiven = (penalty: number | undefined) => penalty !== undefined && penalty !== 0

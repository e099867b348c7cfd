import type { JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import type { ChatAnswer, Part, ReasoningPart, Signature, StopReason, ToolCallPart } from '../middle.ts'
import type { EncodeContext } from '../wire.ts'
import { seal } from '../wires/responses-signature.ts'
import { toResponseUsage } from '../wires/responses-usage.ts'

/** What differs between the response objects of one exchange. */
export interface ResponseFacts {
  readonly id: string
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed'
  readonly output: readonly JsonObject[]
  readonly usage?: Usage | undefined
  readonly serviceTier?: string | undefined
  readonly error?: JsonObject
  readonly incompleteReason?: string
}

/** Writes a response object. Members that echo the request say the defaults: the request is not at hand here. */
export function toResponse(facts: ResponseFacts, context: EncodeContext): JsonObject {
  const { id, status, output, usage, error, incompleteReason, serviceTier } = facts
  return {
    id,
    object: 'response',
    created_at: context.created,
    status,
    background: false,
    error: error ?? null,
    incomplete_details: incompleteReason === undefined ? null : { reason: incompleteReason },
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    model: context.model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    service_tier: serviceTier ?? null,
    store: false,
    temperature: null,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: null,
    truncation: 'disabled',
    usage: usage === undefined ? null : toResponseUsage(usage),
  }
}

/** How a response ended, in its own words. */
export function toEnding(stop: StopReason, hasRefusal: boolean): Pick<ResponseFacts, 'status' | 'error' | 'incompleteReason'> {
  if (stop === 'length') return { status: 'incomplete', incompleteReason: 'max_output_tokens' }
  if (stop === 'filtered' && !hasRefusal) return { status: 'incomplete', incompleteReason: 'content_filter' }
  if (stop === 'malformed')
    return { status: 'failed', error: { code: 'server_error', message: 'the model wrote a tool call that cannot be read' } }
  return { status: 'completed' }
}

/** Writes a whole answer. */
export function encodeResponsesAnswer(answer: ChatAnswer, context: EncodeContext): JsonObject {
  const ending = toEnding(
    answer.stop,
    answer.parts.some(({ type }) => type === 'refusal'),
  )
  const output = toItems(answer, context)
  const last = output.at(-1)
  if (ending.status === 'incomplete' && last?.['type'] === 'message')
    output[output.length - 1] = { ...last, status: 'incomplete' }
  const id = answer.id.startsWith('resp_') ? answer.id : context.newId('resp')
  return toResponse({ ...ending, id, output, usage: answer.usage, serviceTier: answer.serviceTier }, context)
}

/** Words that follow each other are one message. */
function toItems({ parts, logprobs }: ChatAnswer, context: EncodeContext): JsonObject[] {
  const items: JsonObject[] = []
  let content: JsonObject[] = []
  let words = logprobs ?? []
  const flush = (): void => {
    if (content.length > 0) items.push(messageItem(context.newId('msg'), 'completed', content))
    content = []
  }
  for (const part of parts) {
    if (part.type === 'text') {
      content.push(textContent(part.text, part.annotations, words))
      words = []
    } else if (part.type === 'refusal') content.push(refusalContent(part.text))
    else {
      flush()
      items.push(...otherItems(part, context))
    }
  }
  flush()
  return items
}

function otherItems(part: Part, context: EncodeContext): JsonObject[] {
  if (part.type === 'reasoning') return [reasoningItem(reasoningId(part.id, context), part)]
  if (part.type === 'tool-call') {
    const call = callItem(context.newId('fc'), 'completed', part)
    return part.signature === undefined ? [call] : [call, callProof(context.newId('rs'), part.id, part.signature)]
  }
  if (part.type === 'image' && part.source.kind === 'base64')
    return [{ id: context.newId('ig'), type: 'image_generation_call', status: 'completed', result: part.source.data }]
  return []
}

/** The id of a reasoning item: the provider's where it fits. */
export function reasoningId(id: string | undefined, context: EncodeContext): string {
  return id?.startsWith('rs_') === true ? id : context.newId('rs')
}

/** A message item. */
export function messageItem(id: string, status: string, content: readonly JsonObject[]): JsonObject {
  return { id, type: 'message', status, role: 'assistant', content }
}

/** A text of a message item. */
export function textContent(
  text: string,
  annotations: readonly JsonObject[] = [],
  logprobs: readonly JsonObject[] = [],
): JsonObject {
  return { type: 'output_text', text, annotations, logprobs }
}

/** A refusal of a message item. */
export function refusalContent(refusal: string): JsonObject {
  return { type: 'refusal', refusal }
}

/** A function call item. */
export function callItem(id: string, status: string, call: Pick<ToolCallPart, 'id' | 'name' | 'arguments'>): JsonObject {
  return { id, type: 'function_call', status, arguments: call.arguments, call_id: call.id, name: call.name }
}

/** A reasoning item with its thoughts and what proves them. */
export function reasoningItem(id: string, { text, signature, redacted }: Omit<ReasoningPart, 'type' | 'id'>): JsonObject {
  const proof =
    signature !== undefined ? seal({ kind: 'signature', signature }) : redacted && seal({ kind: 'redacted', signature: redacted })
  return {
    id,
    type: 'reasoning',
    summary: text === '' ? [] : [{ type: 'summary_text', text }],
    ...(proof === undefined ? {} : { encrypted_content: proof }),
  }
}

/** An item without thoughts that carries the signature of a tool call. */
export function callProof(id: string, callId: string, signature: Signature): JsonObject {
  return { id, type: 'reasoning', summary: [], encrypted_content: seal({ kind: 'call', callId, signature }) }
}

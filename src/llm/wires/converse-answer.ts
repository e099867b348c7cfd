import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import { countOf, textOf } from '../loose-json.ts'
import type { Part, ReasoningPart, StopReason } from '../middle.ts'
import type { DecodeContext } from '../wire.ts'
import { toStop, type Holdings } from './stop-reason.ts'
import { callersName } from './tool-names.ts'

const STOPS: Readonly<Record<string, StopReason>> = {
  end_turn: 'end',
  stop_sequence: 'end',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool',
  content_filtered: 'filtered',
  guardrail_intervened: 'filtered',
  malformed_model_output: 'malformed',
  malformed_tool_use: 'malformed',
}

/** Why an answer ended, from its own word and from what it holds. */
export function stopOf(reason: Json | undefined, holds: Holdings): StopReason {
  return toStop(typeof reason === 'string' && Object.hasOwn(STOPS, reason) ? STOPS[reason] : undefined, holds)
}

/** The stop sequence that was met, where it was asked for. */
export function stopSequenceOf(body: JsonObject): { readonly stopSequence?: string } {
  const fields = body['additionalModelResponseFields']
  const met = isJsonObject(fields) ? fields['stop_sequence'] : undefined
  return typeof met === 'string' ? { stopSequence: met } : {}
}

/** The tier that served. */
export function serviceTierOf(body: JsonObject): { readonly serviceTier?: string } {
  const tier = body['serviceTier']
  return isJsonObject(tier) && typeof tier['type'] === 'string' ? { serviceTier: tier['type'] } : {}
}

/** Reads the blocks of a whole answer; blocks of unknown kinds are passed over. */
export function toParts(content: Json | undefined, context: DecodeContext): Part[] {
  if (!Array.isArray(content)) return []
  return content.filter(isJsonObject).flatMap((block) => toPart(block, context))
}

function toPart(block: JsonObject, context: DecodeContext): Part[] {
  const { text, toolUse, reasoningContent, citationsContent, image } = block
  if (typeof text === 'string') return text === '' ? [] : [{ type: 'text', text }]
  if (isJsonObject(toolUse)) return toCall(toolUse, context)
  if (isJsonObject(reasoningContent)) return toReasoning(reasoningContent, context)
  if (isJsonObject(citationsContent)) return toCited(citationsContent)
  return isJsonObject(image) ? toImage(image) : []
}

/** Name and id of a call as the caller knows them; undefined for a call that the provider runs itself. */
export function callOf(toolUse: JsonObject, context: DecodeContext): { readonly id: string; readonly name: string } | undefined {
  if (toolUse['type'] === 'server_tool_use') return undefined
  return { id: textOf(toolUse['toolUseId']) || context.newId('call'), name: callersName(textOf(toolUse['name']), context) }
}

function toCall(toolUse: JsonObject, context: DecodeContext): Part[] {
  const call = callOf(toolUse, context)
  const input = toolUse['input']
  return call === undefined ? [] : [{ type: 'tool-call', ...call, arguments: isJsonObject(input) ? JSON.stringify(input) : '{}' }]
}

function toReasoning(content: JsonObject, { family }: DecodeContext): ReasoningPart[] {
  const { reasoningText, redactedContent } = content
  if (typeof redactedContent === 'string') return [{ type: 'reasoning', text: '', redacted: { family, value: redactedContent } }]
  if (!isJsonObject(reasoningText)) return []
  const signature = textOf(reasoningText['signature'])
  return [
    {
      type: 'reasoning',
      text: textOf(reasoningText['text']),
      ...(signature === '' ? {} : { signature: { family, value: signature } }),
    },
  ]
}

function toCited(content: JsonObject): Part[] {
  const pieces = Array.isArray(content['content']) ? content['content'].filter(isJsonObject) : []
  const text = pieces.map((piece) => textOf(piece['text'])).join('')
  const annotations = Array.isArray(content['citations']) ? content['citations'].filter(isJsonObject) : []
  return text === '' ? [] : [{ type: 'text', text, ...(annotations.length === 0 ? {} : { annotations }) }]
}

function toImage(image: JsonObject): Part[] {
  const source = image['source']
  const data = isJsonObject(source) ? textOf(source['bytes']) : ''
  if (data === '') return []
  return [{ type: 'image', source: { kind: 'base64', data, mediaType: `image/${textOf(image['format']) || 'png'}` } }]
}

/** Usage of a whole answer or of a `metadata` event. What was read from or written to a cache stands outside the input. */
export function converseUsage(body: JsonObject): Usage | undefined {
  const usage = body['usage']
  if (!isJsonObject(usage)) return undefined
  const input = countOf(usage['inputTokens'])
  const output = countOf(usage['outputTokens'])
  const cacheRead = countOf(usage['cacheReadInputTokens'] ?? 0)
  const written = detailsOf(usage['cacheDetails'])
  const cacheWrite = countOf(usage['cacheWriteInputTokens'] ?? written.all)
  if (input === undefined || output === undefined || cacheRead === undefined || cacheWrite === undefined) return undefined
  const cacheWrite1h = Math.min(written.oneHour, cacheWrite)
  return {
    source: 'provider',
    input,
    cacheRead,
    cacheWrite5m: cacheWrite - cacheWrite1h,
    cacheWrite1h,
    inputAudio: 0,
    inputImage: 0,
    output,
    // Thoughts are counted as output and not told apart.
    reasoning: 0,
    outputAudio: 0,
  }
}

function detailsOf(details: Json | undefined): { readonly all: number; readonly oneHour: number } {
  const sum = { all: 0, oneHour: 0 }
  for (const detail of Array.isArray(details) ? details.filter(isJsonObject) : []) {
    const tokens = countOf(detail['inputTokens']) ?? 0
    sum.all += tokens
    if (detail['ttl'] === '1h') sum.oneHour += tokens
  }
  return sum
}

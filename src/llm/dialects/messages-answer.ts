import type { Json, JsonObject } from '../../core/json.ts'
import { inputTokens, outputTokens, type Usage } from '../../core/usage.ts'
import type { ChatAnswer, Part, StopReason } from '../middle.ts'
import { packSignature } from '../signature.ts'
import type { EncodeContext } from '../wire.ts'
import { malformedInput, toInput } from '../wires/messages-arguments.ts'
import { NATIVE_FAMILY, toSignature } from './messages-signature.ts'

/** Writes a whole answer for a Messages caller. */
export function encodeMessagesAnswer(answer: ChatAnswer, context: EncodeContext): JsonObject {
  const { parts, stop, stopSequence, usage, serviceTier } = answer
  const isRefused = parts.some(({ type }) => type === 'refusal')
  return {
    id: answer.id === '' ? context.newId('msg') : answer.id,
    type: 'message',
    role: 'assistant',
    model: context.model,
    content: parts.flatMap((part) => toContent(part, stop, context)),
    stop_reason: toStopReason(stop, { stopSequence, isRefused }),
    stop_sequence: stopSequence ?? null,
    usage: {
      ...(usage === undefined ? roughUsage(parts, context) : toMessagesUsage(usage)),
      ...(serviceTier === undefined ? {} : { service_tier: toTier(serviceTier) }),
    },
  }
}

function toContent(part: Part, stop: StopReason, context: EncodeContext): JsonObject[] {
  switch (part.type) {
    case 'text': {
      const citations = citationsOf(part.annotations)
      return part.text === '' ? [] : [{ type: 'text', text: part.text, ...(citations.length === 0 ? {} : { citations }) }]
    }
    case 'refusal':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }]
    case 'reasoning': {
      const { text, signature, redacted } = part
      return [
        ...(text === '' && signature === undefined
          ? []
          : [{ type: 'thinking', thinking: text, signature: toSignature(signature) }]),
        ...(redacted === undefined ? [] : [toRedacted(redacted)]),
      ]
    }
    case 'tool-call': {
      const input = toInput(part.arguments)
      // A call that was cut off is not one; the stop reason says that something is missing.
      if (input === undefined && stop === 'length') return []
      const id = part.id === '' ? context.newId('toolu') : part.id
      return [{ type: 'tool_use', id, name: part.name, input: input ?? malformedInput(part.arguments) }]
    }
    default:
      return [] // images and sound of an answer have no block here
  }
}

/** Annotations that are citations of this dialect; those of others have another form. */
export function citationsOf(annotations: readonly JsonObject[] | undefined): readonly JsonObject[] {
  return annotations?.filter(({ cited_text: text }) => typeof text === 'string') ?? []
}

/** Thoughts shown only in encrypted form. */
export function toRedacted(redacted: { readonly family: string; readonly value: string }): JsonObject {
  return { type: 'redacted_thinking', data: redacted.family === NATIVE_FAMILY ? redacted.value : packSignature(redacted) }
}

/** What else an answer's end is told by. */
export interface StopFacts {
  readonly stopSequence: string | undefined
  /** The words of the answer are a refusal. */
  readonly isRefused: boolean
}

/** The stop reason in the words of this dialect. */
export function toStopReason(stop: StopReason, { stopSequence, isRefused }: StopFacts): string {
  switch (stop) {
    case 'end':
      if (isRefused) return 'refusal'
      return stopSequence === undefined ? 'end_turn' : 'stop_sequence'
    case 'length':
      return 'max_tokens'
    case 'tool':
      return 'tool_use'
    case 'filtered':
      return 'refusal'
    case 'paused':
      return 'pause_turn'
    case 'malformed':
      return 'end_turn'
    default:
      return stop satisfies never
  }
}

/** Usage in the words of this dialect: cached tokens stand beside the input, thoughts inside the output. */
export function toMessagesUsage(usage: Usage): Readonly<Record<string, Json>> {
  const { cacheRead, cacheWrite5m, cacheWrite1h, serverTools } = usage
  return {
    input_tokens: inputTokens(usage) - cacheRead - cacheWrite5m - cacheWrite1h,
    cache_creation_input_tokens: cacheWrite5m + cacheWrite1h,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite5m, ephemeral_1h_input_tokens: cacheWrite1h },
    output_tokens: outputTokens(usage),
    output_tokens_details: { thinking_tokens: usage.reasoning },
    ...(serverTools === undefined ? {} : { server_tool_use: { ...serverTools } }),
  }
}

/** Counts where the provider gave none: the dialect demands numbers. */
export function roughCounts(input: number, outputLength: number): Readonly<Record<string, Json>> {
  return {
    input_tokens: input,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: Math.ceil(outputLength / CHARACTERS_PER_TOKEN),
  }
}

const CHARACTERS_PER_TOKEN = 4

function roughUsage(parts: readonly Part[], { estimatedInput }: EncodeContext): Readonly<Record<string, Json>> {
  const lengths = parts.map((part) => ('text' in part ? part.text.length : part.type === 'tool-call' ? part.arguments.length : 0))
  return roughCounts(
    estimatedInput,
    lengths.reduce((sum, length) => sum + length, 0),
  )
}

function toTier(tier: string): string {
  return tier === 'default' || tier === 'auto' ? 'standard' : tier
}

import type { Json, JsonObject } from '../../core/json.ts'
import type { ChatAnswer, Part, StopReason } from '../middle.ts'
import type { EncodeContext } from '../wire.ts'
import { malformedInput, toInput } from '../wires/messages-arguments.ts'
import { toRedacted, toSignature } from '../wires/messages-signature.ts'
import { citationsOf, roughCounts, toMessagesUsage, toStopReason } from '../wires/messages-words.ts'

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

import type { Json, JsonObject } from '../../core/json.ts'
import { inputTokens, outputTokens, type Usage } from '../../core/usage.ts'
import type { StopReason } from '../middle.ts'

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

/** Annotations that are citations of this dialect; those of others have another form. */
export function citationsOf(annotations: readonly JsonObject[] | undefined): readonly JsonObject[] {
  return annotations?.filter(({ cited_text: text }) => typeof text === 'string') ?? []
}

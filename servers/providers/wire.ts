import type { Counts } from './behaviour.ts'
import type { UsageShape } from './counts.ts'
import type { Reply } from './reply.ts'

/** One event of a stream before framing. */
export interface Frame {
  /** Name of the event; empty where the wire has none. */
  readonly event: string
  /** JSON text, or `[DONE]`. */
  readonly data: string
  readonly kind: 'preamble' | 'content' | 'ping' | 'finish' | 'usage' | 'end' | 'error'
  /** The usage a reader knows after this frame. */
  readonly says?: Counts
}

/** What went wrong, in no wire's words. */
export interface Refusal {
  readonly status: number
  readonly message: string
  /** The wire's word for it; default: by status. */
  readonly code?: string
}

/** The provider's side of one protocol. */
export interface FakeWire {
  readonly usage: UsageShape
  /** The whole answer. */
  answer(reply: Reply): object
  stream(reply: Reply): Iterable<Frame>
  errorBody(refusal: Refusal): object
  /** An error inside a stream, after so many frames. */
  errorFrame(refusal: Refusal, frames: number): Frame
  /** Headers of an error, where the wire has some of its own. */
  errorHeaders?(refusal: Refusal): Record<string, string>
  readonly ping?: Frame
}

/** Makes a frame from a JSON value. */
export function frame(
  kind: Frame['kind'],
  value: object,
  rest: { readonly event?: string; readonly says?: Counts | undefined } = {},
): Frame {
  const made = { event: rest.event ?? '', data: JSON.stringify(value), kind }
  return rest.says === undefined ? made : { ...made, says: rest.says }
}

/** A word of the wire for a finish reason; a word that is not in the table is the wire's own. */
export function finishWord(table: Readonly<Record<string, string>>, finish: string): string {
  return Object.hasOwn(table, finish) ? (table[finish] ?? finish) : finish
}

/** Usage as a broken provider would say it. */
export const GARBLED = { prompt_tokens: 'many', completion_tokens: null, total_tokens: -1, input_tokens: [], output_tokens: 1.5 }

import type { Usage } from '../../core/usage.ts'
import type { Failure } from '../middle.ts'
import type { DialectError } from '../wire.ts'

/** What became of a stream. `cut`: it did not reach its end, through the provider unless `by` names another; `blocked`: the guard stopped it. */
export type StreamEnd =
  | { readonly kind: 'complete' }
  | { readonly kind: 'cut'; readonly failure: Failure; readonly by?: 'caller' | 'guard' }
  | { readonly kind: 'blocked'; readonly reason: string }

/** Takes the bytes of a provider's stream to the caller, forwarded or translated. */
export interface StreamSink {
  /** A promise while the guard judges: nothing more is pushed before it is settled. The end, when this chunk brought it. */
  push(chunk: Buffer): StreamEnd | undefined | Promise<StreamEnd | undefined>
  /** The body ended. */
  close(): StreamEnd | Promise<StreamEnd>
  /** The last usage the provider named, and whether it came after the first content: before it is only a first guess. */
  usage(): { readonly usage: Usage | undefined; readonly isProvisional: boolean }
  reportedModel(): string | undefined
  serviceTier(): string | undefined
  /** The frame that tells the caller that the answer broke off. */
  failFrame(error: DialectError, requestId: string): string
}

/** The failure of a stream that ends without its end mark. */
export const CUT: Failure = { kind: 'server', message: 'the stream ended before the answer was complete' }

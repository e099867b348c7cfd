import type { Exchange } from '../../core/exchange.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CatalogItem, ModelGrant, ModelRoute } from '../../core/snapshot.ts'
import type { ChatRequest } from '../middle.ts'
import type { ModelRequest } from '../request.ts'
import type { EncodeContext } from '../wire.ts'
import type { Delivery } from './delivery.ts'
import type { StreamSink } from './sink.ts'

/** One request of one caller while targets are tried. */
export interface ModelVisit {
  readonly exchange: Exchange
  readonly request: ModelRequest
  readonly item: CatalogItem
  readonly grant: ModelGrant
  readonly route: ModelRoute
  readonly strict: boolean
  readonly delivery: Delivery
  /** Headers of the caller that belong to its dialect. */
  readonly passed: Readonly<Record<string, string>>
  /** A target is tried: parameters it cannot say, and when (monotonic milliseconds). */
  begin(dropped: readonly string[], at: number): void
  /** What writes the stream under way: how a break is told to the caller. */
  sink: StreamSink | undefined
  /** Hears when the caller can take more. No function that is replaced: V8 would keep each visit until the next full collection. */
  attempt: { drained(): void } | undefined
  encodeContext(): EncodeContext
  /** The request in the middle form, for a target of a family; `json` has the members the target adds. */
  middle(json: JsonObject, family: string): ChatRequest
}

import type { Exchange } from '../../core/exchange.ts'
import type { JsonObject } from '../../core/json.ts'
import type { ByteStream } from '../../core/responder.ts'
import type { CatalogItem, ModelGrant, ModelRoute } from '../../core/snapshot.ts'
import { decodeMessagesCount } from '../dialects/messages.ts'
import { newId } from '../ids.ts'
import type { ChatRequest } from '../middle.ts'
import type { ModelRequest } from '../request.ts'
import { keepsSignatures, type SignatureMemory } from '../signature.ts'
import type { EncodeContext } from '../wire.ts'
import { Delivery, type DeliveryHost } from './delivery.ts'
import { roughTokens } from './estimate.ts'
import type { StreamSink } from './sink.ts'

/** What a visit asks of the call it belongs to. */
export interface VisitHost {
  /** Opens the stream to the caller. */
  openStream(visit: ModelVisit): ByteStream
  /** The caller is gone. */
  hangUp(): void
}

/** What a visit is made of. */
export interface VisitFacts {
  readonly exchange: Exchange
  readonly request: ModelRequest
  readonly item: CatalogItem
  readonly grant: ModelGrant
  /** Headers of the caller that belong to its dialect. */
  readonly passed: Readonly<Record<string, string>>
  readonly signatures: SignatureMemory
}

/** One request of one caller while targets are tried. A class, because one is made for every call. */
export class ModelVisit implements DeliveryHost {
  readonly #host: VisitHost
  readonly #signatures: SignatureMemory
  readonly exchange: Exchange
  readonly request: ModelRequest
  readonly item: CatalogItem
  readonly grant: ModelGrant
  readonly passed: Readonly<Record<string, string>>
  readonly delivery: Delivery
  /** What writes the stream under way: how a break is told to the caller. */
  sink: StreamSink | undefined
  /** Hears when the caller can take more. */
  attempt: { drained(): void } | undefined
  /** Parameters the target under way cannot say. */
  dropped: readonly string[] = []
  /** When the attempt under way began, in monotonic milliseconds. */
  attemptAt = 0

  constructor(host: VisitHost, { exchange, request, item, grant, passed, signatures }: VisitFacts) {
    this.#host = host
    this.#signatures = signatures
    this.exchange = exchange
    this.request = request
    this.item = item
    this.grant = grant
    this.passed = passed
    this.delivery = new Delivery(this)
  }

  get route(): ModelRoute {
    return this.grant.route
  }

  get strict(): boolean {
    return this.request.strict || this.grant.strict
  }

  /** A target is tried: parameters it cannot say, and when (monotonic milliseconds). */
  begin(dropped: readonly string[], at: number): void {
    this.delivery.reset()
    this.dropped = dropped
    this.attemptAt = at
  }

  open(): ByteStream {
    return this.#host.openStream(this)
  }

  onHangUp(): void {
    this.#host.hangUp()
  }

  onDrain(): void {
    this.attempt?.drained()
  }

  encodeContext(): EncodeContext {
    return {
      model: this.request.model,
      created: Math.floor(this.exchange.at / 1_000),
      includeUsage: this.request.includeUsage,
      estimatedInput: roughTokens(this.request.bytes.length),
      newId,
    }
  }

  /** The request in the middle form, for a target of a family; `json` has the members the target adds. */
  middle(json: JsonObject, family: string): ChatRequest {
    const { dialect, operation } = this.request.door
    if (operation === 'count_tokens') return decodeMessagesCount(json)
    const request = dialect.decodeRequest(json)
    return keepsSignatures(dialect.name) ? request : this.#signatures.restore(this.exchange.identity.key, request, family)
  }
}

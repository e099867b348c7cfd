import type { JsonObject } from '../core/json.ts'
import type { Usage } from '../core/usage.ts'
import type { ChatRequest, Failure, WireName } from './middle.ts'
import type { Quirks, TargetProfile, Wire, WireEvent } from './wire.ts'

/** What is asked of a provider. */
export type Operation = 'chat' | 'embeddings' | 'count_tokens'

/** One attempt as its provider sees it. */
export interface ProviderCall {
  readonly operation: Operation
  /** The wire the answer is wanted on; one of `wires(model)`. */
  readonly wire: WireName
  readonly target: TargetProfile
  readonly region?: string
  readonly stream: boolean
  readonly body: RequestBody
  /** Headers of the caller that belong to the dialect and pass unchanged when the wire is the same: `anthropic-version`, `anthropic-beta`, `openai-beta`. */
  readonly passed: Readonly<Record<string, string>>
}

/** The body of an attempt before the provider's envelope. */
export type RequestBody =
  /** Same dialect in and out: the caller's bytes, with the places of its top-level members. */
  | { readonly kind: 'same'; readonly bytes: Buffer; readonly members: ReadonlyMap<string, MemberSpan> }
  | { readonly kind: 'middle'; readonly request: ChatRequest }
  /** Embeddings and other operations without a middle form: the caller's JSON in the OpenAI shape. */
  | { readonly kind: 'json'; readonly json: JsonObject }

/** Where a top-level member stands in a body: from the first byte of its key to the end of its value. `value` begins at `valueStart`. */
export interface MemberSpan {
  readonly start: number
  readonly valueStart: number
  readonly end: number
}

/** A request ready to be signed and sent. */
export interface ProviderRequest {
  /** Absolute URL; every variable part is one encoded path segment. */
  readonly url: string
  /** Without credentials. Built from an allow-list, never copied from the caller. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Parameters the target cannot say. */
  readonly dropped: readonly string[]
  readonly toolNames?: ReadonlyMap<string, string>
}

/** How answers of an attempt are read. */
export interface ProviderReading {
  readonly wire: Wire
  readonly quirks?: Quirks
  /** How the stream is framed. */
  readonly framing: 'sse' | 'eventstream'
  /** Turns a frame of an event stream into an event of the wire; absent where the frame is the event. */
  unwrap?(event: WireEvent): WireEvent
}

/** An answer whose status is not 2xx. */
export interface RefusedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/**
 * One provider of models. Pure: signing, sending and clocks are not its business. Every provider has these same four functions; a file per type
 * in `providers/`, made by a factory named like the type.
 */
export interface Provider {
  /** Wires it speaks for a model, best first. Empty for a model it cannot serve. */
  wires(model: string): readonly WireName[]
  readonly operations: readonly Operation[]
  /** Who can read the signatures of a model's reasoning. */
  family(model: string): string
  readonly quirks?: Quirks
  /** Writes the request. Throws a GatewayError `dropped_parameters` or `invalid_params` when it cannot be said. */
  toProvider(call: ProviderCall): ProviderRequest
  /** How to read what comes back. */
  fromProvider(call: ProviderCall): ProviderReading
  /** Usage of a whole answer (or embedding answer) of this provider. */
  usageOf(call: ProviderCall, body: JsonObject): Usage | undefined
  /** Reads a refusal, also one that came with status 200 and an error body. */
  errorOf(answer: RefusedAnswer): Failure
  /** Turns an embeddings or count_tokens answer into the caller's shape; absent where it is the same already. */
  toAnswer?(call: ProviderCall, body: JsonObject): JsonObject
}

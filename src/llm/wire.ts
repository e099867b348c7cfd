import type { JsonObject } from '../core/json.ts'
import type { Usage } from '../core/usage.ts'
import type { ChatAnswer, ChatRequest, DialectName, Failure, ModelEvent, WireName } from './middle.ts'

/** What a wire must know of the target it writes for. */
export interface TargetProfile {
  /** The provider's name of the model. */
  readonly model: string
  /** Who can read the signatures of this model's reasoning: `anthropic`, `gemini`, `openai`, or the provider's type. */
  readonly family: string
  /** How an OpenAI-shaped provider differs from OpenAI. */
  readonly quirks?: Quirks
  /** Whether the model thinks, as far as is known; absent when unknown. */
  readonly reasons?: boolean
  /** Largest output, for wires that demand a bound (Anthropic `max_tokens`). */
  readonly maxOutputTokens?: number
}

/** How an OpenAI-shaped provider differs from OpenAI; one row of `providers/openai-compatible-profiles.ts`. All optional: absent means like OpenAI. */
export interface Quirks {
  /** Whether a stream needs `stream_options.include_usage`, gives usage unasked, or never gives any. */
  readonly usage?: 'ask' | 'unasked' | 'none'
  /** Top-level members it refuses: left out and reported. */
  readonly rejects?: readonly string[]
  readonly renames?: Readonly<Record<string, string>>
  readonly toolIds?: 'any' | 'nine_alphanumeric'
  /** Its word for "must call a tool". */
  readonly toolChoiceRequired?: string
  /** The member its thoughts stand in. */
  readonly reasoningField?: 'reasoning_content' | 'reasoning'
  /** Whether thoughts of earlier turns may be sent back. */
  readonly returnsReasoning?: boolean
  /** Roles and content it takes only as plain text. */
  readonly plainContent?: boolean
  /** `max_tokens` instead of `max_completion_tokens`. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens'
  /** It has no `developer` role. */
  readonly systemRole?: 'system' | 'developer'
  /** Other words for the same finish reason: `eos` for `stop`. */
  readonly finishReasons?: Readonly<Record<string, string>>
}

/** A body for a target, and the parameters it could not carry, by the names the caller knows: `seed`, `tools[].strict`. */
export interface EncodedRequest {
  readonly body: JsonObject
  readonly dropped: readonly string[]
  /** Tool names as sent, where they differ: sent name to the caller's name. */
  readonly toolNames?: ReadonlyMap<string, string>
}

/** What a decoder must know. */
export interface DecodeContext {
  readonly family: string
  readonly quirks?: Quirks
  readonly toolNames?: ReadonlyMap<string, string>
  /** Makes an id for what the wire gives none: `newId('call')` is `call_` and 24 letters and digits. */
  newId(prefix: string): string
}

/** One event of a provider's stream, whatever framed it: server-sent events or the AWS event stream. `data` is JSON text, or `[DONE]`. */
export interface WireEvent {
  /** Name of the event; empty when the framing gives none. */
  readonly event: string
  readonly data: string
}

/** Reads one stream. Keeps its own state; never throws: what cannot be read becomes an `error` event of kind `invalid`. */
export interface StreamDecoder {
  push(event: WireEvent): readonly ModelEvent[]
  /** The body ended. For wires whose end is the end of the body (Gemini) this gives `end`; for others nothing. */
  close(): readonly ModelEvent[]
}

/** The provider's side of a protocol. Pure. One file per wire in `wires/`. */
export interface Wire {
  readonly name: WireName
  encodeRequest(request: ChatRequest, target: TargetProfile): EncodedRequest
  /** Throws a GatewayError `upstream_invalid` for a body that is no answer. */
  decodeAnswer(body: JsonObject, context: DecodeContext): ChatAnswer
  createDecoder(context: DecodeContext): StreamDecoder
  /** Usage of a whole answer or of one streamed event of this wire; undefined when it holds none. Table 2.0 of the usage normalisation. */
  usageOf(body: JsonObject): Usage | undefined
}

/** What an encoder of answers must know. */
export interface EncodeContext {
  /** The model name the caller asked for: what it is told. */
  readonly model: string
  /** Seconds since the epoch. */
  readonly created: number
  readonly includeUsage: boolean
  /** Input tokens by local count, for dialects that want a first usage before the provider gave one. */
  readonly estimatedInput: number
  newId(prefix: string): string
}

/** Writes one stream in a dialect: each event gives zero or more whole frames as text, ready to send. */
export interface StreamEncoder {
  encode(event: ModelEvent): string
  /** The dialect's own error frame for a stream that has begun: the last thing sent, never followed by the dialect's end mark. */
  fail(error: DialectError, requestId: string): string
}

/** What a tap saw in one frame. `preamble`: nothing a caller would miss if another provider answered instead. */
export interface Sighting {
  readonly kind: 'preamble' | 'content' | 'ping' | 'finish' | 'end' | 'error'
  /** The frame is not for the caller: usage it did not ask for. */
  readonly hide?: boolean
  readonly failure?: Failure
}

/**
 * Looks at the frames of a stream that is forwarded as it is. Sees whole frames, in order, as bytes with their blank line; decides with a few
 * byte searches and parses only frames that matter (usage, end, error). Never throws.
 */
export interface Tap {
  see(frame: Buffer): Sighting
  /** The last usage seen; replaced, never added. */
  usage(): Usage | undefined
  /** The model as the provider named it. */
  model(): string | undefined
  /** The dialect's own error frame, numbered so that it may follow the frames seen so far. */
  fail(error: DialectError, requestId: string): string
}

/** A failure as a dialect writes it. `status` is the HTTP status when nothing was sent yet. */
export interface DialectError {
  readonly status: number
  /** `invalid_request_error`, `rate_limit_error`, ... in the words of the dialect. */
  readonly type: string
  readonly code?: string
  readonly param?: string
  readonly message: string
}

/** The caller's side of a protocol. Pure. One file per dialect in `dialects/`. */
export interface Dialect {
  readonly name: DialectName
  /** Throws a GatewayError `invalid_params` that names the JSON path and what is allowed. */
  decodeRequest(body: JsonObject): ChatRequest
  encodeAnswer(answer: ChatAnswer, context: EncodeContext): JsonObject
  createEncoder(context: EncodeContext): StreamEncoder
  createTap(options: { readonly includeUsage: boolean; readonly quirks?: Quirks }): Tap
  errorBody(error: DialectError, requestId: string): JsonObject
  /** A frame that says nothing but "still here". */
  keepAlive(): string
  /** Members of a request body, and of a whole answer, that hold words a model or a person reads. */
  readonly requestWords: readonly string[]
  readonly answerWords: readonly string[]
}

// The middle form: what every dialect and every wire can be turned into and made from. It is a superset, so that a value is lost only where
// the target cannot say it, and then it is reported. Same dialect in and out never passes through here: bytes are forwarded.
import type { JsonObject } from '../core/json.ts'
import type { Usage } from '../core/usage.ts'

/** The dialects callers speak: OpenAI Chat Completions, OpenAI Responses, Anthropic Messages. */
export type DialectName = 'chat' | 'responses' | 'messages'

/** The wires providers speak. A dialect and the wire of the same name are the same protocol. */
export type WireName = DialectName | 'gemini' | 'converse'

/** A chat request of any dialect. Absent means: the caller said nothing, so nothing is sent. */
export interface ChatRequest {
  readonly dialect: DialectName
  /** The model name the caller asked for. */
  readonly model: string
  /** Leading system and developer messages, in order. */
  readonly system: readonly TextPart[]
  /** Consecutive turns may have the same role; a wire that wants alternation merges them. */
  readonly turns: readonly Turn[]
  readonly tools: readonly Tool[]
  readonly toolChoice?: ToolChoice
  /** False: at most one tool call per answer. */
  readonly parallelTools?: boolean
  readonly maxTokens?: number
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly stop?: readonly string[]
  readonly seed?: number
  readonly presencePenalty?: number
  readonly frequencyPenalty?: number
  readonly logitBias?: JsonObject
  /** How many answers; more than one only where both sides speak chat. */
  readonly n?: number
  readonly logprobs?: boolean
  readonly topLogprobs?: number
  readonly reasoning?: Reasoning
  readonly output?: OutputFormat
  readonly verbosity?: string
  readonly serviceTier?: string
  /** An opaque name of the end user, for the provider's abuse detection. */
  readonly user?: string
  readonly metadata?: JsonObject
  readonly cacheKey?: string
  readonly stream: boolean
  /** Whether the caller wants usage on the stream (chat `stream_options.include_usage`; other dialects always do). */
  readonly includeUsage: boolean
  /** Top-level members of the caller's body that this form has no word for, by their names. No other wire can say them. */
  readonly extras: JsonObject
}

/** One turn. `system`: a system message in the middle of a conversation. */
export interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  readonly parts: readonly Part[]
}

/** A prompt-cache breakpoint after the part that carries it. */
export interface CacheHint {
  readonly ttl?: '5m' | '1h'
}

/** Words. */
export interface TextPart {
  readonly type: 'text'
  readonly text: string
  readonly cache?: CacheHint
  /** Citations or annotations as the wire of the answer gave them. */
  readonly annotations?: readonly JsonObject[]
}

/** Bytes by value or by name. `base64` is without a `data:` prefix. */
export type Source =
  | { readonly kind: 'base64'; readonly data: string; readonly mediaType: string }
  | { readonly kind: 'url'; readonly url: string; readonly mediaType?: string }
  | { readonly kind: 'file'; readonly fileId: string }

/** A tool call a model proposed. `arguments` is JSON text, exactly as the model wrote it; `{}` when it wrote nothing. */
export interface ToolCallPart {
  readonly type: 'tool-call'
  readonly id: string
  readonly name: string
  readonly arguments: string
  readonly signature?: Signature
  readonly cache?: CacheHint
}

/** The result of an earlier tool call. */
export interface ToolResultPart {
  readonly type: 'tool-result'
  readonly callId: string
  /** Name of the tool; a decoder fills it in from the call of the same id. */
  readonly name?: string
  readonly parts: readonly Part[]
  readonly isError?: boolean
  readonly cache?: CacheHint
}

/** What a model thought. It goes back only to the family that made it; a signed part with empty text is kept. */
export interface ReasoningPart {
  readonly type: 'reasoning'
  readonly text: string
  readonly signature?: Signature
  /** Thoughts the provider shows only in encrypted form (Anthropic `redacted_thinking`). */
  readonly redacted?: Signature
  /** Id of the item, where the dialect has one (Responses). */
  readonly id?: string
  readonly cache?: CacheHint
}

/** One part of a turn or an answer. */
export type Part =
  | TextPart
  | { readonly type: 'image'; readonly source: Source; readonly detail?: string; readonly cache?: CacheHint }
  | { readonly type: 'audio'; readonly data: string; readonly format: string; readonly cache?: CacheHint }
  | { readonly type: 'file'; readonly source: Source; readonly name?: string; readonly cache?: CacheHint }
  | { readonly type: 'refusal'; readonly text: string; readonly cache?: CacheHint }
  | ToolCallPart
  | ToolResultPart
  | ReasoningPart

/** An opaque proof of a model family, for instance `anthropic`, `gemini` or `openai`. */
export interface Signature {
  readonly family: string
  readonly value: string
}

/** A function a model may call. `name` is the caller's; a wire with a narrower alphabet maps it and maps it back. */
export interface Tool {
  readonly name: string
  readonly description?: string
  /** JSON Schema of the arguments. */
  readonly schema: JsonObject
  readonly strict?: boolean
  readonly cache?: CacheHint
}

/** Which tool the model is to call. */
export type ToolChoice =
  | { readonly type: 'auto' | 'required' | 'none' }
  | { readonly type: 'tool'; readonly name: string }
  | { readonly type: 'subset'; readonly names: readonly string[]; readonly required: boolean }

/** How hard to think. A wire that knows only one of effort and budget converts by `effort.ts`. */
export interface Reasoning {
  readonly effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'
  readonly budgetTokens?: number
  /** Whether thoughts are to be shown: `auto`, `concise`, `detailed`, `summarized`, `omitted`. */
  readonly summary?: string
  /** The model decides how hard to think (Anthropic `adaptive`). */
  readonly adaptive?: boolean
}

/** The form of the answer. */
export type OutputFormat =
  | { readonly type: 'text' | 'json' }
  | {
      readonly type: 'schema'
      readonly name?: string
      readonly description?: string
      readonly schema: JsonObject
      readonly strict?: boolean
    }

/** Why an answer ended. */
export type StopReason = 'end' | 'length' | 'tool' | 'filtered' | 'malformed' | 'paused'

/** A whole answer. */
export interface ChatAnswer {
  readonly id: string
  /** The model as the provider named it; absent when it named none. */
  readonly model?: string
  readonly parts: readonly Part[]
  readonly stop: StopReason
  /** The stop sequence that was met. */
  readonly stopSequence?: string
  readonly usage?: Usage
  readonly serviceTier?: string
  /** Log-probabilities as Chat Completions writes them (`choices[].logprobs.content`). */
  readonly logprobs?: readonly JsonObject[]
}

/**
 * One step of a streamed answer. `index` counts the parts of the answer from 0, without gaps, in the order they began; parts may interleave.
 * A decoder guarantees: `start` first, every part started before its deltas and ended before `finish`, `finish` before `end`.
 */
export type ModelEvent =
  | { readonly type: 'start'; readonly id: string; readonly model?: string; readonly usage?: Usage }
  | { readonly type: 'text-start'; readonly index: number }
  | { readonly type: 'text-delta'; readonly index: number; readonly text: string; readonly logprobs?: readonly JsonObject[] }
  | { readonly type: 'text-end'; readonly index: number; readonly annotations?: readonly JsonObject[] }
  | { readonly type: 'refusal-start'; readonly index: number }
  | { readonly type: 'refusal-delta'; readonly index: number; readonly text: string }
  | { readonly type: 'refusal-end'; readonly index: number }
  | { readonly type: 'reasoning-start'; readonly index: number; readonly id?: string }
  | { readonly type: 'reasoning-delta'; readonly index: number; readonly text: string }
  | { readonly type: 'reasoning-end'; readonly index: number; readonly signature?: Signature; readonly redacted?: Signature }
  | { readonly type: 'tool-start'; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: 'tool-delta'; readonly index: number; readonly json: string }
  | { readonly type: 'tool-end'; readonly index: number; readonly signature?: Signature }
  /** Running totals: replace what was known, never add. */
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'finish'; readonly stop: StopReason; readonly stopSequence?: string; readonly serviceTier?: string }
  /** The wire's own sign that the stream is complete. A stream that ends without it was cut. */
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly failure: Failure }
  | { readonly type: 'ping' }

/** Kinds of provider failures; see the table in docs/operations.md for what each does to retries and breakers. */
export type FailureKind =
  | 'bad_request'
  | 'auth'
  | 'billing'
  | 'forbidden'
  | 'not_found'
  | 'too_large'
  | 'filtered'
  | 'rate_limited'
  | 'timeout'
  | 'overloaded'
  | 'server'
  | 'invalid'
  | 'unreachable'

/** What a provider said went wrong, or what went wrong on the way to it. */
export interface Failure {
  readonly kind: FailureKind
  /** HTTP status of the provider, when there was an answer. */
  readonly status?: number
  /** The provider's own words. Shown to the caller only when the caller is at fault (`bad_request`, `too_large`, `filtered`). */
  readonly message: string
  readonly code?: string
  readonly param?: string
  readonly retryAfterMs?: number
  /** The provider's word on retrying (`x-should-retry`). */
  readonly shouldRetry?: boolean
}

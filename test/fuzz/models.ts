import type { DialectName, WireName } from '../../src/llm/middle.ts'
import type { Dialect, DecodeContext, EncodeContext, TargetProfile, Wire } from '../../src/llm/wire.ts'
import { chatDialect } from '../../src/llm/dialects/chat.ts'
import { messagesDialect } from '../../src/llm/dialects/messages.ts'
import { responsesDialect } from '../../src/llm/dialects/responses.ts'
import { PROFILE_TABLE } from '../../src/llm/providers/openai-compatible-profiles.ts'
import { chatWire } from '../../src/llm/wires/chat.ts'
import { converseWire } from '../../src/llm/wires/converse.ts'
import { geminiWire, vertexGeminiWire } from '../../src/llm/wires/gemini.ts'
import { messagesWire } from '../../src/llm/wires/messages.ts'
import { responsesWire } from '../../src/llm/wires/responses.ts'

/** What callers speak. */
export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  chat: chatDialect,
  responses: responsesDialect,
  messages: messagesDialect,
}

/** What providers speak. */
export const WIRES: Readonly<Record<WireName, Wire>> = {
  chat: chatWire,
  responses: responsesWire,
  messages: messagesWire,
  gemini: geminiWire,
  converse: converseWire,
}

/** A wire with a target that shows another side of it. */
export interface Aim {
  readonly wire: Wire
  readonly target: TargetProfile
}

/** Every wire, with models of different kinds behind it. */
export const AIMS: readonly Aim[] = [
  { wire: chatWire, target: { model: 'gpt-5', family: 'openai', reasons: true } },
  { wire: chatWire, target: { model: 'mistral-large', family: 'openai_compatible', quirks: PROFILE_TABLE.mistral.quirks } },
  { wire: chatWire, target: { model: 'deepseek-chat', family: 'openai_compatible', quirks: PROFILE_TABLE.deepseek.quirks } },
  { wire: chatWire, target: { model: 'llama3', family: 'openai_compatible', quirks: PROFILE_TABLE.ollama.quirks } },
  { wire: responsesWire, target: { model: 'gpt-5', family: 'openai', reasons: true } },
  { wire: messagesWire, target: { model: 'claude-sonnet-4-5', family: 'anthropic', maxOutputTokens: 64_000 } },
  { wire: messagesWire, target: { model: 'claude-opus-4-8', family: 'anthropic' } },
  { wire: geminiWire, target: { model: 'gemini-2.5-flash', family: 'gemini' } },
  { wire: vertexGeminiWire, target: { model: 'gemini-3-pro', family: 'gemini', reasons: true } },
  { wire: converseWire, target: { model: 'amazon.nova-lite-v1:0', family: 'bedrock' } },
  { wire: converseWire, target: { model: 'anthropic.claude-sonnet-4-5-v1:0', family: 'anthropic' } },
]

function counter(): (prefix: string) => string {
  let ids = 0
  return (prefix) => `${prefix}_${(ids += 1)}`
}

/** A context to read with; ids count up. */
export function decodeContext(family = 'openai'): DecodeContext {
  return { family, newId: counter() }
}

/** A context to write with; ids count up. */
export function encodeContext(): EncodeContext {
  return { model: 'fast', created: 1_800_000_000, includeUsage: true, estimatedInput: 7, newId: counter() }
}

/** Words of all the dialects and wires: names of members, of types, of roles. */
export const MODEL_WORDS: readonly string[] =
  `user assistant system developer tool function model messages input contents content text type role parts tool_calls tool_call_id tool_use tool_result
  function_call function_call_output input_text output_text refusal reasoning thinking redacted_thinking signature encrypted_content summary summary_text
  image_url input_image image input_audio file input_file file_id file_data base64 data url source media_type cache_control ephemeral ttl 5m 1h inlineData
  fileData functionCall functionResponse thoughtSignature thought candidates finishReason usageMetadata promptTokenCount candidatesTokenCount
  cachedContentTokenCount thoughtsTokenCount toolUsePromptTokenCount promptFeedback blockReason STOP MAX_TOKENS SAFETY choices delta finish_reason stop length
  content_filter usage prompt_tokens completion_tokens total_tokens prompt_tokens_details completion_tokens_details cached_tokens reasoning_tokens
  audio_tokens input_tokens output_tokens cache_read_input_tokens cache_creation_input_tokens cache_creation server_tool_use input_tokens_details
  output_tokens_details stop_reason stop_sequence end_turn max_tokens tool_choice tools parallel_tool_calls response_format json_schema json_object schema
  strict name description parameters input_schema arguments call_id id index logprobs metadata stream n seed temperature top_p top_k effort budget_tokens
  adaptive enabled disabled auto required none any allowed_tools message_start message_delta message_stop content_block_start content_block_delta
  content_block_stop text_delta input_json_delta thinking_delta signature_delta citations_delta ping error overloaded_error response.created
  response.in_progress response.completed response.failed response.incomplete response.output_item.added response.output_item.done
  response.output_text.delta response.content_part.added response.function_call_arguments.delta response.reasoning_summary_text.delta sequence_number
  output_index content_index item_id output messageStart contentBlockStart contentBlockDelta contentBlockStop messageStop metadata toolUse toolUseId
  toolResult reasoningContent redactedContent inputTokens outputTokens cacheReadInputTokens cacheWriteInputTokens stopReason exception:throttlingException
  [DONE] https://a.test/x.png data:image/png;base64,AAAA $ref #/$defs/a anyOf properties additionalProperties {} {"a":1} tg1.openai.YQ`
    .split(/\s+/)
    .filter((word) => word !== '')

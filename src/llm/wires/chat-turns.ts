import type { JsonObject } from '../../core/json.ts'
import type { Part, ReasoningPart, Source, TextPart, ToolCallPart, ToolResultPart, Turn } from '../middle.ts'
import type { Quirks } from '../wire.ts'
import { chatCallId } from './call-id.ts'

/** What writing messages needs. */
export interface TurnsContext {
  readonly family: string
  readonly quirks: Quirks
  /** Whether cache breakpoints can be said. */
  readonly caches: boolean
  sentName(name: string): string
  /** Notes what could not be said, by the name the caller knows. */
  drop(name: string): void
}

/** Writes leading system messages as one message. */
export function systemMessages(system: readonly TextPart[], context: TurnsContext): JsonObject[] {
  if (system.length === 0) return []
  return [{ role: context.quirks.systemRole ?? 'system', content: contentOf(system, context, '\n\n') }]
}

/** Writes the turns of a conversation. */
export function turnMessages(turns: readonly Turn[], context: TurnsContext): JsonObject[] {
  return turns.flatMap((turn) => {
    if (turn.role === 'assistant') return [assistantMessage(turn.parts, context)]
    if (turn.role === 'system')
      return [{ role: context.quirks.systemRole ?? 'system', content: contentOf(turn.parts, context, '\n\n') }]
    return userMessages(turn.parts, context)
  })
}

/** Results come first, since they must follow their calls; what a tool showed beside words goes to the user message after them. */
function userMessages(parts: readonly Part[], context: TurnsContext): JsonObject[] {
  const results = parts.filter((part) => part.type === 'tool-result')
  const shown = results.flatMap((result) => result.parts.filter((part) => part.type !== 'text'))
  if (shown.length > 0) context.drop('tool_result.content')
  const said = [...shown, ...parts.filter((part) => part.type !== 'tool-result')]
  const messages = results.map((result) => toolMessage(result, context))
  return said.length === 0 ? messages : [...messages, { role: 'user', content: contentOf(said, context, '\n') }]
}

function toolMessage(result: ToolResultPart, context: TurnsContext): JsonObject {
  if (result.isError === true) context.drop('tool_result.is_error')
  if (result.cache !== undefined) context.drop('cache_control')
  const words = result.parts.filter((part) => part.type === 'text')
  return { role: 'tool', tool_call_id: chatCallId(result.callId, context.quirks), content: contentOf(words, context, '\n') }
}

function assistantMessage(parts: readonly Part[], context: TurnsContext): JsonObject {
  const words = parts.filter((part) => part.type === 'text')
  const refusal = parts.flatMap((part) => (part.type === 'refusal' ? part.text : [])).join('')
  const calls = parts.filter((part) => part.type === 'tool-call')
  if (parts.some(({ type }) => !ASSISTANT_PARTS.has(type))) context.drop('messages[].content')
  const isSilent = words.length === 0 && (calls.length > 0 || refusal !== '')
  return {
    role: 'assistant',
    content: isSilent ? null : contentOf(words, context, ''),
    ...(refusal === '' ? {} : { refusal }),
    ...reasoningMember(
      parts.filter((part) => part.type === 'reasoning'),
      context,
    ),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => toolCall(call, context)) }),
  }
}

const ASSISTANT_PARTS: ReadonlySet<Part['type']> = new Set(['text', 'refusal', 'tool-call', 'reasoning'])

/** Thoughts go back only to a provider that wants them and made them; one that says it wants none loses nothing. */
function reasoningMember(parts: readonly ReasoningPart[], { family, quirks, drop }: TurnsContext): JsonObject {
  if (parts.length === 0 || quirks.returnsReasoning === false) return {}
  const own = quirks.returnsReasoning === true ? parts.filter((part) => canRead(part, family)) : []
  if (own.length < parts.length) drop('reasoning')
  const text = own.map((part) => part.text).join('')
  const isSigned = own.some(({ signature, redacted }) => signature !== undefined || redacted !== undefined)
  return {
    ...(text === '' ? {} : { [quirks.reasoningField ?? 'reasoning_content']: text }),
    ...(isSigned ? { reasoning_details: own.flatMap(reasoningDetails) } : {}),
  }
}

function canRead({ signature, redacted }: ReasoningPart, family: string): boolean {
  return (signature?.family ?? family) === family && (redacted?.family ?? family) === family
}

/** Proofs go back in the form they came in. */
function reasoningDetails({ text, signature, redacted }: ReasoningPart): JsonObject[] {
  const shown =
    text === '' && signature === undefined
      ? []
      : [{ type: 'reasoning.text', text, ...(signature === undefined ? {} : { signature: signature.value }) }]
  return redacted === undefined ? shown : [...shown, { type: 'reasoning.encrypted', data: redacted.value }]
}

function toolCall(call: ToolCallPart, context: TurnsContext): JsonObject {
  if (call.cache !== undefined) context.drop('cache_control')
  const { signature } = call
  const isOwn = signature !== undefined && signature.family === 'gemini' && context.family === 'gemini'
  if (signature !== undefined && !isOwn) context.drop('reasoning')
  return {
    id: chatCallId(call.id, context.quirks),
    type: 'function',
    function: { name: context.sentName(call.name), arguments: call.arguments },
    ...(isOwn ? { extra_content: { google: { thought_signature: signature.value } } } : {}),
  }
}

/** A text alone is a string, which every provider takes; more is an array, or text with `between` for those who take only that. */
function contentOf(parts: readonly Part[], context: TurnsContext, between: string): string | JsonObject[] {
  const [first] = parts
  if (first === undefined) return ''
  if (!context.caches && parts.some((part) => part.cache !== undefined)) context.drop('cache_control')
  const isPlain = parts.every((part) => part.type === 'text') && (parts.length === 1 || context.quirks.plainContent === true)
  const isMarked = context.caches && parts.some((part) => part.cache !== undefined)
  if (isPlain && !isMarked) return parts.map((part) => (part.type === 'text' ? part.text : '')).join(between)
  return parts.flatMap((part) => {
    const piece = contentPiece(part, context)
    if (piece === undefined) return []
    return [context.caches && part.cache !== undefined ? { ...piece, prompt_cache_breakpoint: { mode: 'explicit' } } : piece]
  })
}

function contentPiece(part: Part, context: TurnsContext): JsonObject | undefined {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text }
    case 'refusal':
      return { type: 'text', text: part.text }
    case 'image':
      return imagePiece(part.source, part.detail, context)
    case 'audio':
      return { type: 'input_audio', input_audio: { data: part.data, format: part.format } }
    case 'file':
      return filePiece(part.source, part.name, context)
    case 'reasoning':
    case 'tool-call':
    case 'tool-result':
      context.drop('messages[].content')
      return undefined
  }
}

function imagePiece(source: Source, detail: string | undefined, context: TurnsContext): JsonObject | undefined {
  if (source.kind === 'file') {
    context.drop('messages[].content[].image')
    return undefined
  }
  const url = source.kind === 'url' ? source.url : dataUrl(source.mediaType, source.data)
  return { type: 'image_url', image_url: detail === undefined ? { url } : { url, detail } }
}

function filePiece(source: Source, name: string | undefined, context: TurnsContext): JsonObject | undefined {
  if (source.kind === 'url') {
    context.drop('messages[].content[].file')
    return undefined
  }
  const filename = name === undefined ? {} : { filename: name }
  if (source.kind === 'file') return { type: 'file', file: { file_id: source.fileId, ...filename } }
  // a file by value needs a name there
  return { type: 'file', file: { filename: 'file', ...filename, file_data: dataUrl(source.mediaType, source.data) } }
}

const dataUrl = (mediaType: string, data: string) => `data:${mediaType};base64,${data}`

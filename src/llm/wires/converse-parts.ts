import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { parseJson } from '../../lib/json-numbers.ts'
import type { Part, ReasoningPart, Source, ToolCallPart, ToolResultPart } from '../middle.ts'
import { sentCallId } from './call-id.ts'
import type { ConverseContext } from './converse-context.ts'

type MediaPart = Extract<Part, { type: 'image' | 'audio' | 'file' }>

const CALL_ID = /^[A-Za-z0-9_-]{1,64}$/

const IMAGE_FORMATS: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
}

const DOCUMENT_FORMATS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'text/html': 'html',
  'text/plain': 'txt',
  'text/markdown': 'md',
}

/** Tells whether a part is bytes rather than words. */
export function isMedia(part: Part): part is MediaPart {
  return part.type === 'image' || part.type === 'audio' || part.type === 'file'
}

/** Blank text is refused by the wire, so it is left out. */
export function toTextBlocks(text: string): JsonObject[] {
  return text.trim() === '' ? [] : [{ text }]
}

/** Writes bytes. Throws `invalid_params` for what the wire cannot carry; `place` names the part. */
export function toMediaBlock(part: MediaPart, place: string, context: ConverseContext): JsonObject {
  if (part.type === 'audio') return { audio: { format: part.format, source: { bytes: part.data } } }
  if (part.type === 'image') {
    if (part.detail !== undefined && part.detail !== 'auto') context.dropped.add('image_url.detail')
    return { image: { format: formatOf(part.source, IMAGE_FORMATS, place), source: toSource(part.source, place) } }
  }
  if (mediaTypeOf(part.source)?.startsWith('image/') === true)
    return { image: { format: formatOf(part.source, IMAGE_FORMATS, place), source: toSource(part.source, place) } }
  const format = formatOf(part.source, DOCUMENT_FORMATS, place)
  return { document: { format, name: context.documentName(part.name), source: toSource(part.source, place) } }
}

function toSource(source: Source, place: string): JsonObject {
  if (source.kind === 'base64') return { bytes: source.data }
  if (source.kind === 'url' && source.url.startsWith('s3://')) return { s3Location: { uri: source.url } }
  const what = source.kind === 'file' ? 'file ids of other providers' : 'URLs'
  throw new GatewayError('invalid_params', `${place}: the provider does not fetch ${what}; allowed: base64 data and s3:// URLs`)
}

function formatOf(source: Source, formats: Readonly<Record<string, string>>, place: string): string {
  const mediaType = mediaTypeOf(source) ?? ''
  const format = Object.hasOwn(formats, mediaType) ? formats[mediaType] : byExtension(source, Object.values(formats))
  if (format !== undefined) return format
  // What is wrong with a source that cannot be fetched is that, not its media type.
  toSource(source, place)
  const known = [...new Set(Object.keys(formats))].join(', ')
  throw new GatewayError('invalid_params', `${place}: the provider does not take this media type; allowed: ${known}`)
}

function mediaTypeOf(source: Source): string | undefined {
  return source.kind === 'file' ? undefined : source.mediaType?.split(';', 1)[0]?.trim().toLowerCase()
}

function byExtension(source: Source, known: readonly string[]): string | undefined {
  if (source.kind !== 'url') return undefined
  const extension = /\.([A-Za-z0-9]{2,5})$/.exec(source.url.slice(-64))?.[1]?.toLowerCase().replace('jpg', 'jpeg')
  return extension !== undefined && known.includes(extension) ? extension : undefined
}

/** Writes a tool call of an earlier turn. */
export function toToolUse(part: ToolCallPart, context: ConverseContext): JsonObject {
  if (part.signature !== undefined) context.dropped.add('reasoning')
  const input = argumentsOf(part.arguments, context)
  return { toolUse: { toolUseId: sentCallId(part.id, CALL_ID), name: context.names.sent(part.name), input } }
}

/** Arguments must be an object here. Those a model cut short are kept as text, so that the history stays true. */
function argumentsOf(text: string, context: ConverseContext): JsonObject {
  if (text.trim() === '') return {}
  try {
    const value = parseJson(text)
    if (isJsonObject(value)) return value
  } catch {
    // kept as text below
  }
  context.dropped.add('messages[].tool_calls[].function.arguments')
  return { arguments: text }
}

/** Writes the result of a call. */
export function toToolResult(part: ToolResultPart, context: ConverseContext): JsonObject {
  const content = part.parts.flatMap((inner) => toResultBlocks(inner, part.callId, context))
  return {
    toolResult: {
      toolUseId: sentCallId(part.callId, CALL_ID),
      content: content.length > 0 ? content : [{ text: '(no output)' }],
      ...statusOf(part, context),
    },
  }
}

function statusOf(part: ToolResultPart, { model, dropped }: ConverseContext): JsonObject {
  if (part.isError !== true) return {}
  if (model.claude !== undefined || model.isNova) return { status: 'error' }
  dropped.add('messages[].content[].is_error')
  return {}
}

function toResultBlocks(part: Part, callId: string, context: ConverseContext): JsonObject[] {
  if (part.type === 'text' || part.type === 'refusal') return toTextBlocks(part.text)
  if (part.type === 'image' || part.type === 'file') return [toMediaBlock(part, `the result of call ${callId}`, context)]
  context.dropped.add('messages[].content')
  return []
}

/** Thoughts go back only to the family that signed them; a signed one without words is kept. */
export function toReasoningBlocks(part: ReasoningPart, context: ConverseContext): JsonObject[] {
  const isOurs = (family: string | undefined) => family === 'anthropic' && context.family === 'anthropic'
  if (part.redacted !== undefined && isOurs(part.redacted.family))
    return [{ reasoningContent: { redactedContent: part.redacted.value } }]
  if (part.signature !== undefined && isOurs(part.signature.family))
    return [{ reasoningContent: { reasoningText: { text: part.text, signature: part.signature.value } } }]
  context.dropped.add('reasoning')
  return []
}

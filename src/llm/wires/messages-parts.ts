import { GatewayError } from '../../core/errors.ts'
import type { Part, ReasoningPart, Source, ToolCallPart, ToolResultPart } from '../middle.ts'
import { malformedInput, toInput } from './messages-arguments.ts'
import { withCache, type Block, type Scope } from './messages-scope.ts'

/** Writes one part; a part that has nothing to say here gives no block. */
export function toBlocks(part: Part, scope: Scope): Block[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      // The wire refuses blank text.
      return part.text.trim() === '' ? [] : [withCache({ type: 'text', text: part.text }, part.cache, scope)]
    case 'image':
      if (part.detail !== undefined && part.detail !== 'auto') scope.dropped.add('image_url.detail')
      return [withCache({ type: 'image', source: toSource(part.source, scope) }, part.cache, scope)]
    case 'file':
      return [withCache(toDocument(part, scope), part.cache, scope)]
    case 'audio':
      throw unsayable('audio', scope)
    case 'tool-call':
      return [withCache(toToolUse(part, scope), part.cache, scope)]
    case 'tool-result':
      return [withCache(toToolResult(part, scope), part.cache, scope)]
    case 'reasoning':
      return toThinking(part, scope)
    default:
      return part satisfies never
  }
}

function unsayable(what: string, { target }: Scope): GatewayError {
  return new GatewayError('invalid_params', `${what} cannot be sent to the model "${target.model}"`, {
    details: { param: 'messages' },
  })
}

function toSource(source: Source, scope: Scope): Block {
  if (source.kind === 'base64') return { type: 'base64', media_type: source.mediaType, data: source.data }
  if (source.kind === 'url') return { type: 'url', url: source.url }
  // A file id means something only to the provider it was uploaded to.
  if (scope.request.dialect !== 'messages') throw unsayable('a file id of another provider', scope)
  return { type: 'file', file_id: source.fileId }
}

function toDocument(part: Extract<Part, { type: 'file' }>, scope: Scope): Block {
  const { source, name } = part
  const mediaType = source.kind === 'file' ? undefined : source.mediaType?.toLowerCase()
  if (mediaType?.startsWith('image/')) return { type: 'image', source: toSource(source, scope) }
  const title = name === undefined || name === '' ? {} : { title: name }
  if (source.kind !== 'base64' || mediaType === 'application/pdf')
    return { type: 'document', source: toSource(source, scope), ...title }
  if (mediaType === undefined || !/^(text\/|application\/json\b)/.test(mediaType))
    throw unsayable(`a file of type ${source.mediaType}`, scope)
  const data = Buffer.from(source.data, 'base64').toString('utf8')
  return { type: 'document', source: { type: 'text', media_type: 'text/plain', data }, ...title }
}

function toToolUse(part: ToolCallPart, scope: Scope): Block {
  const input = toInput(part.arguments)
  if (input === undefined) scope.dropped.add('messages[].tool_calls[].function.arguments')
  return { type: 'tool_use', id: part.id, name: scope.names.sent(part.name), input: input ?? malformedInput(part.arguments) }
}

function toToolResult(part: ToolResultPart, scope: Scope): Block {
  const content = part.parts.flatMap((inner) => (isContent(inner) ? toBlocks(inner, scope) : []))
  return {
    type: 'tool_result',
    tool_use_id: part.callId,
    ...(content.length === 0 ? {} : { content }),
    ...(part.isError === true ? { is_error: true } : {}),
  }
}

const isContent = ({ type }: Part) => type !== 'tool-call' && type !== 'tool-result' && type !== 'reasoning'

/** Thoughts go back only to the family that signed them; then also without a word in them. */
function toThinking({ text, signature, redacted, cache }: ReasoningPart, { target, dropped }: Scope): Block[] {
  const blocks: Block[] = []
  if (signature?.family === target.family) blocks.push({ type: 'thinking', thinking: text, signature: signature.value })
  else if (text !== '' || signature !== undefined) dropped.add('reasoning')
  if (redacted?.family === target.family) blocks.push({ type: 'redacted_thinking', data: redacted.value })
  else if (redacted !== undefined) dropped.add('reasoning')
  if (cache !== undefined) dropped.add('cache_control')
  return blocks
}

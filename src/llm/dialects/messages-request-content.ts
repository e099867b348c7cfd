import { createReader, fault, objectAt, type Reader } from '../body-reader.ts'
import type { CacheHint, Part, ReasoningPart, Source, TextPart, ToolResultPart } from '../middle.ts'
import { unpackSignature } from '../signature.ts'
import { NATIVE_FAMILY, UNSIGNED_FAMILY } from '../wires/messages-signature.ts'

/** Blocks the middle form has no word for: their names, with `true`. */
export type Lost = Record<string, true>

/** Reads `content` of a message or a tool result, or `system`: a text, or a list of blocks. */
export function readContent(place: Reader, name: string, lost: Lost): Part[] {
  const value = place.raw(name)
  if (typeof value === 'string') return [{ type: 'text', text: value }]
  if (value === undefined || !Array.isArray(value)) throw fault(place.at(name), 'must be text or a list of content blocks')
  return (readPlaces(place, name) ?? []).flatMap((block) => readBlock(block, lost))
}

/** Reads `system`, or the content of a message with that role. */
export function readInstructions(place: Reader, name: string, lost: Lost): TextPart[] {
  const parts = readContent(place, name, lost)
  return parts.map((part, index) => {
    if (part.type !== 'text') throw fault(`${place.at(name)}[${index}].type`, 'must be "text"')
    return part
  })
}

function readBlock(block: Reader, lost: Lost): Part[] {
  const type = needText(block, 'type', 1)
  const cache = readCache(block)
  switch (type) {
    case 'text':
      return [{ type: 'text', text: needText(block, 'text'), ...cache }]
    case 'image':
      return [{ type: 'image', source: readSource(needPlace(block, 'source')), ...cache }]
    case 'document':
      return readDocument(block, lost)
    case 'search_result':
      noteLost(lost, 'messages[].content[].citations', block.raw('citations'))
      return [...titled(block, 'title'), ...titled(block, 'source'), ...withCache(readContent(block, 'content', lost), cache)]
    case 'thinking':
      return [{ type: 'reasoning', text: needText(block, 'thinking'), ...readSignature(block) }]
    case 'redacted_thinking':
      return [{ type: 'reasoning', text: '', redacted: unpackSignature(needText(block, 'data'), NATIVE_FAMILY) }]
    case 'tool_use':
      return [readToolUse(block, cache)]
    case 'tool_result':
      return [readToolResult(block, cache, lost)]
    default:
      // Blocks of tools that run at the provider, and those to come: only a Messages provider can read them.
      lost[`messages[].content[].${type.slice(0, 64)}`] = true
      return []
  }
}

/** The cache breakpoint a block or a tool carries. */
export function readCache(place: Reader): { readonly cache?: CacheHint } {
  const control = readPlace(place, 'cache_control')
  if (control === undefined) return {}
  const ttl = control.raw('ttl')
  return { cache: ttl === '5m' || ttl === '1h' ? { ttl } : {} }
}

function withCache(parts: readonly Part[], { cache }: { readonly cache?: CacheHint }): Part[] {
  return parts.map((part, index) => (cache !== undefined && index === parts.length - 1 ? { ...part, cache } : part))
}

function readSource(source: Reader): Source {
  const type = needText(source, 'type')
  if (type === 'base64')
    return { kind: 'base64', data: needText(source, 'data', 1), mediaType: needText(source, 'media_type', 1) }
  if (type === 'url') return { kind: 'url', url: needText(source, 'url', 1) }
  if (type === 'file') return { kind: 'file', fileId: needText(source, 'file_id', 1) }
  throw fault(source.at('type'), 'must be one of base64, url, file')
}

/** A document of words becomes words: every wire can say those. */
function readDocument(block: Reader, lost: Lost): Part[] {
  const source = needPlace(block, 'source')
  const type = needText(source, 'type')
  const cache = readCache(block)
  const citations = readPlace(block, 'citations')
  if (citations !== undefined) noteLost(lost, 'messages[].content[].citations', citations.raw('enabled'))
  if (type === 'text')
    return [...titled(block, 'title'), ...titled(block, 'context'), { type: 'text', text: needText(source, 'data'), ...cache }]
  if (type === 'content')
    return [...titled(block, 'title'), ...titled(block, 'context'), ...withCache(readContent(source, 'content', lost), cache)]
  const read = readSource(source)
  const name = block.text('title')
  const typed = read.kind === 'url' ? { ...read, mediaType: 'application/pdf' } : read
  return [...titled(block, 'context'), { type: 'file', source: typed, ...(name === undefined ? {} : { name }), ...cache }]
}

function titled(block: Reader, name: string): TextPart[] {
  const text = block.text(name)
  return text === undefined || text === '' ? [] : [{ type: 'text', text }]
}

function noteLost(lost: Lost, name: string, value: unknown): void {
  if (value !== undefined && value !== null && value !== false) lost[name] = true
}

/** Thoughts that came from elsewhere carry a packed signature, also when nobody signed them. */
function readSignature(block: Reader): Partial<Pick<ReasoningPart, 'signature'>> {
  const text = block.text('signature') ?? ''
  if (text === '') return {}
  const signature = unpackSignature(text, NATIVE_FAMILY)
  return signature.family === UNSIGNED_FAMILY ? {} : { signature }
}

function readToolUse(block: Reader, cache: { readonly cache?: CacheHint }): Part {
  const input = block.object('input') ?? {}
  const [id, name] = [needText(block, 'id', 1), needText(block, 'name', 1)]
  return { type: 'tool-call', id, name, arguments: JSON.stringify(input), ...cache }
}

function readToolResult(block: Reader, cache: { readonly cache?: CacheHint }, lost: Lost): ToolResultPart {
  const callId = needText(block, 'tool_use_id', 1)
  const parts = block.raw('content') === undefined ? [] : readContent(block, 'content', lost)
  const isError = block.flag('is_error') === true
  return { type: 'tool-result', callId, parts, ...(isError ? { isError } : {}), ...cache }
}

/** A text that must be there; `least` characters of it. */
export function needText(place: Reader, name: string, least = 0): string {
  const text = place.text(name)
  if (text === undefined || text.length < least)
    throw fault(place.at(name), least > 0 ? 'must be text that is not empty' : 'must be text')
  return text
}

/** An object inside, if it is there. */
export function readPlace(place: Reader, name: string): Reader | undefined {
  const inner = place.object(name)
  return inner === undefined ? undefined : createReader(inner, place.at(name))
}

function needPlace(place: Reader, name: string): Reader {
  const path = place.at(name)
  return createReader(objectAt(place.object(name), path), path)
}

/** A list of objects inside, if it is there. */
export function readPlaces(place: Reader, name: string): Reader[] | undefined {
  return place.array(name)?.map((item, index) => {
    const path = `${place.at(name)}[${index}]`
    return createReader(objectAt(item, path), path)
  })
}

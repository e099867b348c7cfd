import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Part, Signature, Source, ToolCallPart } from '../middle.ts'

/** Where Gemini is served, as far as requests differ. */
export interface GeminiFlavour {
  /** Vertex AI fetches `gs://` and `https://` by itself and knows display names; it refuses ids on function calls. */
  readonly isVertex: boolean
}

/** What writing parts shares over one request. */
export interface PartContext {
  readonly flavour: GeminiFlavour
  readonly family: string
  readonly dropped: Set<string>
}

const FILES_API = 'https://generativelanguage.googleapis.com/'
const BY_EXTENSION: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  flac: 'audio/flac',
  mp4: 'video/mp4',
  webm: 'video/webm',
}

type MediaPart = Extract<Part, { type: 'image' | 'audio' | 'file' }>

/** Tells whether a part is bytes rather than words. */
export function isMedia(part: Part): part is MediaPart {
  return part.type === 'image' || part.type === 'audio' || part.type === 'file'
}

/** Writes bytes by value or by name. Throws `invalid_params` for what the target cannot fetch; `place` names the part. */
export function toMediaPart(part: MediaPart, place: string, context: PartContext): JsonObject {
  noteCache(part, context)
  if (part.type === 'audio') return { inlineData: { mimeType: `audio/${part.format}`, data: part.data } }
  if (part.type === 'image' && part.detail !== undefined && part.detail !== 'auto') context.dropped.add('image_url.detail')
  const name = part.type === 'file' ? displayName(part.name, context) : {}
  if (part.source.kind === 'base64') return { inlineData: { mimeType: part.source.mediaType, data: part.source.data, ...name } }
  const fileUri = fetchable(part.source, place, context.flavour)
  const mimeType = mediaTypeOf(part.source, fileUri) ?? (part.type === 'image' ? 'image/jpeg' : undefined)
  if (mimeType === undefined)
    throw new GatewayError('invalid_params', `${place}: the media type of this file cannot be told; send it as base64 data`)
  return { fileData: { mimeType, fileUri, ...name } }
}

function displayName(name: string | undefined, context: PartContext): JsonObject {
  if (name === undefined) return {}
  if (context.flavour.isVertex) return { displayName: name }
  context.dropped.add('file.filename')
  return {}
}

function fetchable(source: Exclude<Source, { kind: 'base64' }>, place: string, flavour: GeminiFlavour): string {
  const uri = source.kind === 'url' ? source.url : source.fileId
  const isFetched = flavour.isVertex ? /^(?:gs|https):\/\//.test(uri) : uri.startsWith(FILES_API)
  if (isFetched) return uri
  const what = source.kind === 'file' ? 'a file id of another provider' : 'this URL'
  const allowed = flavour.isVertex ? 'base64 data, https:// and gs://' : 'base64 data and files of the Gemini API'
  throw new GatewayError('invalid_params', `${place}: the provider cannot fetch ${what}; allowed: ${allowed}`)
}

function mediaTypeOf(source: Source, uri: string): string | undefined {
  if (source.kind === 'url' && source.mediaType !== undefined) return source.mediaType
  const extension = /\.([A-Za-z0-9]{2,5})(?:[?#]|$)/.exec(uri.slice(-512))?.[1]?.toLowerCase()
  return extension !== undefined && Object.hasOwn(BY_EXTENSION, extension) ? BY_EXTENSION[extension] : undefined
}

/** Writes a tool call of an earlier turn. `name` is the name as sent. */
export function toFunctionCall(part: ToolCallPart, name: string, context: PartContext): JsonObject {
  noteCache(part, context)
  const id = context.flavour.isVertex ? {} : { id: part.id }
  return { functionCall: { ...id, name, args: argumentsOf(part.arguments, context) }, ...signed(part.signature, context) }
}

/** Arguments must be an object here. Those a model cut short are kept as text, so that the history stays true. */
function argumentsOf(text: string, context: PartContext): JsonObject {
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    if (isJsonObject(value)) return value
  } catch {
    // kept as text below
  }
  context.dropped.add('messages[].tool_calls[].function.arguments')
  return { arguments: text }
}

/** The signature as a member of a part; one of another family is of no use here and is reported. */
export function signed(signature: Signature | undefined, context: PartContext): JsonObject {
  if (signature === undefined) return {}
  if (signature.family === context.family) return { thoughtSignature: signature.value }
  context.dropped.add('reasoning')
  return {}
}

/** Reports a cache breakpoint: Gemini caches by itself. */
export function noteCache(part: { readonly cache?: unknown }, context: PartContext): void {
  if (part.cache !== undefined) context.dropped.add('cache_control')
}

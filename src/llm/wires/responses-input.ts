// Turns become items: (1) runs of words, images and files of a turn become one message item, everything else an item of its own, in order;
// (2) the wire refuses a call without a result and a result without a call, so the missing half is made up and reported;
// (3) thoughts go back only to the family that made them.
import { GatewayError } from '../../core/errors.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type {
  CacheHint,
  ChatRequest,
  Part,
  ReasoningPart,
  Signature,
  Source,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../middle.ts'
import type { TargetProfile } from '../wire.ts'
import { sentCallId } from './call-id.ts'
import type { ToolNames } from './tool-names.ts'

const CALL_ID = /^[^]{1,64}$/

/** What writing input needs, and what could not be written. */
export interface InputScope {
  readonly request: ChatRequest
  readonly target: TargetProfile
  readonly names: ToolNames
  /** Earlier turns are kept by the provider, so halves of tool calls may be there. */
  readonly hasHistory: boolean
  readonly dropped: Set<string>
}

/** Writes the turns of a request as input items. */
export function toInputItems(scope: InputScope): JsonObject[] {
  const writer: Writer = {
    scope,
    items: [],
    content: [],
    called: new Set(),
    answered: new Set(),
    results: resultIds(scope.request),
  }
  for (const turn of scope.request.turns) writeTurn(writer, turn)
  return writer.items
}

/** Words of a message as input, with their cache breakpoint where the wire can say it. */
export function toInputText(scope: InputScope, text: string, cache: CacheHint | undefined): JsonObject {
  return { type: 'input_text', text, ...breakpoint(scope, cache) }
}

/** Whether cache hints can be said: callers of Messages mean another cache, one that newer OpenAI models alone have is not asked for unasked. */
export function saysBreakpoints({ request }: InputScope): boolean {
  return request.dialect !== 'messages'
}

/** Notes a cache hint that cannot be said. */
export function dropCache({ request, dropped }: InputScope): void {
  dropped.add(request.dialect === 'messages' ? 'cache_control' : 'prompt_cache_breakpoint')
}

interface Writer {
  readonly scope: InputScope
  readonly items: JsonObject[]
  /** Content of the message under way. */
  content: JsonObject[]
  readonly called: Set<string>
  readonly answered: Set<string>
  /** Ids of every call that has a result somewhere. */
  readonly results: ReadonlySet<string>
}

function resultIds({ turns }: ChatRequest): ReadonlySet<string> {
  return new Set(turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-result' ? [part.callId] : []))))
}

function writeTurn(writer: Writer, { role, parts }: Turn): void {
  const isAssistant = role === 'assistant'
  const wireRole = role === 'system' ? (writer.scope.target.quirks?.systemRole ?? 'developer') : role
  const missing: string[] = []
  for (const part of parts) {
    if (part.type === 'tool-call' || part.type === 'tool-result' || part.type === 'reasoning') flush(writer, wireRole)
    if (part.type === 'tool-call') {
      if (writeCall(writer, part)) missing.push(part.id)
    } else if (part.type === 'tool-result') writeResult(writer, part, wireRole)
    else if (part.type === 'reasoning') writeReasoning(writer, part)
    else writer.content.push(...(isAssistant ? spoken(writer.scope, part) : given(writer.scope, part)))
  }
  flush(writer, wireRole)
  for (const id of missing) {
    writer.scope.dropped.add('messages[].tool_calls')
    writer.answered.add(id)
    writer.items.push({
      type: 'function_call_output',
      call_id: sentCallId(id, CALL_ID),
      output: 'error: the tool gave no result',
    })
  }
}

function flush(writer: Writer, role: string): void {
  if (writer.content.length === 0) return
  writer.items.push({ type: 'message', role, content: writer.content })
  writer.content = []
}

/** True when the call has no result and needs one. */
function writeCall({ scope, items, called, results }: Writer, part: ToolCallPart): boolean {
  noteUnsaid(scope, part.signature, part.cache)
  called.add(part.id)
  items.push({
    type: 'function_call',
    call_id: sentCallId(part.id, CALL_ID),
    name: scope.names.sent(part.name),
    arguments: part.arguments === '' ? '{}' : part.arguments,
  })
  return !results.has(part.id) && !scope.hasHistory
}

function writeResult(writer: Writer, part: ToolResultPart, role: string): void {
  const { scope, items, called, answered } = writer
  if (part.isError === true) scope.dropped.add('tool_result.is_error')
  if (part.cache !== undefined) dropCache(scope)
  const content = part.parts.flatMap((inner) => given(scope, inner))
  if ((!called.has(part.callId) && !scope.hasHistory) || answered.has(part.callId)) {
    scope.dropped.add('messages[].tool_calls')
    writer.content = [...writer.content, { type: 'input_text', text: 'Result of an earlier tool call:' }, ...content]
    flush(writer, role)
    return
  }
  answered.add(part.callId)
  const words = part.parts.every(({ type, cache }) => type === 'text' && cache === undefined)
  const output: Json = words ? part.parts.map((inner) => (inner.type === 'text' ? inner.text : '')).join('\n') : content
  items.push({ type: 'function_call_output', call_id: sentCallId(part.callId, CALL_ID), output })
}

function writeReasoning({ scope, items }: Writer, part: ReasoningPart): void {
  const proof = part.signature ?? part.redacted
  if (proof === undefined || proof.family !== scope.target.family) {
    scope.dropped.add('reasoning')
    return
  }
  if (part.cache !== undefined) dropCache(scope)
  items.push({
    type: 'reasoning',
    ...(part.id?.startsWith('rs_') === true ? { id: part.id } : {}),
    summary: part.text === '' ? [] : [{ type: 'summary_text', text: part.text }],
    encrypted_content: proof.value,
  })
}

function noteUnsaid(scope: InputScope, signature: Signature | undefined, cache: CacheHint | undefined): void {
  if (signature !== undefined) scope.dropped.add('reasoning')
  if (cache !== undefined) dropCache(scope)
}

/** A part of an assistant's turn. */
function spoken(scope: InputScope, part: Part): JsonObject[] {
  if (part.cache !== undefined) dropCache(scope)
  if (part.type === 'text') return [{ type: 'output_text', text: part.text }]
  if (part.type === 'refusal') return [{ type: 'refusal', refusal: part.text }]
  scope.dropped.add(part.type)
  return []
}

/** A part of a user's or system's turn, or of a tool result. */
function given(scope: InputScope, part: Part): JsonObject[] {
  switch (part.type) {
    case 'text':
      return [toInputText(scope, part.text, part.cache)]
    case 'refusal':
      return [toInputText(scope, part.text, part.cache)]
    case 'image':
      return [
        { type: 'input_image', ...detailOf(part.detail), ...imageSource(scope, part.source), ...breakpoint(scope, part.cache) },
      ]
    case 'file':
      return [{ type: 'input_file', ...fileSource(scope, part.source, part.name), ...breakpoint(scope, part.cache) }]
    case 'audio':
      scope.dropped.add('input_audio')
      return []
    case 'reasoning':
    case 'tool-call':
    case 'tool-result':
      scope.dropped.add(part.type)
      return []
  }
}

function breakpoint(scope: InputScope, cache: CacheHint | undefined): JsonObject {
  if (cache === undefined) return {}
  if (saysBreakpoints(scope))
    return { prompt_cache_breakpoint: { mode: 'explicit', ...(cache.ttl === '1h' ? { ttl: '12h' } : {}) } }
  dropCache(scope)
  return {}
}

function detailOf(detail: string | undefined): JsonObject {
  return detail === undefined ? {} : { detail }
}

function imageSource(scope: InputScope, source: Source): JsonObject {
  if (source.kind === 'file') return fileId(scope, source.fileId)
  return { image_url: source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}` }
}

function fileSource(scope: InputScope, source: Source, name: string | undefined): JsonObject {
  if (source.kind === 'file') return fileId(scope, source.fileId)
  if (source.kind === 'url') return { file_url: source.url }
  const extension = /^application\/pdf$/i.test(source.mediaType) ? 'pdf' : 'txt'
  return { filename: name ?? `file.${extension}`, file_data: `data:${source.mediaType};base64,${source.data}` }
}

/** A Messages caller has its files at another provider. */
function fileId({ request, target }: InputScope, id: string): JsonObject {
  if (request.dialect !== 'messages') return { file_id: id }
  const words = `a file id of another provider cannot be sent to the model "${target.model}"; send the file itself, or its URL`
  throw new GatewayError('invalid_params', words)
}

import { isJsonObject, type Json } from '../../core/json.ts'
import type { CacheHint, Part, ReasoningPart, Source, TextPart, ToolCallPart, Turn } from '../middle.ts'
import { createReader, fault, objectAt, type Reader } from '../body-reader.ts'

/** Messages as the middle form has them. */
export interface ReadMessages {
  readonly system: readonly TextPart[]
  readonly turns: readonly Turn[]
  /** Whether messages carried names, which have no place there. */
  readonly hasNames: boolean
}

/** Reads `messages`. Throws a fault with the path of the message. */
export function readMessages(messages: readonly Json[]): ReadMessages {
  if (messages.length === 0) throw fault('$.messages', 'must have at least one message')
  const system: TextPart[] = []
  const turns: Turn[] = []
  /** Names of tools by call id: a result names only its call. */
  const called = new Map<string, string>()
  let results: Part[] | undefined
  let hasNames = false
  for (const [index, value] of messages.entries()) {
    const path = `$.messages[${index}]`
    const message = createReader(objectAt(value, path), path)
    const role = message.word('role', ROLES)
    if (role === undefined) throw fault(message.at('role'), `must be one of ${ROLES.map((word) => `"${word}"`).join(', ')}`)
    hasNames ||= message.raw('name') !== undefined
    if (role === 'tool') {
      // results of one turn stay together
      if (results === undefined) turns.push({ role: 'user', parts: (results = []) })
      results.push(toolResult(message, called))
      continue
    }
    results = undefined
    if (role === 'assistant') turns.push({ role, parts: assistantParts(message, called) })
    else if (role === 'user') turns.push({ role, parts: contentParts(message, USER_PARTS) })
    else if (turns.length === 0) system.push(...textParts(message))
    else turns.push({ role: 'system', parts: textParts(message) })
  }
  return { system, turns, hasNames }
}

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'] as const
const USER_PARTS = ['text', 'image_url', 'input_audio', 'file'] as const
const ASSISTANT_PARTS = ['text', 'refusal'] as const
const TEXT_PARTS = ['text'] as const

type PartType = (typeof USER_PARTS)[number] | (typeof ASSISTANT_PARTS)[number]

function textParts(message: Reader): TextPart[] {
  return contentParts(message, TEXT_PARTS).filter((part) => part.type === 'text')
}

function contentParts(message: Reader, types: readonly PartType[]): Part[] {
  const content = message.raw('content')
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) throw fault(message.at('content'), 'must be text or an array of parts')
  return content.map((value: Json, index) => {
    const path = `${message.at('content')}[${index}]`
    return contentPart(createReader(objectAt(value, path), path), types)
  })
}

function contentPart(part: Reader, types: readonly PartType[]): Part {
  const type = part.word('type', types)
  const cache = cacheOf(part)
  switch (type) {
    case 'text':
      return { type, text: demand(part, 'text'), ...cache }
    case 'refusal':
      return { type, text: demand(part, 'refusal'), ...cache }
    case 'image_url':
      return { ...imagePart(part), ...cache }
    case 'input_audio': {
      const audio = inner(part, type)
      return { type: 'audio', data: demand(audio, 'data'), format: demand(audio, 'format'), ...cache }
    }
    case 'file':
      return { ...filePart(inner(part, type)), ...cache }
    case undefined:
      throw fault(part.at('type'), `must be one of ${types.map((word) => `"${word}"`).join(', ')}`)
  }
}

function cacheOf(part: Reader): { readonly cache?: CacheHint } {
  return isJsonObject(part.raw('prompt_cache_breakpoint')) ? { cache: {} } : {}
}

function inner(part: Reader, name: string): Reader {
  return createReader(objectAt(part.raw(name), part.at(name)), part.at(name))
}

function demand(part: Reader, name: string): string {
  const text = part.text(name)
  if (text === undefined) throw fault(part.at(name), 'must be text')
  return text
}

function imagePart(part: Reader): Part {
  const given = part.raw('image_url')
  // some clients send the URL itself where the object belongs
  if (typeof given === 'string') return { type: 'image', source: sourceOf(given, part.at('image_url')) }
  const image = inner(part, 'image_url')
  const detail = image.text('detail')
  const source = sourceOf(demand(image, 'url'), image.at('url'))
  return detail === undefined ? { type: 'image', source } : { type: 'image', source, detail }
}

function sourceOf(url: string, path: string): Source {
  if (/^data:/i.test(url)) {
    const source = fromDataUrl(url)
    if (source === undefined)
      throw fault(path, 'must be a data URL in base64 with a media type, such as data:image/png;base64,...')
    return source
  }
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) throw fault(path, 'must be an https URL or a data URL')
  return { kind: 'url', url }
}

function fromDataUrl(url: string): Source | undefined {
  // only the head is matched: the data may be long
  const match = /^data:([\w.+-]+\/[\w.+-]+)(?:;[\w-]+=[\w.+-]+)*;base64$/i.exec(url.slice(0, Math.max(0, url.indexOf(','))))
  return match?.[1] === undefined ? undefined : { kind: 'base64', data: url.slice(url.indexOf(',') + 1), mediaType: match[1] }
}

function filePart(file: Reader): Part {
  const filename = file.text('filename')
  const name = filename === undefined ? {} : { name: filename }
  const fileId = file.text('file_id')
  if (fileId !== undefined) return { type: 'file', source: { kind: 'file', fileId }, ...name }
  const data = demand(file, 'file_data')
  const source = /^data:/i.test(data)
    ? sourceOf(data, file.at('file_data'))
    : ({ kind: 'base64', data, mediaType: 'application/pdf' } as const)
  return { type: 'file', source, ...name }
}

function toolResult(message: Reader, called: ReadonlyMap<string, string>): Part {
  const callId = message.text('tool_call_id')
  if (callId === undefined || callId === '') throw fault(message.at('tool_call_id'), 'must name the call this is the result of')
  const name = called.get(callId)
  return { type: 'tool-result', callId, ...(name === undefined ? {} : { name }), parts: textParts(message) }
}

function assistantParts(message: Reader, called: Map<string, string>): Part[] {
  if (message.raw('function_call') !== undefined)
    throw fault(message.at('function_call'), 'is the retired form; send tool_calls and messages with the role "tool"')
  const refusal = message.text('refusal')
  const hasContent = message.raw('content') !== undefined && message.raw('content') !== ''
  const calls = message.array('tool_calls') ?? []
  const parts = [
    ...reasoningParts(message),
    ...(hasContent ? contentParts(message, ASSISTANT_PARTS) : []),
    ...(refusal === undefined || refusal === '' ? [] : [{ type: 'refusal' as const, text: refusal }]),
    ...calls.map((call, index) => toolCall(call, `${message.at('tool_calls')}[${index}]`, called)),
  ]
  return parts.length === 0 && message.raw('content') === '' ? [{ type: 'text', text: '' }] : parts
}

/** Thoughts some providers show under names of their own; they are words of the model and not checked. */
function reasoningParts(message: Reader): ReasoningPart[] {
  const text = [message.raw('reasoning_content'), message.raw('reasoning')].find((one) => typeof one === 'string' && one !== '')
  return typeof text === 'string' ? [{ type: 'reasoning', text }] : []
}

function toolCall(value: Json, path: string, called: Map<string, string>): ToolCallPart {
  const call = createReader(objectAt(value, path), path)
  if (call.raw('type') === 'custom')
    throw fault(call.at('type'), 'must be "function"; other kinds cannot be translated or inspected')
  const id = demand(call, 'id')
  const made = inner(call, 'function')
  const name = demand(made, 'name')
  called.set(id, name)
  const signature = signatureOf(call.raw('extra_content'))
  return {
    type: 'tool-call',
    id,
    name,
    arguments: argumentsOf(made),
    ...(signature === undefined ? {} : { signature: { family: 'gemini', value: signature } }),
  }
}

function argumentsOf(made: Reader): string {
  const given = made.raw('arguments')
  if (isJsonObject(given)) return JSON.stringify(given)
  return made.text('arguments') || '{}'
}

function signatureOf(extra: Json | undefined): string | undefined {
  const google: unknown = isJsonObject(extra) ? extra['google'] : undefined
  const signature = isJsonObject(google) ? google['thought_signature'] : undefined
  return typeof signature === 'string' && signature !== '' ? signature : undefined
}

// Items become turns: items of one speaker that follow each other are one turn; leading system and developer messages are the system text.
// Signatures of tool calls arrive in reasoning items of their own (wires/responses-signature.ts) and are put back onto their calls.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { createReader, fault, objectAt, type Reader } from '../body-reader.ts'
import type { CacheHint, Part, Signature, Source, TextPart, Turn } from '../middle.ts'
import { reasoningText } from '../wires/responses-output.ts'
import { NATIVE_FAMILY, unseal } from '../wires/responses-signature.ts'

/** What the input of a request says. */
export interface ReadInput {
  readonly system: readonly TextPart[]
  readonly turns: readonly Turn[]
  /** Items the middle form has no word for, by their types. */
  readonly others: ReadonlyMap<string, readonly JsonObject[]>
}

/** Reads `input`. */
export function readInput(body: Reader): ReadInput {
  const input = body.raw('input') ?? []
  if (typeof input === 'string')
    return { system: [], turns: [{ role: 'user', parts: [{ type: 'text', text: input }] }], others: new Map() }
  if (!isList(input)) throw fault(body.at('input'), 'must be text or a list of items')
  const reading: Reading = { system: [], turns: [], others: new Map(), names: new Map(), proofs: new Map() }
  for (const [index, value] of input.entries()) readItem(reading, objectAt(value, `${body.at('input')}[${index}]`), index)
  const { system, turns, others, proofs } = reading
  return { system, turns: turns.map((turn) => withProofs(turn, proofs)), others }
}

/** Adds to the list of a name. */
export function append(lists: Map<string, JsonObject[]>, name: string, value: JsonObject): void {
  const list = lists.get(name)
  if (list === undefined) lists.set(name, [value])
  else list.push(value)
}

/** A text that must be there. */
export function needText(reader: Reader, name: string): string {
  const text = reader.text(name)
  if (text === undefined) throw fault(reader.at(name), 'must be text')
  return text
}

interface OpenTurn {
  readonly role: Turn['role']
  readonly parts: Part[]
}

interface Reading {
  readonly system: TextPart[]
  readonly turns: OpenTurn[]
  readonly others: Map<string, JsonObject[]>
  /** Names of the calls seen so far, by their ids. */
  readonly names: Map<string, string>
  /** Signatures of calls, by their ids. */
  readonly proofs: Map<string, Signature>
}

function readItem(reading: Reading, item: JsonObject, index: number): void {
  const reader = createReader(item, `$.input[${index}]`)
  const type = reader.text('type') ?? 'message'
  if (type === 'message') readMessage(reading, reader)
  else if (type === 'function_call') readCall(reading, reader)
  else if (type === 'function_call_output') readResult(reading, reader)
  else if (type === 'reasoning') readReasoning(reading, reader, item)
  else append(reading.others, type, item)
}

function add(reading: Reading, role: Turn['role'], parts: readonly Part[]): void {
  const last = reading.turns.at(-1)
  if (last?.role !== role) reading.turns.push({ role, parts: [...parts] })
  else for (const part of parts) last.parts.push(part)
}

const ROLES = ['user', 'assistant', 'system', 'developer'] as const

function readMessage(reading: Reading, reader: Reader): void {
  const role = reader.word('role', ROLES)
  if (role === undefined) throw fault(reader.at('role'), `must be one of ${ROLES.join(', ')}`)
  const parts = readContent(reader, 'content')
  if (role === 'user' || role === 'assistant') return add(reading, role, parts)
  const texts = parts.filter((part): part is TextPart => part.type === 'text')
  if (reading.turns.length > 0 || texts.length < parts.length) return add(reading, 'system', parts)
  for (const text of texts) reading.system.push(text)
}

function readCall(reading: Reading, reader: Reader): void {
  const id = needText(reader, 'call_id')
  const name = needText(reader, 'name')
  const args = reader.text('arguments') ?? ''
  reading.names.set(id, name)
  add(reading, 'assistant', [{ type: 'tool-call', id, name, arguments: args === '' ? '{}' : args }])
}

function readResult(reading: Reading, reader: Reader): void {
  const callId = needText(reader, 'call_id')
  const name = reading.names.get(callId)
  const parts = readContent(reader, 'output')
  add(reading, 'user', [{ type: 'tool-result', callId, parts, ...(name === undefined ? {} : { name }) }])
}

function readReasoning(reading: Reading, reader: Reader, item: JsonObject): void {
  const id = reader.text('id')
  const sealed = reader.text('encrypted_content') ?? ''
  const proof = sealed === '' ? undefined : unseal(sealed, NATIVE_FAMILY)
  if (proof?.kind === 'call') {
    reading.proofs.set(proof.callId, proof.signature)
    return
  }
  add(reading, 'assistant', [
    {
      type: 'reasoning',
      text: reasoningText(item),
      ...(proof === undefined ? {} : { [proof.kind]: proof.signature }),
      ...(id === undefined ? {} : { id }),
    },
  ])
}

function withProofs({ role, parts }: OpenTurn, proofs: ReadonlyMap<string, Signature>): Turn {
  if (proofs.size === 0) return { role, parts }
  const signed = parts.map((part) => {
    const signature = part.type === 'tool-call' ? proofs.get(part.id) : undefined
    return signature === undefined ? part : { ...part, signature }
  })
  return { role, parts: signed }
}

/** Words of a message, or the output of a tool: text, or a list of parts. */
function readContent(reader: Reader, name: string): Part[] {
  const content = reader.raw(name)
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!isList(content)) throw fault(reader.at(name), 'must be text or a list of parts')
  return content.map((value, index) => {
    const path = `${reader.at(name)}[${index}]`
    const part = objectAt(value, path)
    return readPart(createReader(part, path), cacheOf(part['prompt_cache_breakpoint']))
  })
}

const PARTS = ['input_text', 'output_text', 'text', 'refusal', 'input_image', 'input_file', 'input_audio'] as const

interface Cached {
  readonly cache?: CacheHint
}

function readPart(reader: Reader, cache: Cached): Part {
  switch (reader.word('type', PARTS)) {
    case undefined:
      throw fault(reader.at('type'), `must be one of ${PARTS.join(', ')}`)
    case 'refusal':
      return { type: 'refusal', text: needText(reader, 'refusal'), ...cache }
    case 'input_image':
      return readImage(reader, cache)
    case 'input_file':
      return readFile(reader, cache)
    case 'input_audio':
      return readAudio(reader)
    default:
      return { type: 'text', text: needText(reader, 'text'), ...cache }
  }
}

function cacheOf(hint: Json | undefined): Cached {
  if (!isJsonObject(hint)) return {}
  return { cache: hint['ttl'] === '12h' ? { ttl: '1h' } : {} }
}

function readImage(reader: Reader, cache: Cached): Part {
  const detail = reader.text('detail')
  const url = reader.text('image_url')
  const fileId = reader.text('file_id')
  if (url === undefined && fileId === undefined)
    throw fault(reader.at('image_url'), 'must be a URL as text, or file_id beside it')
  const source: Source = url === undefined ? { kind: 'file', fileId: fileId ?? '' } : fromUrl(url, reader.at('image_url'))
  return { type: 'image', source, ...(detail === undefined ? {} : { detail }), ...cache }
}

function readFile(reader: Reader, cache: Cached): Part {
  const name = reader.text('filename')
  return { type: 'file', source: readFileSource(reader), ...(name === undefined ? {} : { name }), ...cache }
}

/** `file_data` is a data: URL; bare base64 is taken for a PDF, which is what such files mostly are. */
function readFileSource(reader: Reader): Source {
  const data = reader.text('file_data')
  const url = reader.text('file_url')
  const fileId = reader.text('file_id')
  if (data !== undefined && !/^data:/i.test(data)) return { kind: 'base64', mediaType: 'application/pdf', data }
  if (data !== undefined) return fromUrl(data, reader.at('file_data'))
  if (url !== undefined) return fromUrl(url, reader.at('file_url'))
  if (fileId !== undefined) return { kind: 'file', fileId }
  throw fault(reader.at('file_data'), 'must be text, or file_url or file_id beside it')
}

function readAudio(reader: Reader): Part {
  const audio = createReader(objectAt(reader.raw('input_audio'), reader.at('input_audio')), reader.at('input_audio'))
  return { type: 'audio', data: needText(audio, 'data'), format: needText(audio, 'format') }
}

function fromUrl(url: string, path: string): Source {
  if (!/^data:/i.test(url)) return { kind: 'url', url }
  const [head = '', mediaType = '', parameters = ''] = /^data:([^;,]*)((?:;[^;,]*)*),/i.exec(url.slice(0, 512)) ?? []
  if (!/;base64$/i.test(parameters)) throw fault(path, 'must be a data: URL in base64, such as data:image/png;base64,...')
  return { kind: 'base64', mediaType: mediaType === '' ? 'application/octet-stream' : mediaType, data: url.slice(head.length) }
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

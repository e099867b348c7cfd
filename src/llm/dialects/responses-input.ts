// Items become turns: items of one speaker that follow each other are one turn; leading system and developer messages are the system text.
// Signatures of tool calls arrive in reasoning items of their own (wires/responses-signature.ts) and are put back onto their calls.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { CacheHint, Part, Signature, Source, TextPart, Turn } from '../middle.ts'
import { reasoningText } from '../wires/responses-output.ts'
import { NATIVE_FAMILY, unseal, type Sealed } from '../wires/responses-signature.ts'
import { needText, readObjects, readText, readWord, refusal, valueOf } from './responses-read.ts'

/** What the input of a request says. */
export interface ReadInput {
  readonly system: readonly TextPart[]
  readonly turns: readonly Turn[]
  /** Items the middle form has no word for, by their types. */
  readonly others: ReadonlyMap<string, readonly JsonObject[]>
}

/** Reads `input`. */
export function readInput(body: JsonObject): ReadInput {
  const place = { holder: body, name: 'input' }
  const input = valueOf(place)
  const others = new Map<string, JsonObject[]>()
  if (input === undefined) return { system: [], turns: [], others }
  if (typeof input === 'string') return { system: [], turns: [{ role: 'user', parts: [{ type: 'text', text: input }] }], others }
  if (!Array.isArray(input)) throw refusal('input', 'text or a list of items')
  const reading: Reading = { system: [], turns: [], others, names: new Map(), proofs: new Map() }
  readObjects(place)?.forEach((item, index) => readItem(reading, item, `input[${index}].`))
  return { system: reading.system, turns: reading.turns.map((turn) => withProofs(turn, reading.proofs)), others }
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

function readItem(reading: Reading, item: JsonObject, at: string): void {
  const type = readText({ holder: item, name: 'type', at }) ?? 'message'
  switch (type) {
    case 'message':
      return readMessage(reading, item, at)
    case 'function_call':
      return readCall(reading, item, at)
    case 'function_call_output':
      return readResult(reading, item, at)
    case 'reasoning':
      return readReasoning(reading, item, at)
    default:
      return append(reading.others, type, item)
  }
}

/** Adds to the list of a name. */
export function append(lists: Map<string, JsonObject[]>, name: string, value: JsonObject): void {
  const list = lists.get(name)
  if (list === undefined) lists.set(name, [value])
  else list.push(value)
}

function add(reading: Reading, role: Turn['role'], parts: readonly Part[]): void {
  const last = reading.turns.at(-1)
  if (last?.role === role) last.parts.push(...parts)
  else reading.turns.push({ role, parts: [...parts] })
}

function readMessage(reading: Reading, item: JsonObject, at: string): void {
  const role = readWord({ holder: item, name: 'role', at }, ['user', 'assistant', 'system', 'developer'])
  if (role === undefined) throw refusal(`${at}role`, 'one of user, assistant, system, developer')
  const parts = readContent(item, 'content', at)
  if (role === 'user' || role === 'assistant') return add(reading, role, parts)
  const texts = parts.filter((part): part is TextPart => part.type === 'text')
  if (reading.turns.length > 0 || texts.length < parts.length) add(reading, 'system', parts)
  else reading.system.push(...texts)
}

function readCall(reading: Reading, item: JsonObject, at: string): void {
  const id = needText({ holder: item, name: 'call_id', at })
  const name = needText({ holder: item, name: 'name', at })
  reading.names.set(id, name)
  const args = readText({ holder: item, name: 'arguments', at }) ?? ''
  add(reading, 'assistant', [{ type: 'tool-call', id, name, arguments: args === '' ? '{}' : args }])
}

function readResult(reading: Reading, item: JsonObject, at: string): void {
  const callId = needText({ holder: item, name: 'call_id', at })
  const name = reading.names.get(callId)
  const parts = readContent(item, 'output', at)
  add(reading, 'user', [{ type: 'tool-result', callId, parts, ...(name === undefined ? {} : { name }) }])
}

function readReasoning(reading: Reading, item: JsonObject, at: string): void {
  const id = readText({ holder: item, name: 'id', at })
  const text = reasoningText(item)
  const sealed = readText({ holder: item, name: 'encrypted_content', at }) ?? ''
  const proof: Sealed | undefined = sealed === '' ? undefined : unseal(sealed, NATIVE_FAMILY)
  if (proof?.kind === 'call') {
    reading.proofs.set(proof.callId, proof.signature)
    return
  }
  add(reading, 'assistant', [
    {
      type: 'reasoning',
      text,
      ...(proof === undefined ? {} : proof.kind === 'redacted' ? { redacted: proof.signature } : { signature: proof.signature }),
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
function readContent(item: JsonObject, name: string, at: string): Part[] {
  const content = valueOf({ holder: item, name })
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) throw refusal(`${at}${name}`, 'text or a list of parts')
  const parts = readObjects({ holder: item, name, at }) ?? []
  return parts.map((part, index) => readPart(part, `${at}${name}[${index}].`))
}

const PARTS = ['input_text', 'output_text', 'text', 'refusal', 'input_image', 'input_file', 'input_audio'] as const

function readPart(part: JsonObject, at: string): Part {
  const type = readWord({ holder: part, name: 'type', at }, PARTS)
  const cache = cacheOf(part['prompt_cache_breakpoint'])
  switch (type) {
    case undefined:
      throw refusal(`${at}type`, `one of ${PARTS.join(', ')}`)
    case 'refusal':
      return { type: 'refusal', text: needText({ holder: part, name: 'refusal', at }), ...cache }
    case 'input_image':
      return readImage(part, at, cache)
    case 'input_file':
      return readFile(part, at, cache)
    case 'input_audio':
      return readAudio(part, at)
    default:
      return { type: 'text', text: needText({ holder: part, name: 'text', at }), ...cache }
  }
}

function cacheOf(hint: Json | undefined): { readonly cache?: CacheHint } {
  if (!isJsonObject(hint)) return {}
  return { cache: hint['ttl'] === '12h' ? { ttl: '1h' } : {} }
}

function readImage(part: JsonObject, at: string, cache: { readonly cache?: CacheHint }): Part {
  const detail = readText({ holder: part, name: 'detail', at })
  const fileId = readText({ holder: part, name: 'file_id', at })
  const url = readText({ holder: part, name: 'image_url', at })
  if (fileId === undefined && url === undefined)
    throw refusal(`${at}image_url`, 'a URL or a data: URL as text, or file_id beside it')
  const source: Source = url === undefined ? { kind: 'file', fileId: fileId ?? '' } : fromUrl(url, `${at}image_url`)
  return { type: 'image', source, ...(detail === undefined ? {} : { detail }), ...cache }
}

function readFile(part: JsonObject, at: string, cache: { readonly cache?: CacheHint }): Part {
  const name = readText({ holder: part, name: 'filename', at })
  const fileId = readText({ holder: part, name: 'file_id', at })
  const data = readText({ holder: part, name: 'file_data', at })
  const url = readText({ holder: part, name: 'file_url', at })
  const common = { type: 'file' as const, ...(name === undefined ? {} : { name }), ...cache }
  if (data !== undefined) return { ...common, source: fromFileData(data, `${at}file_data`) }
  if (url !== undefined) return { ...common, source: fromUrl(url, `${at}file_url`) }
  if (fileId !== undefined) return { ...common, source: { kind: 'file', fileId } }
  throw refusal(`${at}file_data`, 'text, or file_url or file_id beside it')
}

function readAudio(part: JsonObject, at: string): Part {
  const audio = isJsonObject(part['input_audio']) ? part['input_audio'] : {}
  const place = { holder: audio, at: `${at}input_audio.` }
  return { type: 'audio', data: needText({ ...place, name: 'data' }), format: needText({ ...place, name: 'format' }) }
}

function fromUrl(url: string, path: string): Source {
  if (!/^data:/i.test(url)) return { kind: 'url', url }
  const head = /^data:([^;,]*)((?:;[^;,]*)*),/i.exec(url.slice(0, 512))
  if (head === null || !/;base64$/i.test(head[2] ?? ''))
    throw refusal(path, 'a data: URL in base64, such as data:image/png;base64,...')
  return {
    kind: 'base64',
    mediaType: head[1] === '' ? 'application/octet-stream' : (head[1] ?? ''),
    data: url.slice(head[0].length),
  }
}

/** `file_data` is a data: URL; bare base64 is taken for a PDF, which is what such files mostly are. */
function fromFileData(data: string, path: string): Source {
  return /^data:/i.test(data) ? fromUrl(data, path) : { kind: 'base64', mediaType: 'application/pdf', data }
}

import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { printable } from '../lib/printable.ts'
import { decodeUtf8, JsonRefusal, parseStrictJson, type JsonBounds, type StrictJson } from '../lib/strict-json.ts'

/** A JSON-RPC request. `idText` is the id as it came, so that it goes back byte for byte. */
export interface RequestMessage {
  readonly kind: 'request'
  readonly id: string | number
  readonly idText: string
  readonly method: string
  readonly params: JsonObject
  readonly meta: JsonObject | undefined
}

/** A JSON-RPC notification. */
export interface NotificationMessage {
  readonly kind: 'notification'
  readonly method: string
  readonly params: JsonObject
  readonly meta: JsonObject | undefined
}

/** A JSON-RPC response: a client answering a request of ours. */
export interface ResponseMessage {
  readonly kind: 'response'
  readonly id: string | number
  readonly answer: { readonly result: JsonObject } | { readonly error: JsonObject }
}

export type Message = RequestMessage | NotificationMessage | ResponseMessage

/** A message that could not be taken; `idText` when its id could be read. */
export interface Refused {
  readonly kind: 'refused'
  readonly idText: string | undefined
  readonly error: GatewayError
}

/** What a POST body holds. */
export type Body = Message | Refused | { readonly kind: 'batch'; readonly items: readonly (Message | Refused)[] }

/** Reads a body strictly: what is not exactly a JSON-RPC message is refused, nothing is repaired. */
export function readBody(bytes: Buffer, bounds: JsonBounds): Body {
  const parsed = parse(() => parseStrictJson(decodeUtf8(bytes), bounds))
  if (parsed instanceof GatewayError) return { kind: 'refused', idText: undefined, error: parsed }
  if (!Array.isArray(parsed.value)) return readMessage(parsed)
  const items = parsed.elements.slice(0, MAX_BATCH + 1).map(({ start, end }) => {
    const item = parse(() => parseStrictJson(parsed.text.slice(start, end), bounds))
    return item instanceof GatewayError ? ({ kind: 'refused', idText: undefined, error: item } as const) : readMessage(item)
  })
  return { kind: 'batch', items }
}

/** Messages taken in one batch. */
export const MAX_BATCH = 20

function parse(read: () => StrictJson): StrictJson | GatewayError {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof JsonRefusal)) throw error
    return new GatewayError(error.kind === 'syntax' ? 'parse_error' : 'invalid_request', error.message, { cause: error })
  }
}

const ENVELOPE = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error'])

function readMessage({ text, value, members }: StrictJson): Message | Refused {
  if (!isJsonObject(value)) return refuse(undefined, 'the body is not a JSON-RPC message')
  const id = value['id']
  const span = members.get('id')
  const idText = isId(id) && span !== undefined ? text.slice(span.start, span.end) : undefined
  for (const name of Object.keys(value)) {
    if (!ENVELOPE.has(name)) return refuse(idText, `unknown member ${quoted(name)} in the JSON-RPC message`)
  }
  if (value['jsonrpc'] !== '2.0') return refuse(idText, 'the member "jsonrpc" must be "2.0"')
  if ('id' in value && !isId(id)) return refuse(undefined, 'the member "id" must be a string or an integer of at most 2^53-1')
  return 'method' in value ? readCall(value, id as string | number | undefined, idText) : readResponse(value, idText)
}

/** Strings and integers a double holds exactly; anything else could not be compared with itself later. */
function isId(id: Json | undefined): id is string | number {
  return typeof id === 'string' || Number.isSafeInteger(id)
}

function readCall(value: JsonObject, id: string | number | undefined, idText: string | undefined): Message | Refused {
  const { method, params = {} } = value
  if ('result' in value || 'error' in value) return refuse(idText, 'a message is a request or a response, not both')
  if (typeof method !== 'string' || method === '') return refuse(idText, 'the member "method" must be a text')
  if (!isJsonObject(params)) return refuse(idText, 'the member "params" must be an object')
  const stray = strayMember(params)
  if (stray !== undefined) return refuse(idText, `unknown member ${quoted(stray)} in "params"; names are case-sensitive`)
  const meta = params['_meta']
  if (meta !== undefined && !isJsonObject(meta)) {
    return { kind: 'refused', idText, error: new GatewayError('invalid_params', 'the member "_meta" must be an object') }
  }
  if (id === undefined || idText === undefined) return { kind: 'notification', method, params, meta }
  return { kind: 'request', id, idText, method, params, meta }
}

/** Names of params that we or an upstream act on. A spelling that only looks like one is refused, others pass. */
const KNOWN = new Set([
  '_meta',
  'argument',
  'arguments',
  'capabilities',
  'clientInfo',
  'context',
  'cursor',
  'inputResponses',
  'level',
  'name',
  'notifications',
  'protocolVersion',
  'ref',
  'requestId',
  'requestState',
  'uri',
])
const FOLDED = new Set([...KNOWN].map((name) => name.toLowerCase()))

function strayMember(params: JsonObject): string | undefined {
  return Object.keys(params).find((name) => !KNOWN.has(name) && FOLDED.has(name.normalize('NFKC').toLowerCase()))
}

function readResponse(value: JsonObject, idText: string | undefined): Message | Refused {
  const { id, result, error } = value
  if (!isId(id)) return refuse(undefined, 'the message has neither a method nor an id')
  if ('params' in value || 'result' in value === 'error' in value) {
    return refuse(idText, 'a response has either a result or an error')
  }
  if (isJsonObject(result)) return { kind: 'response', id, answer: { result } }
  if (isJsonObject(error)) return { kind: 'response', id, answer: { error } }
  return refuse(idText, 'the result or error of a response must be an object')
}

/** A name of the caller's in our words: cut, and with nothing in it that hides or moves what stands beside it. */
const quoted = (name: string) => JSON.stringify(printable(name.slice(0, 64)))

function refuse(idText: string | undefined, message: string): Refused {
  return { kind: 'refused', idText, error: new GatewayError('invalid_request', message) }
}

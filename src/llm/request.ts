import { isUtf8 } from 'node:buffer'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import { isDeeper } from '../lib/json-depth.ts'
import { type BodyBounds, editBody, scanMembers } from './body.ts'
import type { LlmHttpRequest } from './contract.ts'
import { chatDialect } from './dialects/chat.ts'
import { messagesDialect } from './dialects/messages.ts'
import { responsesDialect } from './dialects/responses.ts'
import type { MemberSpan, Operation } from './provider.ts'
import type { Dialect } from './wire.ts'

/** What a path asks for, and in whose words. */
export interface Door {
  readonly dialect: Dialect
  readonly operation: Operation
}

const OPEN_BRACE = 0x7b

const DOORS: Readonly<Record<string, Door>> = {
  '/v1/chat/completions': { dialect: chatDialect, operation: 'chat' },
  '/v1/responses': { dialect: responsesDialect, operation: 'chat' },
  '/v1/messages': { dialect: messagesDialect, operation: 'chat' },
  '/v1/messages/count_tokens': { dialect: messagesDialect, operation: 'count_tokens' },
  '/v1/embeddings': { dialect: chatDialect, operation: 'embeddings' },
}

/** The door of a path; undefined where there is none. */
export function doorOf(path: string): Door | undefined {
  return Object.hasOwn(DOORS, path) ? DOORS[path] : undefined
}

/** The dialect errors of a path are told in. */
export function dialectOf(path: string, headers: LlmHttpRequest['headers']): Dialect {
  return doorOf(path)?.dialect ?? (headers['anthropic-version'] === undefined ? chatDialect : messagesDialect)
}

/** A request of one of the model doors, parsed but not translated. */
export interface ModelRequest {
  readonly door: Door
  readonly bytes: Buffer
  /** Where the top-level members of `bytes` stand. */
  readonly members: ReadonlyMap<string, MemberSpan>
  readonly json: JsonObject
  /** The model name asked for. */
  readonly model: string
  readonly stream: boolean
  /** Whether the caller is to see usage on the stream. */
  readonly includeUsage: boolean
  /** The caller refuses to have parameters dropped. */
  readonly strict: boolean
  /** Most tokens the answer may have, over all its choices, as the caller said; undefined when it said nothing. */
  readonly maxOutput: number | undefined
}

/** Reads a body. Throws a GatewayError that says what is wrong. */
export function readRequest(door: Door, { headers, body }: LlmHttpRequest, bounds: BodyBounds): ModelRequest {
  const bytes = body ?? Buffer.alloc(0)
  if (!isJsonType(headers['content-type']))
    throw new GatewayError('unsupported_media_type', 'the content type must be application/json')
  // First, because parsing what nests without end takes seconds. A name given twice is refused whoever answers.
  const members = scan(bytes, bounds)
  const json = parse(bytes, bounds)
  if (members === undefined) throw new GatewayError('parse_error', 'the body is not a JSON object')
  const { model, stream } = json
  if (typeof model !== 'string' || model === '' || model.length > 256)
    throw new GatewayError('invalid_params', '$.model: must be the name of a model, as text', { details: { param: 'model' } })
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean')
    throw new GatewayError('invalid_params', '$.stream: must be true or false', { details: { param: 'stream' } })
  return {
    door,
    bytes,
    members,
    json,
    model,
    stream: stream === true && door.operation === 'chat',
    includeUsage: wantsUsage(door, json),
    strict: headers['x-tollgate-strict'] === 'true',
    maxOutput: maxOutputOf(json),
  }
}

/** The same request with members set that the caller left out; what the caller sent stays. */
export function withDefaults(request: ModelRequest, params: JsonObject): ModelRequest {
  const missing = Object.entries(params).filter(([name]) => request.json[name] === undefined)
  if (missing.length === 0) return request
  const edits = Object.fromEntries(missing.map(([name, value]) => [name, JSON.stringify(value)]))
  const json = { ...request.json, ...Object.fromEntries(missing) }
  return withBytes(request, json, editBody(request.bytes, request.members, edits))
}

/** The same request with another body. */
export function withBytes(request: ModelRequest, json: JsonObject, bytes: Buffer): ModelRequest {
  return { ...request, json, bytes, members: scanMembers(bytes) }
}

/** Undefined for what is no JSON object: parsing says what is wrong with it. */
function scan(bytes: Buffer, bounds: BodyBounds): ReadonlyMap<string, MemberSpan> | undefined {
  try {
    return scanMembers(bytes, bounds)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'parse_error') return undefined
    throw error
  }
}

function parse(bytes: Buffer, { depth }: BodyBounds): JsonObject {
  if (!isUtf8(bytes)) throw new GatewayError('parse_error', 'the body is not UTF-8')
  if (bytes[0] !== OPEN_BRACE && isDeeper(bytes.toString('latin1'), depth))
    throw new GatewayError('invalid_request', `the body nests deeper than ${depth} levels`)
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new GatewayError('parse_error', 'the body is not JSON', { cause: error })
  }
  if (!isJsonObject(json)) throw new GatewayError('invalid_request', 'the body must be a JSON object')
  return json
}

/** Exactly the media type of JSON, which is UTF-8. Parameters are ignored but for another charset. */
function isJsonType(header: string | undefined): boolean {
  if (header === 'application/json') return true
  const match = /^application\/json[ \t]*(?:$|;(.*)$)/i.exec(header ?? '')
  const charset = /(?:^|;)[ \t]*charset[ \t]*=[ \t]*"?([^";]*)/i.exec(match?.[1] ?? '')?.[1]
  return match !== null && (charset === undefined || /^utf-?8$/i.test(charset.trim()))
}

function wantsUsage({ dialect }: Door, json: JsonObject): boolean {
  if (dialect.name !== 'chat') return true
  const options = json['stream_options']
  return isJsonObject(options) && options['include_usage'] === true
}

/** Most choices one request may ask for, and most tokens of one answer: far above any model, far below what breaks a reservation. */
const MAX_CHOICES = 128
const MAX_OUTPUT = 10_000_000

/** These numbers are reserved before anything is sent, so they are checked here also when the body is forwarded as it is. */
function maxOutputOf(json: JsonObject): number | undefined {
  const most = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'].map((member) => numberOf(json, member, MAX_OUTPUT))
  const choices = numberOf(json, 'n', MAX_CHOICES) ?? 1
  const one = most.find((value) => value !== undefined)
  return one === undefined ? undefined : one * choices
}

function numberOf(json: JsonObject, member: string, max: number): number | undefined {
  const value = json[member]
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= max) return value
  throw new GatewayError('invalid_params', `$.${member}: must be a whole number from 1 to ${max}`, { details: { param: member } })
}

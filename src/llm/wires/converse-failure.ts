import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Failure, FailureKind } from '../middle.ts'

const KIND_OF_EXCEPTION: Readonly<Record<string, FailureKind>> = {
  validationexception: 'bad_request',
  conflictexception: 'bad_request',
  servicequotaexceededexception: 'bad_request',
  accessdeniedexception: 'auth',
  unrecognizedclientexception: 'auth',
  expiredtokenexception: 'auth',
  expiredtoken: 'auth',
  invalidsignatureexception: 'auth',
  incompletesignatureexception: 'auth',
  incompletesignature: 'auth',
  missingauthenticationtokenexception: 'auth',
  missingauthenticationtoken: 'auth',
  invalidclienttokenid: 'auth',
  optinrequired: 'forbidden',
  resourcenotfoundexception: 'not_found',
  unknownoperationexception: 'not_found',
  requestentitytoolargeexception: 'too_large',
  throttlingexception: 'rate_limited',
  toomanyrequestsexception: 'rate_limited',
  modelnotreadyexception: 'rate_limited',
  modeltimeoutexception: 'timeout',
  requesttimeoutexception: 'timeout',
  serviceunavailableexception: 'overloaded',
  internalserverexception: 'server',
  internalfailure: 'server',
  modelerrorexception: 'server',
  modelstreamerrorexception: 'server',
}

const KIND_OF_STATUS: Readonly<Record<number, FailureKind>> = {
  401: 'auth',
  403: 'auth',
  404: 'not_found',
  408: 'timeout',
  413: 'too_large',
  429: 'rate_limited',
  503: 'overloaded',
  504: 'timeout',
}

/** Kinds only the words of a ValidationException tell apart. */
const KIND_OF_WORDS: readonly (readonly [RegExp, FailureKind])[] = [
  [/model identifier is invalid|on-demand throughput|model .{0,200}(?:not found|end of its life)/i, 'not_found'],
  [/input is too long|prompt is too long|too many (?:input )?tokens|exceeds? the maximum/i, 'too_large'],
  [/content filter/i, 'filtered'],
]

const MAX_MESSAGE = 2_000

/**
 * Reads an exception of Bedrock, of an answer or of a stream. It is classified by its name, never by a status that stands in its body;
 * the HTTP status decides only where the name is unknown.
 */
export function bedrockFailure(name: string, body: JsonObject, status?: number): Failure {
  const said = textOf(body['message']) ?? textOf(body['Message']) ?? ''
  const kind = kindOf(name, said, status)
  return {
    kind,
    ...(status === undefined ? {} : { status }),
    message: messageOf(said, kind, status),
    ...(name === '' ? {} : { code: name.slice(0, 64) }),
  }
}

function kindOf(name: string, said: string, status: number | undefined): FailureKind {
  const key = name.toLowerCase()
  const byName = Object.hasOwn(KIND_OF_EXCEPTION, key) ? KIND_OF_EXCEPTION[key] : undefined
  if (byName === 'bad_request') return KIND_OF_WORDS.find(([words]) => words.test(said))?.[1] ?? byName
  if (byName !== undefined) return byName
  if (status === undefined || status >= 500) return (status === undefined ? undefined : KIND_OF_STATUS[status]) ?? 'server'
  return KIND_OF_STATUS[status] ?? (status === 424 ? 'server' : 'bad_request')
}

/** Words of a refused credential name accounts and roles: they are never repeated. */
function messageOf(said: string, kind: FailureKind, status: number | undefined): string {
  if (said !== '' && kind !== 'auth' && kind !== 'forbidden') return said.slice(0, MAX_MESSAGE)
  return status === undefined ? 'the provider reported an error' : `the provider answered ${status}`
}

/** The JSON object in a text; an empty one where there is none. */
export function readObject(text: string): JsonObject {
  try {
    const json: unknown = JSON.parse(text)
    return isJsonObject(json) ? json : {}
  } catch {
    return {} // a page of some proxy: the status has to do
  }
}

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

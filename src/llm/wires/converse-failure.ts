import type { JsonObject } from '../../core/json.ts'
import { failureMessage, KIND_OF_STATUS, plainWords } from '../failure-words.ts'
import { textOf, wordsOf } from '../loose-json.ts'
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

/** Kinds only the words of a ValidationException tell apart. */
const KIND_OF_WORDS: readonly (readonly [RegExp, FailureKind])[] = [
  [/model identifier is invalid|on-demand throughput|model .{0,200}(?:not found|end of its life)/i, 'not_found'],
  [/input is too long|prompt is too long|too many (?:input )?tokens|exceeds? the maximum/i, 'too_large'],
  [/content filter/i, 'filtered'],
]

/**
 * Reads an exception of Bedrock, of an answer or of a stream. It is classified by its name, never by a status that stands in its body;
 * the HTTP status decides only where the name is unknown.
 */
export function bedrockFailure(name: string, body: JsonObject, status?: number): Failure {
  const said = wordsOf(body['message']) ?? textOf(body['Message'])
  const kind = kindOf(name, said, status)
  return {
    kind,
    ...(status === undefined ? {} : { status }),
    message: failureMessage(said, kind, plainWords(status)),
    ...(name === '' ? {} : { code: name.slice(0, 64) }),
  }
}

function kindOf(name: string, said: string, status: number | undefined): FailureKind {
  const key = name.toLowerCase()
  const byName = Object.hasOwn(KIND_OF_EXCEPTION, key) ? KIND_OF_EXCEPTION[key] : undefined
  if (byName === 'bad_request') return KIND_OF_WORDS.find(([words]) => words.test(said))?.[1] ?? byName
  if (byName !== undefined) return byName
  if (status === undefined) return 'server'
  // a credential without the right and one that is wrong are both AWS's 403
  if (status === 403) return 'auth'
  return KIND_OF_STATUS[status] ?? (status >= 500 ? 'server' : 'bad_request')
}

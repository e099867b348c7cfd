import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { failureMessage, KIND_OF_STATUS, plainWords, refusalBody } from '../failure-words.ts'
import { textOf } from '../loose-json.ts'
import type { Failure, FailureKind } from '../middle.ts'
import type { RefusedAnswer } from '../provider.ts'
import { retryFacts } from '../retry-after.ts'
import type { DialectError } from '../wire.ts'

/** Words of `code` and `type` that say more than the status. */
const KIND_OF_WORD: Readonly<Record<string, FailureKind>> = {
  insufficient_quota: 'billing',
  billing_not_active: 'billing',
  billing_hard_limit_reached: 'billing',
  context_length_exceeded: 'bad_request',
  content_filter: 'filtered',
  content_policy_violation: 'filtered',
  ResponsibleAIPolicyViolation: 'filtered',
  invalid_api_key: 'auth',
  authentication_error: 'auth',
  permission_error: 'forbidden',
  model_not_found: 'not_found',
  not_found_error: 'not_found',
  DeploymentNotFound: 'not_found',
  rate_limit_exceeded: 'rate_limited',
  rate_limit_error: 'rate_limited',
  overloaded_error: 'overloaded',
  server_overloaded: 'overloaded',
  engine_overloaded: 'overloaded',
  timeout: 'timeout',
  timeout_error: 'timeout',
  server_error: 'server',
  internal_server_error: 'server',
  api_error: 'server',
  invalid_request_error: 'bad_request',
}

/** Reads a refusal of an OpenAI-shaped provider; also an error body that came with status 200. */
export function refusalOf(answer: RefusedAnswer): Failure {
  const status = answer.status < 400 ? undefined : answer.status
  return { ...failureOf(refusalBody(answer.body), status), ...retryFacts(answer.headers) }
}

/** Whether a body with a good status, or a chunk of a stream, is an error. */
export function isFailureBody(body: JsonObject): boolean {
  return isPresent(body['error']) || isPresent(groqError(body)) || isPresent(choiceError(body)) || body['object'] === 'error'
}

/** Reads an error body or an error chunk; `status` is absent inside a stream. */
export function failureOf(body: JsonObject, status?: number): Failure {
  const error = errorObject(body)
  const code = codeOf(error['code']) ?? codeOf(error['error_code'])
  const param = codeOf(error['param'])
  const told = status ?? statusIn(error)
  const kind = kindOf(error, told)
  return {
    kind,
    ...(told === undefined ? {} : { status: told }),
    message: failureMessage(saidIn(error), kind, plainWords(told)),
    ...(code === undefined ? {} : { code }),
    ...(param === undefined ? {} : { param }),
  }
}

/** The error is under `error`, in Groq's and OpenRouter's own places, or (Mistral, vLLM, Databricks) the body itself. */
function errorObject(body: JsonObject): JsonObject {
  const found = [body['error'], groqError(body), choiceError(body)].find(isPresent)
  if (isJsonObject(found)) return found
  return typeof found === 'string' ? { ...body, message: found } : body
}

function groqError(body: JsonObject): Json | undefined {
  const groq = body['x_groq']
  return isJsonObject(groq) ? groq['error'] : undefined
}

function choiceError(body: JsonObject): Json | undefined {
  const choices = body['choices']
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined
  return isJsonObject(first) ? first['error'] : undefined
}

const isPresent = (value: Json | undefined): boolean => value !== undefined && value !== null && value !== false

function statusIn(error: JsonObject): number | undefined {
  const said = [error['status'], error['statusCode'], error['code']].map(Number)
  return said.find((status) => Number.isInteger(status) && status >= 400 && status < 600)
}

function kindOf(error: JsonObject, status: number | undefined): FailureKind {
  const inner = error['innererror']
  const words = [error['code'], isJsonObject(inner) ? inner['code'] : undefined, error['error_code']]
  const byCode = words.map(kindOfWord).find((kind) => kind !== undefined)
  if (byCode !== undefined) return byCode
  if (isModeration(error, status)) return 'filtered'
  // `type` is the coarser word: a status that has a meaning of its own wins over it
  const byType = kindOfWord(error['type'])
  if (status === undefined) return byType ?? 'server'
  const byStatus = KIND_OF_STATUS[status]
  if (byStatus === 'rate_limited' && byType === 'billing') return 'billing'
  if (byStatus !== undefined) return byStatus
  return status >= 500 ? (byType === 'overloaded' ? byType : 'server') : 'bad_request'
}

const kindOfWord = (word: Json | undefined): FailureKind | undefined =>
  typeof word === 'string' && Object.hasOwn(KIND_OF_WORD, word) ? KIND_OF_WORD[word] : undefined

/** OpenRouter answers 403 for words its moderation flagged, with the reasons beside. */
function isModeration(error: JsonObject, status: number | undefined): boolean {
  const metadata = error['metadata']
  return status === 403 && isJsonObject(metadata) && Array.isArray(metadata['reasons'])
}

function saidIn(error: JsonObject): string {
  const said = error['message'] ?? error['detail'] ?? error['error_message']
  return Array.isArray(said) ? JSON.stringify(said) : textOf(said)
}

function codeOf(value: Json | undefined): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value.slice(0, 200) : undefined
}

/** Writes an error as OpenAI does. */
export function toChatError({ message, type, param, code }: DialectError, requestId: string): JsonObject {
  return { error: { message, type, param: param ?? null, code: code ?? null }, request_id: requestId }
}

/** The error of a stream that has begun: its last frame, without an end mark after it. */
export function chatErrorFrame(error: DialectError, requestId: string): string {
  return `data: ${JSON.stringify(toChatError(error, requestId))}\n\n`
}

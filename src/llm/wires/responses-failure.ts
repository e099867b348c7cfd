import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { failureMessage, plainWords } from '../failure-words.ts'
import { textOf, wordsOf } from '../loose-json.ts'
import type { Failure, FailureKind } from '../middle.ts'

const KINDS: Readonly<Record<string, FailureKind>> = {
  rate_limit_exceeded: 'rate_limited',
  insufficient_quota: 'billing',
  billing_hard_limit_reached: 'billing',
  invalid_api_key: 'auth',
  invalid_prompt: 'bad_request',
  invalid_request_error: 'bad_request',
  context_length_exceeded: 'bad_request',
  model_not_found: 'not_found',
  data_residency_mismatch: 'forbidden',
  content_filter: 'filtered',
  bio_policy: 'filtered',
  cyber_policy: 'filtered',
  misalignment_policy_violation: 'filtered',
  image_content_policy_violation: 'filtered',
  vector_store_timeout: 'timeout',
  overloaded: 'overloaded',
  server_is_overloaded: 'overloaded',
  slow_down: 'overloaded',
}

/** Faults of an image are all the caller's, whichever they are. */
const IMAGE_FAULT = /(^|_)(image|image_file)(_|$)/

/** Reads the error of a `response.failed` event, of a bare `error` event, or of a `{ error }` body inside a 200. */
export function failureOfEvent(event: JsonObject): Failure {
  const response = event['response']
  if (isJsonObject(response)) return failureOfError(response['error'], statusWords(response['status']))
  return failureOfError(isJsonObject(event['error']) ? event['error'] : event, plainWords(undefined))
}

/** Reads an error object of the Responses wire. */
function failureOfError(error: Json | undefined, otherwise: string): Failure {
  if (!isJsonObject(error)) return { kind: 'server', message: failureMessage(textOf(error), 'server', otherwise) }
  const code = wordsOf(error['code'])
  const param = wordsOf(error['param'])
  const kind = kindOf(code) ?? kindOf(wordsOf(error['type'])) ?? 'server'
  return {
    kind,
    message: failureMessage(textOf(error['message']), kind, otherwise),
    ...(code === undefined ? {} : { code }),
    ...(param === undefined ? {} : { param }),
  }
}

function kindOf(word: string | undefined): FailureKind | undefined {
  if (word === undefined) return undefined
  if (Object.hasOwn(KINDS, word)) return KINDS[word]
  return IMAGE_FAULT.test(word) ? 'bad_request' : undefined
}

function statusWords(status: Json | undefined): string {
  return typeof status === 'string' ? `the response ended as ${status.slice(0, 40)}` : 'the response failed'
}

import { refusalBody } from '../failure-words.ts'
import { parseObject, textOf } from '../loose-json.ts'
import type { Failure, FailureKind } from '../middle.ts'
import type { RefusedAnswer } from '../provider.ts'
import { retryFacts } from '../retry-after.ts'
import type { WireEvent } from '../wire.ts'
import { bedrockFailure } from '../wires/converse-failure.ts'

/** Reads a refusal; the name of the exception stands in a header, and in the body of some. */
export function refusalOf({ status, headers, body }: RefusedAnswer): Failure {
  const json = refusalBody(body)
  const inBody = textOf(json['__type'])
  // `ValidationException:http://internal.amazon.com/...`, or `com.amazon.coral.service#AccessDeniedException`.
  const name = (headers['x-amzn-errortype'] ?? inBody).split(':', 1)[0]?.split('#').at(-1)?.trim() ?? ''
  return { ...bedrockFailure(name, json, status < 400 ? undefined : status), ...retryFacts(headers) }
}

const ANTHROPIC_TYPE: Readonly<Record<FailureKind, string>> = {
  bad_request: 'invalid_request_error',
  auth: 'authentication_error',
  billing: 'billing_error',
  forbidden: 'permission_error',
  not_found: 'not_found_error',
  too_large: 'request_too_large',
  filtered: 'invalid_request_error',
  rate_limited: 'rate_limit_error',
  timeout: 'timeout_error',
  overloaded: 'overloaded_error',
  server: 'api_error',
  invalid: 'api_error',
  unreachable: 'api_error',
}

const EXCEPTION = 'exception:'

/** Takes Anthropic's event out of a frame of Invoke; an exception becomes the error event of that wire. */
export function unwrapChunk({ event, data }: WireEvent): WireEvent {
  if (event.startsWith(EXCEPTION)) {
    const { kind, message } = bedrockFailure(event.slice(EXCEPTION.length), parseObject(data) ?? {})
    return { event: 'error', data: JSON.stringify({ type: 'error', error: { type: ANTHROPIC_TYPE[kind], message } }) }
  }
  const bytes = parseObject(data)?.['bytes']
  // A frame of another kind has no event for the wire: a ping is what every reader passes over.
  if (event !== 'chunk' || typeof bytes !== 'string') return PING
  const inner = Buffer.from(bytes, 'base64').toString('utf8')
  return { event: typeOf(inner), data: inner }
}

const PING: WireEvent = { event: 'ping', data: '{"type":"ping"}' }

/** The name of an event; Anthropic writes it first, so the rest need not be read for it. */
function typeOf(data: string): string {
  const first = /^\s*\{\s*"type"\s*:\s*"([a-z_]{1,64})"/.exec(data)?.[1]
  if (first !== undefined) return first
  return textOf(parseObject(data)?.['type'])
}

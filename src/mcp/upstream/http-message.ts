import { isUtf8 } from 'node:buffer'
import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { parseJson } from '../../lib/json-numbers.ts'
import type { JsonRpcError } from './contract.ts'
import { first, type HttpAnswer } from './http-exchange.ts'
import type { Outcome, RequestId } from './rpc-peer.ts'

/** A JSON-RPC message as read from an upstream. */
export type Message =
  | { readonly kind: 'answer'; readonly id: RequestId | null; readonly outcome: Outcome }
  | { readonly kind: 'request'; readonly id: RequestId; readonly method: string; readonly params: JsonObject }
  | { readonly kind: 'notification'; readonly method: string; readonly params: JsonObject }

// JSON.parse goes as deep as it likes, JSON.stringify does not. A text below this size cannot be deep enough to matter.
const DEPTH_FREE_BYTES = 8_192
const MAX_DEPTH = 2_000
const MAX_RETRY_AFTER_SECONDS = 60

/** Reads one message; undefined when the text is no JSON-RPC message. */
export function readMessage(text: string, bytes: number): Message | undefined {
  const message = parse(text)
  if (!isJsonObject(message) || message['jsonrpc'] !== '2.0') return undefined
  const { id, method } = message
  const hasId = typeof id === 'string' || typeof id === 'number'
  if (typeof method === 'string') {
    const params = isJsonObject(message['params']) ? message['params'] : {}
    if (id === undefined) return { kind: 'notification', method, params }
    return hasId ? { kind: 'request', id, method, params } : undefined
  }
  const outcome = toOutcome(message, bytes)
  return outcome && (hasId || id === null || id === undefined) ? { kind: 'answer', id: hasId ? id : null, outcome } : undefined
}

function toOutcome({ result, error }: JsonObject, bytes: number): Outcome | undefined {
  if (isJsonObject(result) && error === undefined) return { kind: 'result', result, bytes }
  if (!isJsonObject(error) || result !== undefined) return undefined
  if (!Number.isInteger(error['code']) || typeof error['message'] !== 'string') return undefined
  // `as`: code and message were checked on the line above; data is optional and passed on as it is.
  return { kind: 'error', error: error as unknown as JsonRpcError, bytes }
}

/** The outcome of request `id` in a complete HTTP answer. */
export function answerOf(answer: HttpAnswer, id: number, server: string): Outcome {
  const { status, body, mediaType } = answer
  const refused = status === 401 || status === 403 || status === 407 || status === 429 || status === 503
  const message = !refused && mediaType === 'application/json' ? readBody(body) : undefined
  // An error may come before the request's id was read; then it has none. Only this request can be meant.
  const matches = message?.kind === 'answer' && (message.id === id || (message.id === null && message.outcome.kind === 'error'))
  if (message?.kind === 'answer' && matches && (status === 200 || message.outcome.kind === 'error')) return message.outcome
  return { kind: 'failed', error: toStatusError(answer, server) }
}

function readBody(body: Buffer): Message | undefined {
  return isUtf8(body) ? readMessage(body.toString('utf8'), body.length) : undefined
}

/** What an HTTP status means when the answer holds no JSON-RPC message of ours. Says nothing of the body. */
export function toStatusError({ status, headers }: HttpAnswer, server: string): GatewayError {
  const name = `server "${server}"`
  if (status === 401 || status === 403 || status === 407) {
    return new GatewayError('upstream_auth', `${name} does not accept the credential of the gateway (HTTP ${status})`)
  }
  if (status === 429 || status === 503) {
    const retryAfterSeconds = toRetryAfter(first(headers['retry-after']))
    return new GatewayError('upstream_unavailable', `${name} asks to come back later (HTTP ${status})`, { retryAfterSeconds })
  }
  if (status >= 500 || status === 408) return new GatewayError('upstream_unavailable', `${name} failed (HTTP ${status})`)
  const words =
    status === 200 ? 'sent an answer that is no JSON-RPC response to the request' : `refused the request (HTTP ${status})`
  return new GatewayError('upstream_invalid', `${name} ${words}`)
}

function toRetryAfter(value: string | undefined): number {
  const seconds = value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : 1
  return Math.min(Math.max(seconds, 1), MAX_RETRY_AFTER_SECONDS)
}

function parse(text: string): Json | undefined {
  if (text.length > DEPTH_FREE_BYTES && isTooDeep(text)) return undefined
  try {
    // `as`: parseJson makes JSON values and nothing else.
    return parseJson(text) as Json
  } catch {
    return undefined
  }
}

function isTooDeep(text: string): boolean {
  let depth = 0
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === 0x22) {
      index = endOfString(text, index)
    } else if (code === 0x5b || code === 0x7b) {
      depth += 1
      if (depth > MAX_DEPTH) return true
    } else if (code === 0x5d || code === 0x7d) {
      depth -= 1
    }
  }
  return false
}

/** Index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes += 1
    if (slashes % 2 === 0) return end
  }
  return text.length
}

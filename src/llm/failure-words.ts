import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { FailureKind } from './middle.ts'

/** What a status means where the provider's own words do not say more; other statuses are the provider's fault from 500 on. */
export const KIND_OF_STATUS: Readonly<Record<number, FailureKind>> = {
  401: 'auth',
  402: 'billing',
  403: 'forbidden',
  404: 'not_found',
  408: 'timeout',
  413: 'too_large',
  424: 'server',
  429: 'rate_limited',
  498: 'overloaded',
  499: 'timeout',
  503: 'overloaded',
  504: 'timeout',
  529: 'overloaded',
}

const MAX_MESSAGE = 2_000
const KEY_LIKE =
  /\b(?:(?:sk|pk|gsk|xai|csk|fw|dapi|pplx|tgp)[-_][A-Za-z0-9*_-]{6,}|AIza[\w-]{6,}|ya29\.[\w.-]{4,}|Bearer [^\s"',]{6,})/g

/** What is kept of a provider's words. Those of a failed sign-in may hold pieces of a key or name accounts: they are never repeated. */
export function failureMessage(said: string, kind: FailureKind, otherwise: string): string {
  if (said === '' || kind === 'auth' || kind === 'forbidden') return otherwise
  return said.slice(0, MAX_MESSAGE).replaceAll(KEY_LIKE, '***')
}

/** The words for a failure the provider said nothing about, by its status or the name it gave. */
export function plainWords(status: number | string | undefined): string {
  return status === undefined ? 'the provider reported an error' : `the provider answered ${status}`
}

/** The body of a refusal, also of one wrapped in a list; empty for the page of some proxy. */
export function refusalBody(body: Buffer): JsonObject {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    const first: unknown = Array.isArray(json) ? json[0] : json
    return isJsonObject(first) ? first : {}
  } catch {
    return {} // the status has to do
  }
}

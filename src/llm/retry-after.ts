import type { Failure } from './middle.ts'
import type { RefusedAnswer } from './provider.ts'

/** No provider makes a caller wait longer than this. */
const LONGEST_WAIT_MS = 60_000

/** What the headers of a refusal say about asking again. */
export function retryFacts(headers: RefusedAnswer['headers']): Pick<Failure, 'retryAfterMs' | 'shouldRetry'> {
  const retryAfterMs = retryAfter(headers)
  const shouldRetry = headers['x-should-retry']
  return {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(shouldRetry === 'true' || shouldRetry === 'false' ? { shouldRetry: shouldRetry === 'true' } : {}),
  }
}

/** A wait as it is kept: whole milliseconds within bounds. */
export function boundedWaitMs(milliseconds: number): number {
  return Math.min(Math.max(0, Math.ceil(milliseconds)), LONGEST_WAIT_MS)
}

/** `retry-after-ms` before `retry-after`, whose date is read by the provider's own clock. */
function retryAfter(headers: RefusedAnswer['headers']): number | undefined {
  const milliseconds = numberOf(headers['retry-after-ms'])
  if (milliseconds !== undefined) return boundedWaitMs(milliseconds)
  const seconds = numberOf(headers['retry-after'])
  if (seconds !== undefined) return boundedWaitMs(seconds * 1_000)
  const until = Date.parse(headers['retry-after'] ?? '')
  if (Number.isNaN(until)) return undefined
  const now = Date.parse(headers['date'] ?? '')
  return Number.isNaN(now) ? LONGEST_WAIT_MS : boundedWaitMs(until - now)
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d{1,12}(\.\d{1,6})?\s*$/.test(text) ? Number(text) : undefined
}

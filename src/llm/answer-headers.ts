import type { IncomingHttpHeaders } from 'node:http'
import type { Gauge } from '../pipeline/facet.ts'

/** What the headers of an answer say. */
export interface AnswerAbout {
  readonly id: string
  /** Milliseconds the gateway itself took. */
  readonly overheadMs: number
  readonly dropped: readonly string[]
  readonly gauges: readonly Gauge[]
}

/** Headers of every answer of a model door. */
export function answerHeaders({ id, overheadMs, dropped, gauges }: AnswerAbout): Record<string, string> {
  const headers: Record<string, string> = {
    'x-tollgate-request-id': id,
    'x-request-id': id,
    'request-id': id, // where Anthropic's clients look for it
    'x-tollgate-overhead-ms': overheadMs.toFixed(2),
  }
  if (dropped.length > 0) headers['x-tollgate-dropped'] = dropped.join(', ')
  for (const { kind, limit, remaining, resetMs } of tightest(gauges)) {
    headers[`x-ratelimit-limit-${kind}`] = String(limit)
    headers[`x-ratelimit-remaining-${kind}`] = String(remaining)
    headers[`x-ratelimit-reset-${kind}`] = `${Math.ceil(resetMs / 1_000)}s`
  }
  return headers
}

/** Of several counters of a kind, the one that leaves least. */
function tightest(gauges: readonly Gauge[]): readonly Gauge[] {
  return gauges.filter((gauge) => !gauges.some((other) => other.kind === gauge.kind && other.remaining < gauge.remaining))
}

/** Headers of the caller that belong to a dialect and reach a provider of the same one unchanged. */
const PASSED = ['anthropic-version', 'anthropic-beta', 'openai-beta'] as const

/** What of the caller's headers may pass. */
export function passedHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const name of PASSED) {
    const value = headers[name]
    if (typeof value === 'string') passed[name] = value
  }
  return passed
}

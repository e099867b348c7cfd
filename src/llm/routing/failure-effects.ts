import type { Failure, FailureKind } from '../middle.ts'

/**
 * What a failure says of its target. `counts`: against the breaker. `clock`: nothing is sent for a while, and it is no fault. `neutral`:
 * nothing, since the caller or the request is the cause.
 */
export type FailureEffect =
  | { readonly kind: 'counts' | 'neutral' }
  | { readonly kind: 'clock'; readonly ms: number; readonly words: string }

type Rule = 'counts' | 'neutral' | { readonly defaultMs: number; readonly maxMs: number; readonly words: string }

const RULES: Readonly<Record<FailureKind, Rule>> = {
  bad_request: 'neutral',
  forbidden: 'neutral',
  not_found: 'neutral',
  too_large: 'neutral',
  filtered: 'neutral',
  rate_limited: { defaultMs: 5_000, maxMs: 60_000, words: 'rate limited' },
  billing: { defaultMs: 60_000, maxMs: 600_000, words: 'out of credit' },
  auth: { defaultMs: 30_000, maxMs: 30_000, words: 'credentials refused' },
  timeout: 'counts',
  overloaded: 'counts',
  server: 'counts',
  invalid: 'counts',
  unreachable: 'counts',
}

/** Looks a failure up in the table; the provider's Retry-After sets a clock within its bounds. */
export function effectOf({ kind, retryAfterMs }: Failure): FailureEffect {
  const rule = RULES[kind]
  if (typeof rule === 'string') return { kind: rule }
  const asked = kind !== 'auth' && retryAfterMs !== undefined && retryAfterMs >= 0 ? retryAfterMs : rule.defaultMs
  return { kind: 'clock', ms: Math.min(asked, rule.maxMs), words: rule.words }
}

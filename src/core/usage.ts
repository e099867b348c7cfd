/** Where the counts of an entry come from. `provider_partial`: the provider's last word before a cut or a hang-up. */
export type UsageSource = 'provider' | 'provider_partial' | 'estimated'

/**
 * Tokens of one attempt by kind. The kinds are disjoint, so a price is a plain sum over them: `input` leaves out what was read from or
 * written to a cache and what was audio or image, `output` leaves out reasoning and audio. Whole numbers, never negative.
 */
export interface TokenCounts {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  readonly inputAudio: number
  readonly inputImage: number
  readonly output: number
  readonly reasoning: number
  readonly outputAudio: number
}

/** What one attempt used, as far as it is known. */
export interface Usage extends TokenCounts {
  readonly source: UsageSource
  /** Calls of tools that ran at the provider, by name: `web_search_requests` and the like. They have prices of their own. */
  readonly serverTools?: Readonly<Record<string, number>>
}

/** All counts zero: where an accumulation begins. */
export const NO_TOKENS: TokenCounts = {
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  inputAudio: 0,
  inputImage: 0,
  output: 0,
  reasoning: 0,
  outputAudio: 0,
}

/** Every token that went in, cached or not. */
export function inputTokens(counts: TokenCounts): number {
  return counts.input + counts.cacheRead + counts.cacheWrite5m + counts.cacheWrite1h + counts.inputAudio + counts.inputImage
}

/** Every token that came out, reasoning included. */
export function outputTokens(counts: TokenCounts): number {
  return counts.output + counts.reasoning + counts.outputAudio
}

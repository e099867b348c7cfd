import { inputTokens, NO_TOKENS, outputTokens, type TokenCounts, type Usage } from '../../src/core/usage.ts'
import { invariant } from './target.ts'

// `as`: the members of a record that is written out.
const KINDS = Object.keys(NO_TOKENS) as readonly (keyof TokenCounts)[]

/** What holds for every usage, whoever told it: whole counts, none negative, sums that a double holds. */
export function checkUsage(usage: Usage | undefined): void {
  if (usage === undefined) return
  for (const kind of KINDS) invariant(isCount(usage[kind]), `usage: ${kind} is a count, not ${usage[kind]}`)
  for (const count of Object.values(usage.serverTools ?? {})) invariant(isCount(count), 'usage: calls of server tools are counts')
}

/** Two tellings of one usage have the same totals. */
export function checkSameTotals(told: Usage | undefined, again: Usage | undefined, where: string): void {
  if (told === undefined || !isPlain(told)) return
  invariant(again !== undefined, `usage: ${where} tells it at all`)
  const [input, output] = [inputTokens(again), outputTokens(again)]
  invariant(input === inputTokens(told), `usage: ${where} tells ${input} input tokens for ${inputTokens(told)}`)
  invariant(output === outputTokens(told), `usage: ${where} tells ${output} output tokens for ${outputTokens(told)}`)
}

/** Sums beyond what a double counts exactly cannot be compared. */
function isPlain(usage: Usage): boolean {
  return Number.isSafeInteger(inputTokens(usage)) && Number.isSafeInteger(outputTokens(usage))
}

const isCount = (count: number) => Number.isSafeInteger(count) && count >= 0

import type { Reasoning } from './middle.ts'

/** How hard to think, in one word. */
export type Effort = NonNullable<Reasoning['effort']>

/** Every word for how hard to think, least first. */
export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const satisfies readonly Effort[]

const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 512,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 32_768,
  max: 65_536,
}

/** Words a budget may become. */
const FOR_BUDGETS = ['low', 'medium', 'high', 'xhigh'] as const

/** How hard to think, for a wire that takes a word: what was said, or the least word that holds the budget, `most` at the most. */
export function effortOf({ effort, budgetTokens }: Reasoning, most: 'high' | 'max' = 'max'): Effort | undefined {
  if (effort !== undefined || budgetTokens === undefined) return effort
  if (budgetTokens <= 0) return 'none'
  return FOR_BUDGETS.find((word) => word === most || budgetTokens <= BUDGETS[word]) ?? most
}

/** How many tokens of thought, for a wire that takes a number; undefined when nothing was said. */
export function budgetOf({ effort, budgetTokens }: Reasoning): number | undefined {
  return budgetTokens ?? (effort === undefined ? undefined : BUDGETS[effort])
}

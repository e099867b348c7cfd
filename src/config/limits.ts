import { z } from 'zod'

/** Limits on calls and tokens; `by` says who shares the counter. */
export const CallLimits = z.strictObject({
  callsPerMinute: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Calls admitted in any minute; more get 429 with Retry-After.' }),
  tokensPerMinute: z.int().min(1).max(1_000_000_000).optional().meta({
    description: 'Tokens of model calls, in and out, in any minute; an estimate is reserved and corrected when the answer ends.',
  }),
  concurrent: z.int().min(1).max(100_000).optional().meta({ description: 'Calls under way at one time.' }),
  by: z.enum(['catalog', 'team', 'project', 'agent', 'user', 'session']).default('catalog').meta({
    description: 'Who shares the counter: everybody on the catalog, or each team, project, agent, user or session for itself.',
  }),
})
export type CallLimits = z.infer<typeof CallLimits>

import { z } from 'zod'

/** Limits on calls; `by` says who shares the counter. */
export const CallLimits = z.strictObject({
  callsPerMinute: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Calls admitted in any minute; more get 429 with Retry-After.' }),
  concurrent: z.int().min(1).max(100_000).optional().meta({ description: 'Calls under way at one time.' }),
  by: z.enum(['catalog', 'team', 'project', 'agent', 'user', 'session']).default('catalog').meta({
    description: 'Who shares the counter: everybody on the catalog, or each team, project, agent, user or session for itself.',
  }),
})
export type CallLimits = z.infer<typeof CallLimits>

import { z } from 'zod'

/** Decimal dollars as text, so that no fraction is rounded. */
export const Dollars = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,9})?$/, 'must be a decimal string in dollars with at most 9 decimals, like "0.002"')
  .meta({ description: 'Dollars, as text, so that no fraction is rounded.' })

/** One budget of a catalog. */
export const Budget = z.strictObject({
  usd: Dollars,
  per: z
    .enum(['hour', 'day', 'week', 'month', 'session', 'total'])
    .meta({ description: 'Calendar periods in UTC (weeks begin on Monday); a session is a run of one principal.' }),
  by: z
    .enum(['catalog', 'org', 'team', 'project', 'agent', 'user'])
    .default('catalog')
    .meta({ description: 'Who shares it: everybody on the catalog, or each org, team, project, agent or user for itself.' }),
  soft: z.number().gt(0).max(1).optional().meta({ description: 'Share at which operators are told, once per period.' }),
})
export type Budget = z.infer<typeof Budget>

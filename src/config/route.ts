import { z } from 'zod'
import { CallLimits } from './limits.ts'
import { Expression, Id } from './reference.ts'

const Region = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9 and "-"')

/** A model name callers use: the letters real model names are made of; a star at the end stands for any rest. */
export const ModelName = z
  .string()
  .regex(
    /^(\*|[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}\*?)$/,
    'must be 1 to 128 of A-Z, a-z, 0-9, ".", "_", ":", "@", "/" and "-"; a "*" may stand at the end',
  )

const Target = z.strictObject({
  provider: Id.meta({ description: 'A key of "providers".' }),
  model: z.string().min(1).max(256).meta({
    description:
      "The provider's name of the model, deployment or inference profile; a * stands for what the * of the route's name stands for.",
  }),
  region: Region.optional().meta({
    description: 'Where it runs. Region pins of routes and catalogs look at this; Bedrock and Vertex call that region.',
  }),
  enabled: z.boolean().default(true).meta({ description: 'false: takes no new request; streams under way finish.' }),
  weight: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(1)
    .meta({ description: 'Share among the targets of its tier, with strategy "weighted".' }),
  tier: z
    .int()
    .min(1)
    .max(100)
    .default(1)
    .meta({ description: 'Lower tiers are tried first; a higher one only when a lower one has no target left.' }),
  canary: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .meta({ description: 'Percent of requests that try this target first; it is not used otherwise.' }),
  when: Expression.optional().meta({
    description: 'CEL over principal, request and time; the target is skipped when it is not true.',
  }),
  params: z
    .record(z.string(), z.json())
    .default({})
    .meta({ description: 'Top-level members sent when the caller does not send them.' }),
  priceAs: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .meta({ description: 'Name to look up in the price table, when it is not "model" (Azure deployments).' }),
  wire: z
    .enum(['chat', 'responses'])
    .optional()
    .meta({ description: 'Which wire to use where a provider has several and the caller speaks neither.' }),
})

const Clocks = z.strictObject({
  connectMs: z.int().min(10).max(120_000).default(5_000).meta({ description: 'To a connection.' }),
  firstTokenMs: z.int().min(10).max(3_600_000).default(60_000).meta({ description: 'From the request to the first content.' }),
  idleMs: z.int().min(10).max(3_600_000).default(60_000).meta({ description: 'Between two pieces of a stream.' }),
  totalMs: z
    .int()
    .min(10)
    .max(86_400_000)
    .default(600_000)
    .meta({ description: 'From the request to the end of the answer, all attempts together.' }),
})

/** A route: a model name callers use, and the targets that answer it. */
export const Route = z.strictObject({
  title: z.string().min(1).max(128).optional().meta({ description: 'Name of the model for people.' }),
  enabled: z.boolean().default(true).meta({ description: 'false: refuses new requests; streams under way finish.' }),
  strategy: z.enum(['ordered', 'weighted', 'lowest_latency', 'lowest_cost']).default('ordered').meta({
    description: 'How targets of one tier are put in order: as written, by weight, by measured time to first token, or by price.',
  }),
  sticky: z.boolean().default(false).meta({
    description: 'true: requests of one session go to the same target while it is well, which keeps provider prompt caches warm.',
  }),
  targets: z.array(Target).min(1).max(64).meta({ description: 'Who may answer.' }),
  regions: z.array(Region).min(1).optional().meta({ description: 'Only targets in these regions, whatever fails.' }),
  when: Expression.optional().meta({
    description: 'CEL over principal, request and time; the request is refused when it is not true.',
  }),
  clocks: Clocks.prefault({}).meta({ description: 'Four clocks, in milliseconds.' }),
  retries: z
    .int()
    .min(0)
    .max(10)
    .default(2)
    .meta({ description: 'Further attempts after the first, over all targets; only before the first byte.' }),
  strict: z.boolean().default(false).meta({ description: 'true: refuse a request that the target cannot express in full.' }),
  unpriced: z
    .enum(['refuse', 'allow'])
    .default('refuse')
    .meta({ description: 'Under a budget, a target without a known price is not used; "allow" uses it and counts nothing.' }),
  onHangUp: z.enum(['abort', 'drain']).default('abort').meta({
    description: 'When the caller hangs up: stop the provider, or read on for its usage (some bill the whole answer anyway).',
  }),
  limits: CallLimits.optional().meta({ description: 'Limits over all requests to the route.' }),
})
export type Route = z.infer<typeof Route>
export type Target = Route['targets'][number]

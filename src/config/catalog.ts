import { z } from 'zod'
import { Budget, Dollars } from './budget.ts'
import { CallLimits } from './limits.ts'
import { Expression, Glob, Id } from './reference.ts'
import { ModelName } from './route.ts'

const Arguments = z.strictObject({
  hide: z.array(z.string().min(1)).default([]).meta({ description: 'Arguments a client neither sees nor may send.' }),
  set: z
    .record(z.string(), z.json())
    .default({})
    .meta({ description: 'Arguments always sent with this value; hidden from the client.' }),
  default: z
    .record(z.string(), z.json())
    .default({})
    .meta({ description: 'Values sent when the client gives none; the argument becomes optional.' }),
})

const PriceUsd = z.strictObject({ usd: Dollars })

const ToolRule = z
  .strictObject({
    server: Id.meta({ description: 'The upstream: the name of a file in servers/.' }),
    tool: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({ description: 'One tool by its upstream name; the fields below "as" may then rename and re-describe it.' }),
    allow: z.array(Glob).optional().meta({ description: 'Tools shown, by glob. Nothing is shown without allow or tool.' }),
    deny: z.array(Glob).default([]).meta({ description: 'Tools never shown by this rule, whatever allow says.' }),
    prefix: z
      .union([z.boolean(), z.string().regex(/^[a-zA-Z0-9_-]{1,24}$/, 'must be 1 to 24 of a-z, A-Z, 0-9, "_" and "-"')])
      .optional()
      .meta({ description: 'true: always prefix with the server id; a string: with that; absent: only on collision.' }),
    as: z
      .string()
      .regex(/^[a-zA-Z0-9_-]{1,48}$/, 'must be 1 to 48 of a-z, A-Z, 0-9, "_" and "-"')
      .optional()
      .meta({ description: 'The name clients see.' }),
    title: z.string().min(1).max(256).optional().meta({ description: 'Title clients show for the tool.' }),
    description: z
      .string()
      .min(1)
      .max(8192)
      .optional()
      .meta({ description: 'Description clients and models see instead of the one upstream.' }),
    arguments: Arguments.optional().meta({ description: 'How the arguments clients see differ from those the upstream gets.' }),
    when: Expression.optional().meta({
      description: 'CEL over principal, args, tool and time; the call is refused when it is not true.',
    }),
    labels: z
      .record(z.string().min(1).max(64), z.string().max(256))
      .optional()
      .meta({ description: 'Free labels, written to the ledger with every call.' }),
    price: PriceUsd.optional().meta({ description: 'What one call costs; written to the ledger.' }),
    limits: CallLimits.optional().meta({ description: 'Limits on calls of each tool of this rule.' }),
    timeoutMs: z.int().min(1).max(3_600_000).optional().meta({ description: 'Deadline of one call, in milliseconds.' }),
    maxResultTokens: z
      .int()
      .min(1)
      .max(10_000_000)
      .optional()
      .meta({ description: 'Longer results are shortened to about this many tokens (4 bytes each) and marked.' }),
    maxResultBytes: z.int().min(1).max(104_857_600).optional().meta({ description: 'Larger results are refused.' }),
  })
  .refine((rule) => (rule.tool === undefined) !== (rule.allow === undefined), {
    message: 'needs exactly one of "tool" and "allow"',
  })
  .refine(
    (rule) => rule.tool !== undefined || (rule.as === undefined && rule.title === undefined && rule.description === undefined),
    {
      message: '"as", "title" and "description" need "tool": they cannot hold for several tools at once',
    },
  )

const ListRule = z.strictObject({
  server: Id.meta({ description: 'The upstream: the name of a file in servers/.' }),
  allow: z.array(Glob).min(1).meta({ description: 'Names shown, by glob.' }),
  deny: z.array(Glob).default([]).meta({ description: 'Names never shown by this rule, whatever allow says.' }),
  prefix: z
    .union([z.boolean(), z.string().regex(/^[a-zA-Z0-9_-]{1,24}$/, 'must be 1 to 24 of a-z, A-Z, 0-9, "_" and "-"')])
    .optional()
    .meta({ description: 'true: always prefix with the server id; a string: with that; absent: only on collision.' }),
  when: Expression.optional().meta({ description: 'CEL over principal, args, tool and time; refused when it is not true.' }),
})

const ResourceRule = z.strictObject({
  server: Id.meta({ description: 'The upstream: the name of a file in servers/.' }),
  allow: z.array(Glob).min(1).meta({ description: 'Resource URIs and URI templates, by glob.' }),
  deny: z.array(Glob).default([]).meta({ description: 'URIs and templates never shown by this rule, whatever allow says.' }),
  when: Expression.optional().meta({ description: 'CEL over principal, tool and time; refused when it is not true.' }),
})

const ModelRule = z.strictObject({
  route: ModelName.meta({ description: 'A key of "routes" in tollgate.json.' }),
  as: ModelName.optional().meta({ description: 'The model name callers use. Default: the name of the route.' }),
  enabled: z.boolean().default(true).meta({ description: 'false: refuses new requests; streams under way finish.' }),
  regions: z
    .array(z.string().min(1).max(32))
    .min(1)
    .optional()
    .meta({ description: 'Only targets in these regions, whatever fails.' }),
  when: Expression.optional().meta({ description: 'CEL over principal, request and time; refused when it is not true.' }),
  strict: z
    .boolean()
    .optional()
    .meta({ description: 'Refuse a request that the target cannot express in full. Default: as the route says.' }),
  limits: CallLimits.optional().meta({ description: 'Limits on requests to this model through the catalog.' }),
  labels: z
    .record(z.string().min(1).max(64), z.string().max(256))
    .optional()
    .meta({ description: 'Free labels, written to the ledger with every call.' }),
})

const AudienceFor = z.strictObject({
  teams: z.array(Glob).optional().meta({ description: 'Teams, by glob.' }),
  agents: z.array(Glob).optional().meta({ description: 'Agents, by glob.' }),
  groups: z.array(Glob).optional().meta({ description: "Groups, by glob; one of the caller's is enough." }),
  when: Expression.optional().meta({ description: 'CEL over principal and time.' }),
})

/** `catalogs/<id>.json`: what one team sees of the upstreams, and how. */
export const Catalog = z.strictObject({
  $schema: z.string().optional(),
  title: z.string().min(1).max(128).meta({ description: 'Name of the catalog for people.' }),
  for: AudienceFor.meta({ description: 'Who may use the catalog: every part that is given must hold. {} means every caller.' }),
  description: z.string().max(1024).optional().meta({ description: 'What the catalog is for.' }),
  instructions: z
    .string()
    .max(8192)
    .optional()
    .meta({ description: 'Told to clients instead of the instructions of the upstreams.' }),
  tools: z.array(ToolRule).max(2000).default([]).meta({ description: 'Which tools are shown, and how.' }),
  prompts: z.array(ListRule).max(500).default([]).meta({ description: 'Which prompts are shown.' }),
  resources: z.array(ResourceRule).max(500).default([]).meta({ description: 'Which resources and templates are shown.' }),
  models: z.array(ModelRule).max(500).default([]).meta({ description: 'Which models may be used: routes of tollgate.json.' }),
  guards: z
    .array(Id)
    .max(16)
    .default([])
    .meta({ description: 'Guards of tollgate.json (or "baseline") that judge all traffic of the catalog, in order.' }),
  limits: CallLimits.optional().meta({
    description: 'Limits over all calls made through the catalog, to tools and models together.',
  }),
  budgets: z
    .array(Budget)
    .max(32)
    .default([])
    .meta({ description: 'Spending of the catalog, on tools and models together; past it calls are refused.' }),
  expose: z.literal('all').default('all').meta({ description: 'Every item is listed in full.' }),
})
export type Catalog = z.infer<typeof Catalog>
export type ModelRule = z.infer<typeof ModelRule>
export type ToolRule = z.infer<typeof ToolRule>
export type ListRule = z.infer<typeof ListRule>
export type ResourceRule = z.infer<typeof ResourceRule>

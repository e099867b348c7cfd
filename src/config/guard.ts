import { z } from 'zod'
import { Expression } from './reference.ts'

/** The points at which words are judged. `call`: a tool call a model proposes, before the caller sees it; on MCP the call itself is `request`. */
const Hooks = z.array(z.enum(['request', 'response', 'call'])).min(1)

const common = {
  hooks: Hooks.optional().meta({ description: 'Where it judges. Default: everywhere it can.' }),
  mode: z
    .enum(['enforce', 'shadow', 'off'])
    .default('enforce')
    .meta({ description: 'shadow: judges and reports, but changes nothing.' }),
  onFailure: z
    .enum(['open', 'closed'])
    .default('closed')
    .meta({ description: 'What a failed or late evaluator means: pass, or block.' }),
  deadlineMs: z.int().min(1).max(60_000).default(100).meta({ description: 'After this it counts as failed.' }),
}

/** One evaluator of a guard. */
export const Evaluator = z.discriminatedUnion('type', [
  z
    .strictObject({
      type: z.literal('pattern'),
      name: z
        .string()
        .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/)
        .default('pattern')
        .meta({ description: 'Its name in verdicts.' }),
      patterns: z
        .array(z.string().min(1).max(1024))
        .min(1)
        .max(200)
        .meta({ description: 'Regular expressions without look-around and back-references; matched in linear time.' }),
      action: z.enum(['block', 'redact', 'flag']).default('block').meta({ description: 'What a finding does.' }),
      replacement: z.string().max(64).default('[redacted]').meta({ description: 'Stands where a finding was.' }),
      ...common,
    })
    .meta({ description: 'Words that must not pass.' }),
  z
    .strictObject({
      type: z.literal('secrets'),
      action: z.enum(['block', 'redact', 'flag']).default('redact').meta({ description: 'What a finding does.' }),
      ...common,
    })
    .meta({ description: 'Credentials: keys of well-known providers, private keys, tokens.' }),
  z
    .strictObject({
      type: z.literal('length'),
      max: z.int().min(1).max(100_000_000).meta({ description: 'Characters of all words together.' }),
      ...common,
    })
    .meta({ description: 'Blocks what is longer.' }),
  z
    .strictObject({
      type: z.literal('tool_calls'),
      deny: z
        .array(z.string().min(1).max(256))
        .default([])
        .meta({ description: 'Names of tools a model may not propose, by glob; the original name.' }),
      when: Expression.optional().meta({ description: 'CEL over tool (name) and args; a call for which it is true is blocked.' }),
      ...common,
    })
    .meta({ description: 'Which tool calls a model may propose, and with which arguments.' }),
])
export type Evaluator = z.infer<typeof Evaluator>

/** A named set of evaluators; catalogs name the sets that guard them. `baseline` exists without being written. */
export const Guard = z.strictObject({
  description: z.string().max(1024).optional().meta({ description: 'What the guard is for.' }),
  evaluators: z.array(Evaluator).min(1).max(32).meta({ description: 'Who judges, in order; the first block ends it.' }),
  holdBack: z.int().min(0).max(16_384).default(512).meta({
    description: 'Characters of a streamed answer held until they are judged; the longest finding that can be caught whole.',
  }),
})
export type Guard = z.infer<typeof Guard>

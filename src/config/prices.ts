import { z } from 'zod'
import { Glob } from './reference.ts'

/** Dollars per million tokens as decimal text; `null`: no published price. */
const PerMillion = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,6})?$/, 'must be dollars per million tokens as decimal text, like "0.15"')
  .nullable()

const Rates = z.strictObject({
  input: PerMillion.meta({ description: 'Input that is neither cached nor audio nor image.' }),
  cacheRead: PerMillion.optional().meta({ description: 'Input read from a cache. Default: as input.' }),
  cacheWrite5m: PerMillion.optional().meta({ description: 'Input written to a cache for 5 minutes. Default: as input.' }),
  cacheWrite1h: PerMillion.optional().meta({ description: 'Input written to a cache for an hour. Default: as cacheWrite5m.' }),
  inputAudio: PerMillion.optional().meta({ description: 'Default: as input.' }),
  inputImage: PerMillion.optional().meta({ description: 'Default: as input.' }),
  output: PerMillion.meta({ description: 'Output that is neither reasoning nor audio.' }),
  reasoning: PerMillion.optional().meta({ description: 'Default: as output.' }),
  outputAudio: PerMillion.optional().meta({ description: 'Default: as output.' }),
})
export type Rates = z.infer<typeof Rates>

const Usd = z.string().regex(/^\d{1,6}(\.\d{1,9})?$/, 'must be a decimal string in dollars, like "0.01"')

const PriceRow = z.strictObject({
  provider: z
    .string()
    .min(1)
    .meta({ description: 'Type of the provider (openai, anthropic, ...); for openai_compatible its profile.' }),
  model: z.string().min(1).max(256).meta({ description: 'Name at the provider; a "*" at the end stands for any rest.' }),
  region: z.string().min(1).optional().meta({ description: 'Only for targets of this region; without it for all others.' }),
  tier: z.enum(['priority', 'flex', 'batch']).optional().meta({ description: 'Only for this service tier.' }),
  from: z.iso
    .date()
    .default('1970-01-01')
    .meta({ description: 'First day (UTC) on which it holds; the newest that holds wins.' }),
  usdPerMillion: Rates.meta({ description: 'Dollars per million tokens, as decimal text; null: no price is published.' }),
  steps: z
    .array(
      z.strictObject({
        aboveInputTokens: z.int().min(1).meta({ description: 'Input tokens, cached or not, past which it applies.' }),
        usdPerMillion: Rates.meta({ description: 'All prices of the step; nothing is taken from the row.' }),
      }),
    )
    .default([])
    .meta({ description: 'Once input crosses a step, all of the request has the prices of the step.' }),
  perRequestUsd: Usd.optional().meta({ description: 'Dollars for each request besides its tokens.' }),
  serverToolsUsd: z.record(z.string(), Usd).default({}).meta({ description: 'Per call of a tool that runs at the provider.' }),
  contextTokens: z.int().min(1).optional().meta({ description: 'Size of the context window.' }),
  maxOutputTokens: z.int().min(1).optional().meta({ description: 'Most tokens of one answer; bounds what a budget sets aside.' }),
  mode: z.string().optional().meta({ description: 'chat, embedding and the like; told to callers that list models.' }),
  capabilities: z
    .array(z.string())
    .default([])
    .meta({ description: 'vision, tools, reasoning and the like; told to callers that list models.' }),
})
export type PriceRow = z.infer<typeof PriceRow>

/** A price file: `prices.json` of the operator, or the table that ships. */
export const PriceFile = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1).max(64).meta({ description: 'Stands in the ledger beside every price taken from here.' }),
  source: z.string().optional().meta({ description: 'Where the prices come from.' }),
  prices: z.array(PriceRow).default([]).meta({ description: 'A row per model, region, tier and first day.' }),
  discounts: z
    .array(
      z.strictObject({
        provider: Glob.meta({ description: 'Id of the provider in tollgate.json, by glob.' }),
        model: Glob.default('*').meta({ description: 'Name of the model, by glob.' }),
        percent: z.number().min(0).max(100).meta({ description: 'Taken off, with at most two decimals.' }),
      }),
    )
    .default([])
    .meta({ description: 'What you agreed with a provider; the first that matches applies.' }),
})
export type PriceFile = z.infer<typeof PriceFile>

import { explainMembers, pathOf } from './import-report.ts'
import { priceNameOf, type Vendor } from './import-vendors.ts'
import { asObject, type ImportWork, numberOf } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** Names under which prices stand in a deployment. */
export const PRICE_MEMBER =
  /(^|_)(cost_per|cost)(_|$)|^(cache_|tiered_pricing|provider_specific_entry|regional_processing_uplift)/

const KINDS: Readonly<Record<string, string>> = {
  input_cost_per_token: 'input',
  output_cost_per_token: 'output',
  cache_read_input_token_cost: 'cacheRead',
  cache_creation_input_token_cost: 'cacheWrite5m',
  cache_creation_input_token_cost_above_1hr: 'cacheWrite1h',
  input_cost_per_audio_token: 'inputAudio',
  input_cost_per_image_token: 'inputImage',
  output_cost_per_reasoning_token: 'reasoning',
  output_cost_per_audio_token: 'outputAudio',
}
const TIERS: Readonly<Record<string, string>> = { priority: '_priority', flex: '_flex', batch: '_batches' }
const STEP = /_above_(\d+)k_tokens$/

type Priced = { readonly path: string; readonly values: Draft; readonly vendor: Vendor; readonly model: string }

/** Adds the prices a deployment gives itself to the price file; what cannot be a price per token is reported. */
export function priceRowOf(work: ImportWork, { path, values, vendor, model }: Priced): void {
  const members = Object.keys(values).filter((member) => PRICE_MEMBER.test(member) && values[member] !== null)
  if (members.length === 0) return
  const taken = new Set<string>()
  const rates = (suffix: string): Draft => ratesOf(values, suffix, taken)
  const base = rates('')
  const common = { provider: priceNameOf(vendor), model }
  const steps = [...new Set(members.flatMap((member) => STEP.exec(member)?.[1] ?? []))].map((step) => ({
    aboveInputTokens: Number(step) * 1_000,
    usdPerMillion: { ...base, ...rates(`_above_${step}k_tokens`) },
  }))
  const perRequest = numberOf(values['input_cost_per_request'])
  if (perRequest !== undefined && perRequest >= 0) taken.add('input_cost_per_request')
  const isPriced = base['input'] !== undefined || base['output'] !== undefined
  if (!isPriced) taken.clear()
  else {
    const complete = { input: base['input'] ?? null, output: base['output'] ?? null, ...base }
    addRow(work, path, {
      ...common,
      usdPerMillion: complete,
      ...(steps.length === 0
        ? {}
        : { steps: steps.map((step) => ({ ...step, usdPerMillion: { ...complete, ...step.usdPerMillion } })) }),
      ...(perRequest === undefined || perRequest < 0 ? {} : { perRequestUsd: decimal(perRequest, 9) }),
    })
    for (const [tier, suffix] of Object.entries(TIERS)) {
      const own = rates(suffix)
      if (Object.keys(own).length > 0) addRow(work, path, { ...common, tier, usdPerMillion: { ...complete, ...own } })
    }
  }
  for (const member of taken) work.report.imported(pathOf(path, member), 'prices.json, for every target of this model')
  explainMembers(work.report, { path, members: members.filter((member) => !taken.has(member)) }, reasonsFor(members))
}

const reasonsFor = (members: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    members.map((member) => [
      member,
      'prices are per token of input and output, or per request: write the row in prices.json by hand',
    ]),
  )

function addRow(work: ImportWork, path: string, row: Draft): void {
  const same = work.prices.find(
    (known) => known['provider'] === row['provider'] && known['model'] === row['model'] && known['tier'] === row['tier'],
  )
  if (same === undefined) work.prices.push(row)
  else if (JSON.stringify(same) !== JSON.stringify(row))
    work.report.approximated(
      path,
      'two deployments of this model have prices of their own; the first holds for both: give one of them "priceAs"',
    )
}

function ratesOf(values: Draft, suffix: string, taken: Set<string>): Draft {
  const rates: Draft = {}
  for (const [member, kind] of Object.entries(KINDS)) {
    const cost = numberOf(values[member + suffix])
    if (cost === undefined || cost < 0 || cost >= 1) continue
    rates[kind] = decimal(cost * 1_000_000, 6)
    taken.add(member + suffix)
  }
  return rates
}

function decimal(value: number, places: number): string {
  const text = value.toFixed(places)
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

/** `cost_discount_config`: shares by provider of LiteLLM, as discounts on the providers that came of it. */
export function addDiscounts(
  work: ImportWork,
  {
    path,
    value,
    providers,
  }: { readonly path: string; readonly value: unknown; readonly providers: ReadonlyMap<string, readonly string[]> },
): void {
  for (const [vendor, share] of Object.entries(asObject(value))) {
    const percent = Math.round((numberOf(share) ?? -1) * 10_000) / 100
    const ids = providers.get(vendor) ?? []
    const place = pathOf(path, vendor)
    if (percent < 0 || percent > 100) work.report.skipped(place, 'a discount is a share between 0 and 1')
    else if (ids.length === 0) work.report.skipped(place, 'no deployment of this provider was imported')
    else {
      for (const provider of ids) work.discounts.push({ provider, model: '*', percent })
      work.report.imported(place, '"discounts" of prices.json')
    }
  }
}

// Makes the price table that ships from a public one: `node scripts/prices.ts <source.json>`. The source is LiteLLM's
// model_prices_and_context_window.json (MIT, catalogs/prices/LICENSE.md). The same source gives the same bytes.
import { readFileSync, writeFileSync } from 'node:fs'
import type { PriceRow, Rates } from '../src/config/prices.ts'

type Source = Readonly<Record<string, unknown>>

const TARGET = 'catalogs/prices/model-prices.json'

/** Provider names of the source and what they are here. */
const PROVIDERS: Readonly<Record<string, string>> = {
  openai: 'openai',
  'text-completion-openai': 'openai',
  anthropic: 'anthropic',
  gemini: 'gemini',
  vertex_ai: 'vertex',
  'vertex_ai-language-models': 'vertex',
  'vertex_ai-anthropic_models': 'vertex',
  'vertex_ai-embedding-models': 'vertex',
  bedrock: 'bedrock',
  bedrock_converse: 'bedrock',
  azure: 'azure',
  mistral: 'mistral',
  groq: 'groq',
  deepseek: 'deepseek',
  together_ai: 'together',
  openrouter: 'openrouter',
  ollama: 'ollama',
  xai: 'xai',
  fireworks_ai: 'fireworks',
  cerebras: 'cerebras',
  databricks: 'databricks',
  perplexity: 'perplexity',
}
/** Zero means free where models run on one's own machine; elsewhere it stands for "not filled in". */
const LOCAL = new Set(['ollama'])
const MODES = new Set(['chat', 'responses', 'completion', 'embedding'])
const STEPS = ['128k', '200k', '256k', '272k', '512k'] as const
const TIERS = { priority: '_priority', flex: '_flex', batch: '_batches' } as const
const REGIONS = ['eu', 'us'] as const
/** The kind that a kind without a price of its own is priced as. */
const PARENTS: Partial<Record<keyof Rates, keyof Rates>> = {
  cacheRead: 'input',
  cacheWrite5m: 'input',
  cacheWrite1h: 'cacheWrite5m',
  inputAudio: 'input',
  inputImage: 'input',
  reasoning: 'output',
  outputAudio: 'output',
}
/** What the source calls each kind. */
const NAMES: Readonly<Record<keyof Rates, readonly string[]>> = {
  input: ['input_cost_per_token'],
  output: ['output_cost_per_token'],
  cacheRead: ['cache_read_input_token_cost', 'input_cost_per_token_cache_hit'],
  cacheWrite5m: ['cache_creation_input_token_cost'],
  cacheWrite1h: ['cache_creation_input_token_cost_above_1hr'],
  inputAudio: ['input_cost_per_audio_token'],
  inputImage: ['input_cost_per_image_token'],
  reasoning: ['output_cost_per_reasoning_token'],
  outputAudio: ['output_cost_per_audio_token'],
}
const OPTIONAL = ['cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'inputAudio', 'inputImage', 'reasoning', 'outputAudio'] as const
const CAPABILITIES: Readonly<Record<string, string>> = {
  supports_vision: 'vision',
  supports_function_calling: 'tools',
  supports_parallel_function_calling: 'parallel_tools',
  supports_reasoning: 'reasoning',
  supports_response_schema: 'json_schema',
  supports_prompt_caching: 'prompt_cache',
  supports_audio_input: 'audio_input',
  supports_pdf_input: 'pdf_input',
}
const BEDROCK_REGION = /^bedrock\/([a-z]{2}(?:-gov)?-[a-z]+-\d)\/(?:\d+-month-commitment\/)?(.+)$/
const AZURE_REGION = /^azure\/(eu|us|global|global-standard)\/(.+)$/

const sourcePath = process.argv[2]
if (sourcePath === undefined) throw new Error('usage: node scripts/prices.ts <source.json>')
const source = JSON.parse(readFileSync(sourcePath, 'utf8')) as Readonly<Record<string, Source>>
const rows = Object.entries(source).flatMap(([key, entry]) => rowsOf(key, entry))
const unique = [...new Map(rows.map((row) => [nameOf(row), row])).values()].toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
writeFileSync(
  TARGET,
  `{"name":"public","source":"LiteLLM model_prices_and_context_window.json, August 2026, MIT; see LICENSE.md","prices":[\n${unique
    .map((row) => JSON.stringify(row))
    .join(',\n')}\n]}\n`,
)

function nameOf({ provider, model, region, tier }: Row): string {
  return JSON.stringify([provider, model, region ?? '', tier ?? ''])
}

type Row = Partial<PriceRow> & Pick<PriceRow, 'provider' | 'model' | 'usdPerMillion'>

function rowsOf(key: string, entry: Source): Row[] {
  const provider = PROVIDERS[String(entry['litellm_provider'])]
  if (provider === undefined || key === 'sample_spec' || !MODES.has(String(entry['mode'])) || key.includes('month-commitment'))
    return []
  const { model, region } = placeOf(key, provider)
  const base = ratesOf(entry, provider, '')
  if (base === undefined) return []
  const search = searchPrice(entry)
  const standard: Row = {
    provider,
    model,
    ...(region === undefined ? {} : { region }),
    usdPerMillion: base,
    ...withSteps(stepsOf(entry, provider, base)),
    ...(search === undefined ? {} : { serverToolsUsd: { web_search_requests: search } }),
    ...limitsOf(entry),
  }
  const places = [standard, ...Object.entries(TIERS).flatMap(([tier, suffix]) => tierRow(entry, standard, tier, suffix))]
  return [...places, ...upliftedRows(entry, places)]
}

/** A tier whose steps are not published has the steps of the standard tier, and never less than its own price. */
function tierRow(entry: Source, standard: Row, tier: string, suffix: string): Row[] {
  const { provider, model, region, usdPerMillion: base, steps = [] } = standard
  const rates = ratesOf(entry, provider, suffix, base)
  if (rates === undefined) return []
  const own = stepsOf(entry, provider, rates, suffix)
  const others = steps.filter(({ aboveInputTokens }) => !own.some((step) => step.aboveInputTokens === aboveInputTokens))
  const lent = others.map(({ aboveInputTokens, usdPerMillion }) => ({
    aboveInputTokens,
    usdPerMillion: dearer(rates, usdPerMillion),
  }))
  return [
    {
      provider,
      model,
      ...(region === undefined ? {} : { region }),
      tier: tier as 'priority' | 'flex' | 'batch', // a key of TIERS
      usdPerMillion: rates,
      ...withSteps([...own, ...lent].toSorted((a, b) => a.aboveInputTokens - b.aboveInputTokens)),
    },
  ]
}

type Steps = NonNullable<Row['steps']>

function withSteps(steps: Steps): Pick<Row, 'steps'> {
  return steps.length === 0 ? {} : { steps }
}

function stepsOf(entry: Source, provider: string, base: Rates, suffix = ''): Steps {
  return STEPS.flatMap((step) => {
    const rates = ratesOf(entry, provider, `_above_${step}_tokens${suffix}`, base)
    return rates === undefined ? [] : [{ aboveInputTokens: Number(step.slice(0, -1)) * 1_000, usdPerMillion: rates }]
  })
}

/** Processing in a region of its own costs more by a factor. */
function upliftedRows(entry: Source, places: readonly Row[]): Row[] {
  return REGIONS.flatMap((region) => {
    const factor = entry[`regional_processing_uplift_multiplier_${region}`]
    if (typeof factor !== 'number' || factor <= 0) return []
    return places.map(({ provider, model, usdPerMillion, steps = [], ...row }) => ({
      provider,
      model,
      region,
      ...row,
      usdPerMillion: mapRates(usdPerMillion, (price) => times(price, factor)),
      ...withSteps(
        steps.map((step) => ({ ...step, usdPerMillion: mapRates(step.usdPerMillion, (price) => times(price, factor)) })),
      ),
    }))
  })
}

function mapRates(rates: Rates, change: (price: string | null | undefined, kind: keyof Rates) => string | null): Rates {
  const cells = Object.entries(rates).map(([kind, price]) => [kind, change(price, kind as keyof Rates)]) // the keys of Rates
  return Object.fromEntries(cells) as Rates // the same keys
}

function times(price: string | null | undefined, factor: number): string | null {
  return price === null || price === undefined ? null : decimal(Number(price) * factor)
}

/** Of each kind the higher price of two. */
function dearer(one: Rates, other: Rates): Rates {
  return mapRates({ ...one, ...other }, (_price, kind) => {
    const [a, b] = [priceOf(one, kind), priceOf(other, kind)]
    if (a === null || b === null) return null
    return Number(a) > Number(b) ? a : b
  })
}

/** The price of a kind; one without its own has that of the kind it is part of. */
function priceOf(rates: Rates, kind: keyof Rates): string | null {
  const own = rates[kind]
  const parent = PARENTS[kind]
  return own === undefined && parent !== undefined ? priceOf(rates, parent) : (own ?? null)
}

function placeOf(key: string, provider: string): { readonly model: string; readonly region?: string } {
  const bedrock = provider === 'bedrock' ? BEDROCK_REGION.exec(key) : null
  if (bedrock !== null) return { model: bedrock[2] ?? '', region: bedrock[1] ?? '' }
  const azure = provider === 'azure' ? AZURE_REGION.exec(key) : null
  if (azure !== null)
    return azure[1]?.startsWith('global') === true ? { model: azure[2] ?? '' } : { model: azure[2] ?? '', region: azure[1] ?? '' }
  const slash = key.indexOf('/')
  const prefixed = slash > 0 && !['openai', 'anthropic'].includes(provider)
  return { model: prefixed ? key.slice(slash + 1) : key }
}

/**
 * Rates under a suffix; undefined when the source has none there. A step or tier keeps the base price of kinds it does not name, but where the
 * kind they are part of has a price of its own there and theirs was the same, or was one for an hour in the cache: those follow it.
 */
function ratesOf(entry: Source, provider: string, suffix: string, base?: Rates): Rates | undefined {
  const own = (kind: keyof Rates): string | null | undefined =>
    NAMES[kind].map((name) => perMillion(entry[`${name}${suffix}`], provider)).find((price) => price !== undefined)
  if (own('input') === undefined && own('output') === undefined) return undefined
  const kept = (kind: keyof Rates): string | null | undefined => {
    const parent = PARENTS[kind]
    if (base === undefined || parent === undefined || own(parent) === undefined) return base?.[kind]
    return kind === 'cacheWrite1h' || priceOf(base, kind) === priceOf(base, parent) ? undefined : base[kind]
  }
  const optional = OPTIONAL.map((kind) => [kind, own(kind) ?? kept(kind)] as const).filter(([, price]) => price !== undefined)
  return {
    input: own('input') ?? base?.input ?? null,
    output: entry['mode'] === 'embedding' ? '0' : (own('output') ?? base?.output ?? null),
    ...Object.fromEntries(optional),
  }
}

/** Dollars per token to decimal dollars per million; undefined when absent, null for a zero that means "not filled in". */
function perMillion(value: unknown, provider: string): string | null | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return undefined
  if (value === 0) return LOCAL.has(provider) ? '0' : null
  return decimal(value * 1_000_000)
}

function decimal(value: number): string {
  return value.toFixed(6).replace(/\.?0+$/, '')
}

function searchPrice(entry: Source): string | undefined {
  const costs = entry['search_context_cost_per_query']
  if (typeof costs !== 'object' || costs === null || !('search_context_size_medium' in costs)) return undefined
  const cost = costs.search_context_size_medium
  return typeof cost === 'number' && cost > 0 ? decimal(cost) : undefined
}

function limitsOf(entry: Source): Partial<Row> {
  const positive = (value: unknown) => (typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined)
  const contextTokens = positive(entry['max_input_tokens'])
  const maxOutputTokens = positive(entry['max_output_tokens'])
  const capabilities = Object.entries(CAPABILITIES).flatMap(([name, word]) => (entry[name] === true ? [word] : []))
  return {
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    mode: String(entry['mode']),
    ...(capabilities.length === 0 ? {} : { capabilities }),
  }
}

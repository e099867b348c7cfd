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
  const steps = STEPS.flatMap((step) => {
    const rates = ratesOf(entry, provider, `_above_${step}_tokens`, base)
    return rates === undefined ? [] : [{ aboveInputTokens: Number(step.slice(0, -1)) * 1_000, usdPerMillion: rates }]
  })
  const common = { provider, model, ...(region === undefined ? {} : { region }) }
  const search = searchPrice(entry)
  const standard: Row = {
    ...common,
    usdPerMillion: base,
    ...(steps.length === 0 ? {} : { steps }),
    ...(search === undefined ? {} : { serverToolsUsd: { web_search_requests: search } }),
    ...limitsOf(entry),
  }
  const tiers = Object.entries(TIERS).flatMap(([tier, suffix]): Row[] => {
    const rates = ratesOf(entry, provider, suffix, base)
    return rates === undefined ? [] : [{ ...common, tier: tier as 'priority' | 'flex' | 'batch', usdPerMillion: rates }]
  })
  return [standard, ...tiers]
}

function placeOf(key: string, provider: string): { readonly model: string; readonly region?: string } {
  const bedrock = provider === 'bedrock' ? BEDROCK_REGION.exec(key) : null
  if (bedrock !== null) return { model: bedrock[2] ?? '', region: bedrock[1] ?? '' }
  const azure = provider === 'azure' ? AZURE_REGION.exec(key) : null
  if (azure !== null)
    return azure[1]?.startsWith('global') === true ? { model: azure[2] ?? '' } : { model: azure[2] ?? '', region: azure[1] ?? '' }
  const slash = key.indexOf('/')
  const prefixed = slash > 0 && ['openai', 'anthropic'].includes(provider) === false
  return { model: prefixed ? key.slice(slash + 1) : key }
}

/** Rates under a suffix; undefined when the source has none there. A step or tier keeps the base price of kinds it does not name. */
function ratesOf(entry: Source, provider: string, suffix: string, base?: Rates): Rates | undefined {
  const price = (name: string): string | null | undefined => perMillion(entry[`${name}${suffix}`], provider)
  const input = price('input_cost_per_token')
  const output = price('output_cost_per_token')
  if (base !== undefined && input === undefined && output === undefined) return undefined
  if (base === undefined && input === undefined && output === undefined) return undefined
  const isEmbedding = entry['mode'] === 'embedding'
  const optional = {
    cacheRead: price('cache_read_input_token_cost') ?? base?.cacheRead,
    cacheWrite5m: price('cache_creation_input_token_cost') ?? base?.cacheWrite5m,
    cacheWrite1h: perMillion(entry[`cache_creation_input_token_cost_above_1hr${suffix}`], provider) ?? base?.cacheWrite1h,
    inputAudio: price('input_cost_per_audio_token') ?? base?.inputAudio,
    inputImage: price('input_cost_per_image_token') ?? base?.inputImage,
    reasoning: price('output_cost_per_reasoning_token') ?? base?.reasoning,
    outputAudio: price('output_cost_per_audio_token') ?? base?.outputAudio,
  }
  return {
    input: input ?? base?.input ?? null,
    output: isEmbedding ? '0' : (output ?? base?.output ?? null),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
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

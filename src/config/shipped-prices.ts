import type { PriceFile, PriceRow, Rates } from './prices.ts'

/**
 * Reads the table that ships. Its test holds it against the schema, so here a cheap look is enough, at every start; what is not as the generator
 * writes it throws. Defaults are those of the schema.
 */
export function readShippedTable(json: unknown): PriceFile {
  const { name, source, prices, ...rest } = recordOf(json, 'the table')
  if (!isText(name) || !isText(source) || !Array.isArray(prices)) throw odd('the table')
  nothingElse(rest, 'the table')
  return { name, source, prices: prices.map((row: unknown, index) => rowOf(row, `row ${index}`)), discounts: [] }
}

const TIERS: ReadonlySet<unknown> = new Set(['priority', 'flex', 'batch'])
const RATES: ReadonlySet<string> = new Set([
  'input',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'inputAudio',
  'inputImage',
  'output',
  'reasoning',
  'outputAudio',
])
const PER_MILLION = /^\d{1,6}(\.\d{1,6})?$/
const DOLLARS = /^\d{1,6}(\.\d{1,9})?$/

function rowOf(json: unknown, place: string): PriceRow {
  const row = recordOf(json, place)
  const { provider, model, region, tier, usdPerMillion, steps = [], serverToolsUsd = {}, ...limits } = row
  if (!isText(provider) || !isText(model) || !Array.isArray(steps)) throw odd(place)
  if ((region !== undefined && !isText(region)) || (tier !== undefined && !TIERS.has(tier))) throw odd(place)
  return {
    provider,
    model,
    ...(region === undefined ? {} : { region }),
    ...(tier === undefined ? {} : { tier: tier as NonNullable<PriceRow['tier']> }), // one of TIERS
    from: '1970-01-01',
    usdPerMillion: ratesOf(usdPerMillion, place),
    steps: steps.map((step: unknown) => stepOf(step, place)),
    serverToolsUsd: serverToolsOf(serverToolsUsd, place),
    ...limitsOf(limits, place),
  }
}

function limitsOf({ contextTokens, maxOutputTokens, mode, capabilities = [], ...rest }: Json, place: string) {
  nothingElse(rest, place)
  if (!isCount(contextTokens) || !isCount(maxOutputTokens) || !(mode === undefined || isText(mode))) throw odd(place)
  if (!Array.isArray(capabilities) || !capabilities.every(isText)) throw odd(place)
  return {
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(mode === undefined ? {} : { mode }),
    capabilities,
  }
}

function stepOf(json: unknown, place: string): PriceRow['steps'][number] {
  const { aboveInputTokens, usdPerMillion, ...rest } = recordOf(json, place)
  nothingElse(rest, place)
  if (!isCount(aboveInputTokens) || aboveInputTokens === undefined) throw odd(place)
  return { aboveInputTokens, usdPerMillion: ratesOf(usdPerMillion, place) }
}

function ratesOf(json: unknown, place: string): Rates {
  const rates = recordOf(json, place)
  if (rates['input'] === undefined || rates['output'] === undefined) throw odd(place)
  for (const [kind, price] of Object.entries(rates))
    if (!RATES.has(kind) || !(price === null || (typeof price === 'string' && PER_MILLION.test(price)))) throw odd(place)
  return rates as Rates // looked at one by one above
}

function serverToolsOf(json: unknown, place: string): Record<string, string> {
  const tools = recordOf(json, place)
  for (const price of Object.values(tools)) if (typeof price !== 'string' || !DOLLARS.test(price)) throw odd(place)
  return tools as Record<string, string> // looked at one by one above
}

type Json = Readonly<Record<string, unknown>>

function recordOf(json: unknown, place: string): Json {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw odd(place)
  return json as Json // an object and no list
}

function nothingElse(rest: Json, place: string): void {
  const [name] = Object.keys(rest)
  if (name !== undefined) throw odd(`${place}, member "${name}"`)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isCount(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && Number.isSafeInteger(value) && value > 0)
}

function odd(place: string): Error {
  return new Error(`the price table that ships is damaged: ${place}`)
}

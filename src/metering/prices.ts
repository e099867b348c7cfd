// Prices of models. Files are searched from the last to the first, so that an operator's own rows win over the table that ships; within a file
// the exact name wins over the longest prefix, a row of the region over one for all regions, a row of the tier over the standard one, and of
// these the newest that holds. What is found is remembered per question, not per date, because a new row may begin to hold at any midnight.
import type { PriceFile, PriceRow } from '../config/prices.ts'
import { NO_TOKENS, type Usage } from '../core/usage.ts'
import { compileGlob } from '../lib/glob.ts'
import type { Cost, ModelFacts, PriceQuery, Prices } from './contract.ts'
import { type CompiledRow, compileRow, picoCeiling, picoCost } from './price-row.ts'

/** Makes prices from files in order: the table that ships first, the operator's own after it. */
export function createPrices(files: readonly PriceFile[]): Prices {
  return new FilePrices(files)
}

const MAX_REMEMBERED = 10_000
const PICO_PER_NANO = 1_000n
/** Percent with two decimals. */
const WHOLE = 10_000n
const UNKNOWN: Cost = { nanoUsd: null, priceVersion: null }

interface Discount {
  matches(provider: string, model: string): boolean
  /** What is left of the price, in hundredths of a percent. */
  readonly left: bigint
}

class FilePrices implements Prices {
  readonly #tables: readonly PriceTable[]
  readonly #discounts: readonly Discount[]
  readonly #found = new Map<string, readonly CompiledRow[]>()
  /** The last question and what was found: one call asks the same several times. */
  #last: { readonly query: PriceQuery; readonly rows: readonly CompiledRow[] } | undefined

  constructor(files: readonly PriceFile[]) {
    this.#tables = files.map((file) => new PriceTable(file)).toReversed()
    this.#discounts = files.toReversed().flatMap(({ discounts }) => discounts.map(toDiscount))
  }

  cost(query: PriceQuery, usage: Usage): Cost {
    const row = this.#rowOf(query)
    const nanoUsd = row === undefined ? null : this.#charged(query, picoCost(row, usage))
    return row === undefined || nanoUsd === null ? UNKNOWN : { nanoUsd, priceVersion: row.version }
  }

  estimate(query: PriceQuery, inputTokens: number, outputTokens: number): number | null {
    return this.cost(query, { ...NO_TOKENS, input: inputTokens, output: outputTokens, source: 'estimated' }).nanoUsd
  }

  ceiling(query: PriceQuery, inputTokens: number, outputTokens: number): number | null {
    const row = this.#rowOf(query)
    return row === undefined ? null : this.#charged(query, picoCeiling(row, inputTokens, outputTokens))
  }

  facts(query: PriceQuery): ModelFacts | undefined {
    const row = this.#rowOf(query)?.row
    if (row === undefined) return undefined
    const { input, cacheRead, output } = row.usdPerMillion
    return {
      capabilities: row.capabilities,
      ...(row.contextTokens === undefined ? {} : { contextTokens: row.contextTokens }),
      ...(row.maxOutputTokens === undefined ? {} : { maxOutputTokens: row.maxOutputTokens }),
      ...(row.mode === undefined ? {} : { mode: row.mode }),
      ...(input === null ? {} : { inputUsdPerMillion: input }),
      ...(cacheRead === undefined || cacheRead === null ? {} : { cachedInputUsdPerMillion: cacheRead }),
      ...(output === null ? {} : { outputUsdPerMillion: output }),
    }
  }

  /** What is left of a price after the discount, in whole nano-dollars. */
  #charged({ provider, model }: PriceQuery, pico: bigint | null): number | null {
    if (pico === null) return null
    const left = this.#discounts.find(({ matches }) => matches(provider, model))?.left ?? WHOLE
    const nano = Number(roundedHalfUp(pico * left, WHOLE * PICO_PER_NANO))
    // More than nine million dollars for one call is no price but a mistake.
    return Number.isSafeInteger(nano) ? nano : null
  }

  #rowOf(query: PriceQuery): CompiledRow | undefined {
    const last = this.#last
    const rows = last !== undefined && isSameQuestion(last.query, query) ? last.rows : this.#find(query)
    for (const row of rows) if (row.from <= query.at) return row
    return undefined
  }

  #find(query: PriceQuery): readonly CompiledRow[] {
    const { providerType, model, region, tier } = query
    const key = `${providerType}\n${model}\n${region ?? ''}\n${tier ?? ''}`
    let rows = this.#found.get(key)
    if (rows === undefined) {
      if (this.#found.size >= MAX_REMEMBERED) this.#found.clear()
      rows = this.#tables.flatMap((table) => table.find(query))
      this.#found.set(key, rows)
    }
    this.#last = { query, rows }
    return rows
  }
}

/** Whether two questions have the same rows; the date chooses among these. */
function isSameQuestion(a: PriceQuery, b: PriceQuery): boolean {
  return a.model === b.model && a.providerType === b.providerType && a.region === b.region && a.tier === b.tier
}

/** The rows of one file by provider and name. */
class PriceTable {
  readonly #name: string
  readonly #exact = new Map<string, PriceRow[]>()
  /** Rows whose name ends in `*`, longest first. */
  readonly #prefixes: readonly PriceRow[]
  readonly #compiled = new Map<PriceRow, CompiledRow>()

  constructor({ name, prices }: PriceFile) {
    this.#name = name
    for (const row of prices) {
      const key = `${row.provider}\n${row.model}`
      const rows = this.#exact.get(key)
      if (rows === undefined) this.#exact.set(key, [row])
      else rows.push(row)
    }
    this.#prefixes = prices.filter(({ model }) => model.endsWith('*')).toSorted((a, b) => b.model.length - a.model.length)
  }

  /** Rows that can answer, best first; of one rank the newest first. */
  find(query: PriceQuery): readonly CompiledRow[] {
    const exact = this.#exact.get(`${query.providerType}\n${query.model}`) ?? []
    const byPrefix = this.#prefixes.filter(
      ({ provider, model }) => provider === query.providerType && query.model.startsWith(model.slice(0, -1)),
    )
    return [...ranked(exact, query), ...ranked(byPrefix, query)].map((row) => this.#compile(row))
  }

  #compile(row: PriceRow): CompiledRow {
    const known = this.#compiled.get(row)
    if (known !== undefined) return known
    const compiled = compileRow(row, this.#name)
    this.#compiled.set(row, compiled)
    return compiled
  }
}

/**
 * Rows of other regions and tiers are out; a row that names the region or the tier is better than one that does not. The standard price is never
 * too low for the slow tiers; the fast one costs more, so without a price of its own it has none.
 */
function ranked(rows: readonly PriceRow[], { region, tier }: PriceQuery): PriceRow[] {
  const rank = (row: PriceRow) => (row.tier === undefined ? 0 : 2) + (row.region === undefined ? 0 : 1)
  const isOfTier = (row: PriceRow) => row.tier === tier || (row.tier === undefined && tier !== 'priority')
  return rows
    .filter((row) => (row.region === undefined || row.region === region) && isOfTier(row))
    .toSorted((a, b) => b.model.length - a.model.length || rank(b) - rank(a) || (a.from < b.from ? 1 : a.from > b.from ? -1 : 0))
}

function toDiscount({ provider, model, percent }: PriceFile['discounts'][number]): Discount {
  const [matchesProvider, matchesModel] = [compileGlob(provider), compileGlob(model)]
  return {
    matches: (id, name) => matchesProvider(id) && matchesModel(name),
    left: WHOLE - BigInt(Math.round(percent * 100)),
  }
}

function roundedHalfUp(value: bigint, unit: bigint): bigint {
  return (2n * value + unit) / (2n * unit)
}

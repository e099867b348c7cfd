import type { PriceRow, Rates } from '../config/prices.ts'
import { inputTokens, type Usage } from '../core/usage.ts'

/** Prices of one row in whole pico-dollars per token; null where none is published. */
interface PicoRates {
  readonly input: number | null
  readonly cacheRead: number | null
  readonly cacheWrite5m: number | null
  readonly cacheWrite1h: number | null
  readonly inputAudio: number | null
  readonly inputImage: number | null
  readonly output: number | null
  readonly reasoning: number | null
  readonly outputAudio: number | null
}

/** One row, ready to be calculated with. */
export interface CompiledRow {
  readonly row: PriceRow
  /** Milliseconds since the epoch. */
  readonly from: number
  readonly rates: PicoRates
  /** Highest first. */
  readonly steps: readonly { readonly above: number; readonly rates: PicoRates }[]
  readonly perRequest: number
  readonly serverTools: ReadonlyMap<string, number>
  /** Names the row in the ledger. */
  readonly version: string
}

const PICO_DECIMALS = 6
const DOLLAR_DECIMALS = 12

/** Prepares a row of the file `name`. */
export function compileRow(row: PriceRow, name: string): CompiledRow {
  const place = [
    row.provider,
    row.model,
    ...(row.region === undefined ? [] : [row.region]),
    ...(row.tier === undefined ? [] : [row.tier]),
  ]
  return {
    row,
    from: Date.parse(row.from),
    rates: toPico(row.usdPerMillion),
    steps: row.steps
      .map(({ aboveInputTokens, usdPerMillion }) => ({ above: aboveInputTokens, rates: toPico(usdPerMillion) }))
      .toSorted((a, b) => b.above - a.above),
    perRequest: row.perRequestUsd === undefined ? 0 : scaled(row.perRequestUsd, DOLLAR_DECIMALS),
    serverTools: new Map(Object.entries(row.serverToolsUsd).map(([tool, usd]) => [tool, scaled(usd, DOLLAR_DECIMALS)])),
    version: `${name}#${place.join('/')}@${row.from}`,
  }
}

/**
 * Whole pico-dollars of a usage; null when a price it needs is not published. Kinds without a price of their own cost what the kind costs that
 * they are part of: cached and media input as input (never free), 1-hour writes as 5-minute writes, reasoning and audio output as output.
 */
export function picoCost(row: CompiledRow, usage: Usage): bigint | null {
  const input = inputTokens(usage)
  const rates = row.steps.find(({ above }) => input > above)?.rates ?? row.rates
  let sum = BigInt(row.perRequest)
  for (const kind of KINDS) {
    const count = usage[kind]
    if (count === 0) continue
    const rate = rates[kind]
    if (rate === null) return null
    sum += BigInt(count) * BigInt(rate)
  }
  for (const [tool, count] of Object.entries(usage.serverTools ?? {})) {
    const price = row.serverTools.get(tool)
    if (count > 0 && price === undefined) continue // tools without a price of their own are part of the tokens
    sum += BigInt(count) * BigInt(price ?? 0)
  }
  return sum
}

const KINDS = [
  'input',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'inputAudio',
  'inputImage',
  'output',
  'reasoning',
  'outputAudio',
] as const

function toPico(rates: Rates): PicoRates {
  const input = rate(rates.input)
  const output = rate(rates.output)
  const cacheWrite5m = rate(rates.cacheWrite5m, input)
  return {
    input,
    cacheRead: rate(rates.cacheRead, input),
    cacheWrite5m,
    cacheWrite1h: rate(rates.cacheWrite1h, cacheWrite5m),
    inputAudio: rate(rates.inputAudio, input),
    inputImage: rate(rates.inputImage, input),
    output,
    reasoning: rate(rates.reasoning, output),
    outputAudio: rate(rates.outputAudio, output),
  }
}

/** Dollars per million tokens are micro-dollars per token: six more decimals make whole pico-dollars. */
function rate(text: string | null | undefined, otherwise: number | null = null): number | null {
  if (text === undefined) return otherwise
  return text === null ? null : scaled(text, PICO_DECIMALS)
}

/** Decimal text times ten to the power of `decimals`, exactly. */
function scaled(text: string, decimals: number): number {
  const [whole = '0', fraction = ''] = text.split('.')
  return Number(BigInt(whole + fraction.padEnd(decimals, '0').slice(0, decimals)))
}

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
 * Whole pico-dollars of a usage; null when a price it needs is not published, or a count is no whole number. Kinds without a price of their own cost what the kind costs that
 * they are part of: cached and media input as input (never free), 1-hour writes as 5-minute writes, reasoning and audio output as output.
 */
export function picoCost(row: CompiledRow, usage: Usage): bigint | null {
  const rates = ratesFor(row, inputTokens(usage))
  let sum = BigInt(row.perRequest)
  for (const kind of KINDS) {
    const count = usage[kind]
    if (count === 0) continue
    const perToken = rates[kind]
    if (perToken === null || !isWhole(count)) return null
    sum += BigInt(count) * BigInt(perToken)
  }
  for (const [tool, count] of Object.entries(usage.serverTools ?? {})) {
    const price = row.serverTools.get(tool)
    if (!isWhole(count)) return null
    if (price === undefined) continue // tools without a price of their own are part of the tokens
    sum += BigInt(count) * BigInt(price)
  }
  return sum
}

/**
 * The most pico-dollars that so many tokens can cost, whatever kinds they turn out to be: cached for an hour, thought or spoken. Null when plain
 * input or output has no price. What tools at the provider cost cannot be known before.
 */
export function picoCeiling(row: CompiledRow, input: number, output: number): bigint | null {
  const rates = ratesFor(row, input)
  if ((input > 0 && rates.input === null) || (output > 0 && rates.output === null)) return null
  if (!isWhole(input) || !isWhole(output)) return null
  return BigInt(row.perRequest) + BigInt(input) * dearest(rates, INPUT_KINDS) + BigInt(output) * dearest(rates, OUTPUT_KINDS)
}

function dearest(rates: PicoRates, kinds: readonly (keyof PicoRates)[]): bigint {
  return BigInt(Math.max(...kinds.map((kind) => rates[kind] ?? 0)))
}

/** Once input crosses a step, all of the request has its prices. */
function ratesFor({ rates, steps }: CompiledRow, input: number): PicoRates {
  return steps.find(({ above }) => input > above)?.rates ?? rates
}

function isWhole(count: number): boolean {
  return Number.isSafeInteger(count) && count >= 0
}

const INPUT_KINDS = ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'inputAudio', 'inputImage'] as const
const OUTPUT_KINDS = ['output', 'reasoning', 'outputAudio'] as const
const KINDS = [...INPUT_KINDS, ...OUTPUT_KINDS] as const

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

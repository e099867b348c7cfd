import { existsSync } from 'node:fs'
import { readConfig } from '../catalog/read.ts'
import { resolveRoutes } from '../catalog/routes.ts'
import type { ConfigFiles } from '../config/load.ts'
import { loadPriceFiles, priceTypeOf, readPriceFiles, readShippedPrices } from '../config/price-files.ts'
import type { PriceFile, PriceRow, Rates } from '../config/prices.ts'
import { nearest } from '../config/problem.ts'
import type { Located } from '../config/read-file.ts'
import type { ModelTarget } from '../core/snapshot.ts'
import { NO_TOKENS, type TokenCounts } from '../core/usage.ts'
import { printable } from '../lib/printable.ts'
import type { PriceQuery, Prices } from '../metering/contract.ts'
import { compileRow } from '../metering/price-row.ts'
import { createPrices } from '../metering/prices.ts'
import { toUsd } from '../metering/usage-cells.ts'
import { ConfigError } from './gateway-file.ts'
import { EXIT, type CliIo } from './io.ts'
import { describeProblem } from './validate.ts'

/** Options of `tollgate prices show`. */
export interface ShowPricesOptions {
  readonly region?: string
  readonly tier?: string
  /** Id of the provider in tollgate.json: discounts are given by it. */
  readonly provider?: string
}

/** `tollgate prices check`: every target of every route whose price is not known; they fail closed under a budget. */
export async function checkPrices(options: { readonly config: string; readonly json: boolean }, io: CliIo): Promise<number> {
  const files = await usable(options.config, io)
  const gateway = files.gateway.value
  const prices = createPrices(await loadPriceFiles(files.folder, gateway.prices))
  const targets = [...resolveRoutes(files.gateway).values()].flatMap(({ route }) =>
    route.targets.map((target) => ({ route: route.id, target, query: queryOf(files.gateway, target, io.now()) })),
  )
  const unpriced = targets.filter(({ query }) => prices.estimate(query, 1, 1) === null)
  if (options.json) io.out(`${JSON.stringify({ targets: targets.length, unpriced: unpriced.map(toReport) }, null, 2)}\n`)
  else {
    const lines = unpriced.map(toReport).map(({ file, line, column, route, provider, type, model, region }) => {
      const place = region === undefined ? '' : ` in ${region}`
      return `${file}:${line}:${column}  route "${route}": ${type} "${model}"${place} (provider "${provider}") has no price`
    })
    io.out(`${[...lines, summaryOf(targets.length, unpriced.length)].map(printable).join('\n')}\n`)
  }
  return unpriced.length === 0 ? EXIT.ok : EXIT.failure
}

/** `tollgate prices show <provider-type> <model>`: what one model would be charged, and the row that says so. */
export async function showPrices(
  words: { readonly config: string; readonly type: string; readonly model: string },
  options: ShowPricesOptions,
  io: CliIo,
): Promise<number> {
  const { type, model } = words
  const { region, tier, provider = '' } = options
  const files = await locatedFiles(words.config, io)
  const prices = createPrices(files.map(({ value }) => value))
  const query: PriceQuery = {
    providerType: type,
    provider,
    model,
    at: io.now().getTime(),
    ...(region === undefined ? {} : { region }),
    ...(tier === undefined ? {} : { tier }),
  }
  const { priceVersion } = prices.cost(query, { ...NO_TOKENS, source: 'estimated' })
  const found = priceVersion === null ? undefined : findRow(files, priceVersion)
  if (found === undefined) throw new Error(unknownModel(files, type, model))
  const lines = [`${type} ${model}: ${priceVersion} (${found.place})`, ...rateLines(prices, query), ...rowLines(found.row)]
  io.out(`${lines.map(printable).join('\n')}\n`)
  return EXIT.ok
}

async function usable(
  config: string,
  io: CliIo,
): Promise<ConfigFiles & { readonly gateway: NonNullable<ConfigFiles['gateway']> }> {
  const files = await readConfig(config, io.env)
  if (files.gateway !== undefined) return { ...files, gateway: files.gateway }
  throw new ConfigError(`the configuration cannot be used\n${files.problems.map(describeProblem).join('\n')}`)
}

/** The same key as the gateway looks up for a target. */
function queryOf(gateway: Located<NonNullable<ConfigFiles['gateway']>['value']>, target: ModelTarget, now: Date): PriceQuery {
  const provider = gateway.value.providers[target.provider]
  return {
    providerType: provider === undefined ? '' : priceTypeOf(provider),
    provider: target.provider,
    model: target.priceAs,
    at: now.getTime(),
    ...(target.region === undefined ? {} : { region: target.region }),
  }
}

function toReport({ route, target, query }: { route: string; target: ModelTarget; query: PriceQuery }) {
  const { file, line, column } = target.rule
  const { provider, region } = target
  const place = region === undefined ? {} : { region }
  return { file, line, column, route, provider, type: query.providerType, model: target.priceAs, ...place }
}

function summaryOf(targets: number, unpriced: number): string {
  if (targets === 0) return 'tollgate.json has no routes'
  if (unpriced === 0) return `every target has a price (${targets})`
  return `${unpriced} of ${targets} targets without a price; add rows to a file named by "prices" in tollgate.json, or "priceAs" to the target`
}

/** All price files with the places of their rows; without a configuration the table that ships. */
async function locatedFiles(config: string, io: CliIo): Promise<Located<PriceFile>[]> {
  const files = existsSync(config) ? await usable(config, io) : undefined
  const own = files === undefined ? [] : await readPriceFiles(files.folder, files.gateway.value.prices)
  return [await readShippedPrices(), ...own].flatMap(({ located }) => located ?? [])
}

function findRow(files: readonly Located<PriceFile>[], version: string): { row: PriceRow; place: string } | undefined {
  for (const { value, file, locate } of files.toReversed()) {
    const index = value.prices.findIndex((row) => compileRow(row, value.name).version === version)
    const row = value.prices[index]
    if (row !== undefined) return { row, place: `${file}:${locate(['prices', index]).line}` }
  }
  return undefined
}

function unknownModel(files: readonly Located<PriceFile>[], type: string, model: string): string {
  const rows = files.flatMap(({ value }) => value.prices)
  const types = new Set(rows.map(({ provider }) => provider))
  if (!types.has(type)) return `no row is for the provider type "${type}"; known: ${[...types].toSorted().join(', ')}`
  const near = nearest(
    model,
    rows.filter(({ provider }) => provider === type).map((row) => row.model),
  )
  return `no row has a price for ${type} "${model}"${near === undefined ? '' : `; did you mean "${near}"?`}`
}

const KINDS: readonly (readonly [keyof TokenCounts, string])[] = [
  ['input', 'input'],
  ['cacheRead', 'read from cache'],
  ['cacheWrite5m', 'written to cache (5 min)'],
  ['cacheWrite1h', 'written to cache (1 h)'],
  ['inputAudio', 'audio in'],
  ['inputImage', 'images in'],
  ['output', 'output'],
  ['reasoning', 'reasoning'],
  ['outputAudio', 'audio out'],
]
/** The smallest count whose price has no fraction of a nano-dollar. */
const PROBE_TOKENS = 1_000

/** What is really charged, so with every default and discount. */
function rateLines(prices: Prices, query: PriceQuery): string[] {
  const cost = (counts: Partial<TokenCounts>) => prices.cost(query, { ...NO_TOKENS, ...counts, source: 'estimated' }).nanoUsd
  const base = cost({}) ?? 0
  const rates = KINDS.map(([kind, words]) => {
    const nano = cost({ [kind]: PROBE_TOKENS })
    return `  ${words.padEnd(26)}${nano === null ? 'no published price' : toUsd((nano - base) * (1_000_000 / PROBE_TOKENS))}`
  })
  return [
    'dollars per million tokens, discounts taken off',
    ...rates,
    ...(base === 0 ? [] : [`  ${'each request besides'.padEnd(26)}${toUsd(base)}`]),
  ]
}

function rowLines(row: PriceRow): string[] {
  const steps = row.steps.map(
    ({ aboveInputTokens, usdPerMillion }) =>
      `  above ${aboveInputTokens} input tokens, all of the request: ${ratesOf(usdPerMillion)}`,
  )
  const tools = Object.entries(row.serverToolsUsd).map(([tool, usd]) => `  each ${tool}: ${usd}`)
  const context = row.contextTokens === undefined ? [] : [`  context ${row.contextTokens} tokens`]
  return [...steps, ...tools, ...context]
}

function ratesOf(rates: Rates): string {
  return Object.entries(rates)
    .map(([kind, price]) => `${kind} ${price ?? 'unknown'}`)
    .join(', ')
}

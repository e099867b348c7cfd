import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PriceFile } from '../../../src/config/prices.ts'
import { NO_TOKENS, type TokenCounts, type Usage } from '../../../src/core/usage.ts'
import type { PriceQuery } from '../../../src/metering/contract.ts'
import { createPrices } from '../../../src/metering/prices.ts'

const DAY = Date.parse('2026-11-23')
const query = (fields: Partial<PriceQuery> = {}): PriceQuery => ({
  providerType: 'anthropic',
  provider: 'claude',
  model: 'm',
  at: DAY,
  ...fields,
})
const usage = (fields: Partial<Usage>): Usage => ({ ...NO_TOKENS, source: 'provider', ...fields })
const file = (content: unknown) => PriceFile.parse(content)
const rates = { input: '3', output: '15', cacheRead: '0.3', cacheWrite5m: '3.75', cacheWrite1h: '6' }
const own = file({ name: 'own', prices: [{ provider: 'anthropic', model: 'm', usdPerMillion: rates }] })

describe('exact nano-dollars', () => {
  test.each<[string, Partial<Usage>, number]>([
    ['input and output', { input: 1_000, output: 100 }, 3_000_000 + 1_500_000],
    ['cached reads', { cacheRead: 7 }, 2_100],
    ['5-minute writes', { cacheWrite5m: 1_000 }, 3_750_000],
    ['1-hour writes', { cacheWrite1h: 1_000 }, 6_000_000],
    ['reasoning without a price of its own costs as output', { reasoning: 10 }, 150_000],
    ['audio without a price of its own costs as input', { inputAudio: 10 }, 30_000],
    ['half a nano-dollar is rounded up, once, at the end', { cacheRead: 1, input: 1 }, 3_300],
    ['nothing used costs nothing', {}, 0],
  ])('%s', (_name, counts, nanoUsd) => {
    expect(createPrices([own]).cost(query(), usage(counts))).toEqual({
      nanoUsd,
      priceVersion: 'own#anthropic/m@1970-01-01',
    })
  })

  test('a fraction of a nano-dollar is kept until the sum, then rounded half up', () => {
    const prices = createPrices([
      file({ name: 'tiny', prices: [{ provider: 'p', model: 'm', usdPerMillion: { input: '0.0005', output: '0' } }] }),
    ])
    const cost = (input: number) => prices.cost(query({ providerType: 'p' }), usage({ input })).nanoUsd

    expect([0, 1, 2, 3, 1_000].map(cost)).toEqual([0, 1, 1, 2, 500])
  })

  test('input over a step prices all of the request by the step', () => {
    const stepped = file({
      name: 'own',
      prices: [
        {
          provider: 'anthropic',
          model: 'm',
          usdPerMillion: rates,
          steps: [{ aboveInputTokens: 200_000, usdPerMillion: { input: '6', output: '22.5' } }],
        },
      ],
    })
    const cost = (fields: Partial<Usage>) => createPrices([stepped]).cost(query(), usage(fields)).nanoUsd

    expect(cost({ input: 200_000, output: 10 })).toBe(600_000_000 + 150_000)
    expect(cost({ input: 199_000, cacheRead: 1_001, output: 10 })).toBe(199_000 * 6_000 + 1_001 * 6_000 + 225_000)
  })

  test('a price per request and per call of a tool at the provider', () => {
    const extra = file({
      name: 'own',
      prices: [
        {
          provider: 'anthropic',
          model: 'm',
          usdPerMillion: rates,
          perRequestUsd: '0.001',
          serverToolsUsd: { web_search_requests: '0.01' },
        },
      ],
    })

    expect(createPrices([extra]).cost(query(), usage({ serverTools: { web_search_requests: 3 } })).nanoUsd).toBe(31_000_000)
  })
})

describe('which row answers', () => {
  const rows = (prices: readonly unknown[], discounts: readonly unknown[] = []) =>
    createPrices([file({ name: 'f', prices, discounts })])
  const row = (fields: object, input: string) => ({
    provider: 'anthropic',
    model: 'm',
    usdPerMillion: { input, output: '0' },
    ...fields,
  })
  const million = usage({ input: 1_000_000 })

  test('the newest that holds on the day', () => {
    const prices = rows([row({ from: '2026-01-01' }, '1'), row({ from: '2026-11-23' }, '2'), row({ from: '2026-12-01' }, '3')])

    const at = (day: string) => prices.cost(query({ at: Date.parse(day) }), million).nanoUsd
    expect(['2025-12-31', '2026-11-22', '2026-11-23', '2026-12-24'].map(at)).toEqual([null, 1e9, 2e9, 3e9])
  })

  test('of the region before one for all, of the tier before the standard one', () => {
    const prices = rows([row({}, '1'), row({ region: 'eu' }, '2'), row({ tier: 'priority' }, '3'), row({ region: 'us' }, '4')])
    const cost = (fields: Partial<PriceQuery>) => prices.cost(query(fields), million).nanoUsd

    expect([cost({}), cost({ region: 'eu' }), cost({ tier: 'priority' }), cost({ region: 'ap' })]).toEqual([1e9, 2e9, 3e9, 1e9])
  })

  test('the exact name before the longest prefix', () => {
    const prices = rows([row({ model: 'm*' }, '1'), row({ model: 'm-large*' }, '2'), row({ model: 'm-large-7' }, '3')])
    const cost = (model: string) => prices.cost(query({ model }), million).nanoUsd

    expect(['m-small', 'm-large-8', 'm-large-7', 'n'].map(cost)).toEqual([1e9, 2e9, 3e9, null])
  })

  test('an own file before the table, for the models it knows', () => {
    const table = file({ name: 'public', prices: [row({}, '1'), row({ model: 'other' }, '5')] })
    const prices = createPrices([table, file({ name: 'own', prices: [row({}, '2')] })])

    expect(prices.cost(query(), million)).toEqual({ nanoUsd: 2e9, priceVersion: 'own#anthropic/m@1970-01-01' })
    expect(prices.cost(query({ model: 'other' }), million).nanoUsd).toBe(5e9)
  })

  test('discounts are per provider of the configuration', () => {
    const prices = rows([row({}, '1')], [{ provider: 'claude', percent: 12.5 }])

    expect(prices.cost(query(), million).nanoUsd).toBe(875_000_000)
    expect(prices.cost(query({ provider: 'other' }), million).nanoUsd).toBe(1e9)
  })

  test('no published price is unknown and not free; an explicit zero is free', () => {
    const prices = rows([
      row({ model: 'secret', usdPerMillion: { input: null, output: '1' } }, ''),
      row({ model: 'free', usdPerMillion: { input: '0', output: '0' } }, ''),
    ])

    expect(prices.cost(query({ model: 'secret' }), million)).toEqual({ nanoUsd: null, priceVersion: null })
    expect(prices.cost(query({ model: 'free' }), million).nanoUsd).toBe(0)
    expect(prices.cost(query({ model: 'nobody knows' }), million).nanoUsd).toBeNull()
  })
})

test('equals exact arithmetic and never falls when a count grows', () => {
  const prices = createPrices([own])
  const count = fc.nat(2_000_000)
  const counts = fc.record({
    input: count,
    cacheRead: count,
    cacheWrite5m: count,
    cacheWrite1h: count,
    output: count,
    reasoning: count,
  })
  const pico = {
    input: 3_000_000n,
    cacheRead: 300_000n,
    cacheWrite5m: 3_750_000n,
    cacheWrite1h: 6_000_000n,
    output: 15_000_000n,
    reasoning: 15_000_000n,
  }
  const exact = (used: Partial<TokenCounts>) =>
    Object.entries(pico).reduce((sum, [kind, price]) => sum + BigInt(used[kind as keyof TokenCounts] ?? 0) * price, 0n)

  fc.assert(
    fc.property(counts, fc.constantFrom(...(Object.keys(pico) as (keyof typeof pico)[])), (used, kind) => {
      const cost = prices.cost(query(), usage(used)).nanoUsd ?? -1
      const more = prices.cost(query(), usage({ ...used, [kind]: used[kind] + 1 })).nanoUsd ?? -1

      expect(BigInt(cost)).toBe((exact(used) + 500n) / 1_000n)
      expect(more).toBeGreaterThanOrEqual(cost)
    }),
  )
})

describe('the table that ships', () => {
  const table = file(JSON.parse(readFileSync('catalogs/prices/model-prices.json', 'utf8')))

  test('is valid, has its licence beside it, and no row twice', () => {
    const names = table.prices.map(({ provider, model, region, tier, from }) =>
      JSON.stringify([provider, model, region, tier, from]),
    )

    expect(new Set(names).size).toBe(names.length)
    expect(table.prices.length).toBeGreaterThan(1_000)
    expect(readFileSync('catalogs/prices/LICENSE.md', 'utf8')).toContain('MIT License')
  })

  test('prices a known model to the nano-dollar', () => {
    const prices = createPrices([table])

    expect(
      prices.cost(
        query({ providerType: 'openai', model: 'gpt-4o-mini' }),
        usage({ input: 1_000, cacheRead: 1_000, output: 1_000 }),
      ).nanoUsd,
    ).toBe(150_000 + 75_000 + 600_000)
  })
})

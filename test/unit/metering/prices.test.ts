import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadPriceFiles } from '../../../src/config/price-files.ts'
import { PriceFile } from '../../../src/config/prices.ts'
import { readShippedTable } from '../../../src/config/shipped-prices.ts'
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

  test('priority without a price of its own is unknown, flex and batch cost the standard price at most', () => {
    const prices = rows([row({}, '1'), row({ model: 'fast', tier: 'priority' }, '3')])
    const cost = (fields: Partial<PriceQuery>) => prices.cost(query(fields), million).nanoUsd

    expect([cost({ tier: 'priority' }), cost({ tier: 'flex' }), cost({ tier: 'batch' })]).toEqual([null, 1e9, 1e9])
    expect([cost({ model: 'fast', tier: 'priority' }), cost({ model: 'fast' })]).toEqual([3e9, null])
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

describe('the most a call can cost', () => {
  const dear = file({
    name: 'own',
    prices: [
      {
        provider: 'anthropic',
        model: 'm',
        usdPerMillion: { ...rates, reasoning: '20', inputAudio: '2' },
        steps: [{ aboveInputTokens: 1_000, usdPerMillion: { input: '6', output: '30', cacheWrite5m: '8' } }],
        perRequestUsd: '0.001',
      },
      { provider: 'anthropic', model: 'm', tier: 'priority', usdPerMillion: { input: '9', output: '45' } },
      { provider: 'anthropic', model: 'half', usdPerMillion: { input: null, cacheRead: '1', output: '1' } },
    ],
    discounts: [{ provider: 'claude', model: 'm', percent: 50 }],
  })
  const prices = createPrices([dear])

  test.each<[string, Partial<PriceQuery>, readonly [number, number], number | null]>([
    ['takes the dearest kind of input and of output, and the price of a request', { provider: 'x' }, [1_000, 10], 7_200_000],
    ['takes the step that applies', { provider: 'x' }, [1_001, 10], 1_001 * 8_000 + 300_000 + 1_000_000],
    ['takes the tier', { provider: 'x', tier: 'priority' }, [1_000, 10], 9_450_000],
    ['takes what was agreed off', {}, [1_000, 10], 3_600_000],
    ['is unknown where plain input has no price', { model: 'half' }, [1, 1], null],
  ])('%s', (_name, fields, [input, output], nanoUsd) => {
    expect(prices.ceiling(query(fields), input, output)).toBe(nanoUsd)
  })

  test('is never less than the cost of any split of the same counts', () => {
    const split = fc.array(fc.nat(3_000), { minLength: 6, maxLength: 6 })
    const out = fc.array(fc.nat(3_000), { minLength: 3, maxLength: 3 })

    fc.assert(
      fc.property(split, out, (inputs, outputs) => {
        const [input = 0, cacheRead = 0, cacheWrite5m = 0, cacheWrite1h = 0, inputAudio = 0, inputImage = 0] = inputs
        const [output = 0, reasoning = 0, outputAudio = 0] = outputs
        const used = usage({
          input,
          cacheRead,
          cacheWrite5m,
          cacheWrite1h,
          inputAudio,
          inputImage,
          output,
          reasoning,
          outputAudio,
        })
        const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)

        expect(prices.ceiling(query(), sum(inputs), sum(outputs))).toBeGreaterThanOrEqual(prices.cost(query(), used).nanoUsd ?? 0)
      }),
    )
  })

  test('routing compares plain prices', () => {
    expect(prices.estimate(query({ provider: 'x' }), 1_000, 10)).toBe(3_000_000 + 150_000 + 1_000_000)
  })
})

test.each<[string, Partial<Usage>]>([
  ['a fraction', { input: 1.5 }],
  ['less than none', { output: -1 }],
  ['no number', { reasoning: Number.NaN }],
  ['more than can be counted', { cacheRead: Number.POSITIVE_INFINITY }],
  ['a fraction of a search', { serverTools: { web_search_requests: 0.5 } }],
])('a count that is %s is unknown and breaks nothing', (_name, counts) => {
  expect(createPrices([own]).cost(query(), usage(counts))).toEqual({ nanoUsd: null, priceVersion: null })
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

  const cost = (fields: Partial<PriceQuery>, counts: Partial<Usage>) =>
    createPrices([table]).cost(query({ providerType: 'openai', ...fields }), usage(counts)).nanoUsd

  test.each<[string, Partial<PriceQuery>, Partial<Usage>, number]>([
    ['priority below its step', { model: 'gpt-5.4', tier: 'priority' }, { input: 1_000 }, 5_000_000],
    ['priority above its step', { providerType: 'azure', model: 'gpt-5.4', tier: 'priority' }, { input: 300_000 }, 3e9],
    [
      'priority above a step that only the standard tier publishes',
      { model: 'gpt-5.4', tier: 'priority' },
      { input: 300_000 },
      1.5e9,
    ],
    ['a region that costs more', { model: 'gpt-5.4', region: 'eu' }, { input: 1_000 }, 2_750_000],
    ['the same in a tier and above its step', { model: 'gpt-5.4', region: 'us', tier: 'priority' }, { input: 300_000 }, 1.65e9],
    [
      'an hour in the cache above a step costs no less than five minutes',
      { providerType: 'vertex', model: 'claude-sonnet-4-5' },
      { cacheWrite1h: 200_001 },
      200_001 * 7_500,
    ],
  ])('prices %s', (_name, fields, counts, nanoUsd) => {
    expect(cost(fields, counts)).toBe(nanoUsd)
  })

  test('every tier of a model with steps has steps', () => {
    const stepped = new Map(
      table.prices
        .filter(({ tier }) => tier === undefined)
        .map((row) => [`${row.provider}/${row.model}/${row.region}`, row.steps]),
    )
    const bare = table.prices.filter(
      ({ provider, model, region, tier, steps }) =>
        tier !== undefined && steps.length < (stepped.get(`${provider}/${model}/${region}`)?.length ?? 0),
    )

    expect(bare).toEqual([])
  })

  test('is read without the schema, and to the same', async () => {
    expect(readShippedTable(JSON.parse(readFileSync('catalogs/prices/model-prices.json', 'utf8')))).toEqual(table)
    expect(await loadPriceFiles('.', [])).toEqual([table])
  })

  const good = { provider: 'p', model: 'm', usdPerMillion: { input: '1', output: null } }
  test.each<[string, unknown]>([
    ['no list of prices', { prices: {} }],
    ['another member', { discounts: [] }],
    ['a row that is no object', { prices: ['x'] }],
    ['a row without a model', { prices: [{ ...good, model: undefined }] }],
    ['a row with a member nobody knows', { prices: [{ ...good, price: '1' }] }],
    ['a tier nobody knows', { prices: [{ ...good, tier: 'gold' }] }],
    ['a price that is a number', { prices: [{ ...good, usdPerMillion: { input: 1, output: '1' } }] }],
    ['a price that is no decimal', { prices: [{ ...good, usdPerMillion: { input: '1e3', output: '1' } }] }],
    ['a kind nobody knows', { prices: [{ ...good, usdPerMillion: { input: '1', output: '1', video: '1' } }] }],
    ['no price of output', { prices: [{ ...good, usdPerMillion: { input: '1' } }] }],
    ['a step without its place', { prices: [{ ...good, steps: [{ usdPerMillion: good.usdPerMillion }] }] }],
    ['a tool with a number for a price', { prices: [{ ...good, serverToolsUsd: { search: 1 } }] }],
    ['a context of no size', { prices: [{ ...good, contextTokens: 0 }] }],
    ['capabilities that are no words', { prices: [{ ...good, capabilities: [1] }] }],
  ])('damage is told at the start: %s', (_name, change) => {
    const whole = { name: 'public', source: 's', prices: [good] }

    expect(readShippedTable(whole).prices).toHaveLength(1)
    expect(() => readShippedTable({ ...whole, ...(change as object) })).toThrow('damaged')
  })
})

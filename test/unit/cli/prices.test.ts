import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadPriceFiles } from '../../../src/config/price-files.ts'
import { runCli } from './cli-harness.ts'

const GATEWAY = {
  mode: 'development',
  providers: {
    claude: { type: 'anthropic', key: 'env:KEY' },
    fast: { type: 'openai_compatible', profile: 'groq', key: 'env:KEY' },
  },
  routes: {
    large: {
      targets: [
        { provider: 'claude', model: 'claude-sonnet-4-5' },
        { provider: 'claude', model: 'claude-next', region: 'eu' },
      ],
    },
    small: { targets: [{ provider: 'fast', model: 'ours', priceAs: 'our-model' }] },
  },
  prices: ['own.json'],
}
const ROW = { provider: 'groq', model: 'our-*', usdPerMillion: { input: '0.05', output: '0.4' }, perRequestUsd: '0.01' }
const OWN = { name: 'own', prices: [ROW] }

function folder(files: Readonly<Record<string, unknown>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-prices-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), JSON.stringify(content, null, 2))
  return directory
}

const run = (directory: string, words: readonly string[]) => runCli(words, { io: { cwd: directory, env: { KEY: 'secret' } } })

test('targets without a price are listed with their place; the exit code says so', async () => {
  const directory = folder({ 'tollgate.json': GATEWAY, 'own.json': OWN })

  const { code, out, err } = await run(directory, ['prices', 'check'])

  expect(err).toBe('')
  expect(out).toBe(
    `tollgate.json:21:9  route "large": anthropic "claude-next" in eu (provider "claude") has no price
1 of 3 targets without a price; add rows to a file named by "prices" in tollgate.json, or "priceAs" to the target
`,
  )
  expect(code).toBe(1)
})

test('as JSON, with the row added, nothing is listed', async () => {
  const own = {
    ...OWN,
    prices: [ROW, { provider: 'anthropic', model: 'claude-next', usdPerMillion: { input: '1', output: '2' } }],
  }
  const directory = folder({ 'tollgate.json': GATEWAY, 'own.json': own })

  const { code, out } = await run(directory, ['prices', 'check', '--json'])

  expect(JSON.parse(out)).toEqual({ targets: 3, unpriced: [] })
  expect(code).toBe(0)
})

test('a price is shown as it is charged, with the row it stands in', async () => {
  const own = { ...OWN, discounts: [{ provider: 'fast', percent: 10 }] }
  const directory = folder({ 'tollgate.json': GATEWAY, 'own.json': own })

  const { code, out } = await run(directory, ['prices', 'show', 'groq', 'our-model', '--provider', 'fast'])

  expect(out).toBe(`groq our-model: own#groq/our-*@1970-01-01 (own.json:4)
dollars per million tokens, discounts taken off
  input                     0.045
  read from cache           0.045
  written to cache (5 min)  0.045
  written to cache (1 h)    0.045
  audio in                  0.045
  images in                 0.045
  output                    0.36
  reasoning                 0.36
  audio out                 0.36
  each request besides      0.009
`)
  expect(code).toBe(0)
})

test.each([
  ['a name near a known one', ['anthropic', 'claude-sonnet-4-6x'], /did you mean "claude-sonnet-4-6"/],
  ['a type nobody has', ['acme', 'm'], /no row is for the provider type "acme"; known: anthropic, azure, /],
])('%s is told in words', async (_name, words, message) => {
  const { code, err } = await run(folder({}), ['prices', 'show', ...words])

  expect(err).toMatch(message)
  expect(code).toBe(1)
})

test.each([
  [
    'a number for a price',
    { ...OWN, prices: [{ ...ROW, usdPerMillion: { input: 1, output: '1' } }] },
    /own\.json:8:\d+ {2}error\n {2}\$\.prices\[0\]\.usdPerMillion\.input/,
  ],
  ['a row twice', { ...OWN, prices: [ROW, ROW] }, /own\.json:\d+:\d+ {2}error\n {2}\$\.prices\[1\]: the same provider, model/],
  ['a discount with three decimals', { ...OWN, discounts: [{ provider: 'fast', percent: 1.125 }] }, /at most two decimals/],
  ['no such file', undefined, /own\.json:1:1 {2}error\n {2}\$: there is no such file/],
])('validate refuses a price file with %s, and so does everything that needs it', async (_name, own, words) => {
  const directory = folder({ 'tollgate.json': GATEWAY, ...(own === undefined ? {} : { 'own.json': own }) })

  const validated = await run(directory, ['validate'])
  const checked = await run(directory, ['prices', 'check'])

  expect(validated.out).toMatch(words)
  expect([validated.code, checked.code]).toEqual([3, 3])
  expect(checked.err).toMatch(words)
  await expect(loadPriceFiles(directory, ['own.json'])).rejects.toThrow(/^own\.json:\d+:\d+: /)
})

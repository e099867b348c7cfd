import * as z from 'zod'
import type { Counts } from './behaviour.ts'
import { NO_COUNTS } from './counts.ts'

const Dollars = z.string().regex(/^\d{1,9}(?:\.\d{1,6})?$/, 'must be dollars per million tokens as decimal text')

/** Dollars per million tokens by kind. A kind without a price costs what the kind it belongs to costs. */
const Price = z.strictObject({
  input: Dollars,
  cacheRead: Dollars.optional(),
  cacheWrite5m: Dollars.optional(),
  cacheWrite1h: Dollars.optional(),
  inputAudio: Dollars.optional(),
  inputImage: Dollars.optional(),
  output: Dollars,
  reasoning: Dollars.optional(),
  outputAudio: Dollars.optional(),
  webSearch: Dollars.optional().describe('Dollars for a thousand searches'),
})
type Price = z.infer<typeof Price>

/** Prices by the name of the model, without its "?...". */
const Prices = z.record(z.string(), Price)
type Prices = z.infer<typeof Prices>

const PICO_PER_MILLIONTH = 6
const PICO_PER_NANO = 1000n

/** Dollars per million tokens as whole pico-dollars per token: the same digits, six places further left. */
function picoDollars(text: string): bigint {
  const [whole = '0', part = ''] = text.split('.')
  return BigInt(whole + part.padEnd(PICO_PER_MILLIONTH, '0'))
}

/** Exact pico-dollars of an answer. */
function picoCost(counts: Counts, price: Price): bigint {
  const { input, output } = price
  const rows: readonly (readonly [number, string])[] = [
    [counts.input, input],
    [counts.cacheRead, price.cacheRead ?? input],
    [counts.cacheWrite5m, price.cacheWrite5m ?? input],
    [counts.cacheWrite1h, price.cacheWrite1h ?? price.cacheWrite5m ?? input],
    [counts.inputAudio, price.inputAudio ?? input],
    [counts.inputImage, price.inputImage ?? input],
    [counts.output, output],
    [counts.reasoning, price.reasoning ?? output],
    [counts.outputAudio, price.outputAudio ?? output],
  ]
  const tokens = rows.reduce((sum, [count, dollars]) => sum + BigInt(count) * picoDollars(dollars), 0n)
  // A search at d dollars a thousand is d / 1000 dollars: a thousand times what a token at d dollars a million costs.
  return tokens + BigInt(counts.webSearches) * picoDollars(price.webSearch ?? '0') * 1000n
}

/** Rounds half up to whole nano-dollars. */
function toNano(pico: bigint): bigint {
  return (pico + PICO_PER_NANO / 2n) / PICO_PER_NANO
}

/** One line of the bill. */
export interface BillLine {
  readonly request: number
  readonly wire: string
  readonly model: string
  /** The last usage a reader of the answer could know; null when none was said. */
  readonly said: Counts | null
  /** What an answer without faults would have said. */
  readonly whole: Counts
  /** Of what was said, rounded half up; null without a price. Decimal text: it may not fit a double. */
  readonly nanoUsd: string | null
  readonly complete: boolean
}

/** What the fake charges, by its own arithmetic. */
export interface Bill {
  readonly lines: readonly BillLine[]
  readonly said: Counts
  readonly nanoUsd: string
}

/** The bill under way. Only the newest lines are kept. */
export interface BillBook {
  charge(line: Pick<BillLine, 'request' | 'wire' | 'model' | 'whole'>): void
  /** A reader of the answer now knows this usage; it replaces what was said before. */
  say(request: number, counts: Counts): void
  complete(request: number): void
  setPrices(input: unknown): void
  bill(): Bill
  clear(): void
}

const KEPT_LINES = 100_000

/** Creates an empty bill without prices. */
export function createBillBook(): BillBook {
  const lines = new Map<number, Omit<BillLine, 'nanoUsd'>>()
  let prices: Prices = {}
  const change = (request: number, facts: Partial<BillLine>) => {
    const line = lines.get(request)
    if (line !== undefined) lines.set(request, { ...line, ...facts })
  }
  return {
    charge: (line) => {
      lines.set(line.request, { ...line, said: null, complete: false })
      const [oldest] = lines.keys()
      if (lines.size > KEPT_LINES && oldest !== undefined) lines.delete(oldest)
    },
    say: (request, said) => change(request, { said }),
    complete: (request) => change(request, { complete: true }),
    setPrices: (input) => void (prices = Prices.parse(input)),
    bill: () => addUp([...lines.values()].map((line) => priced(line, prices[line.model]))),
    clear: () => lines.clear(),
  }
}

function priced(line: Omit<BillLine, 'nanoUsd'>, price: Price | undefined): BillLine {
  const isKnown = price !== undefined && line.said !== null
  return { ...line, nanoUsd: isKnown ? String(toNano(picoCost(line.said, price))) : null }
}

function addUp(lines: readonly BillLine[]): Bill {
  const said: Record<string, number> = { ...NO_COUNTS }
  for (const line of lines) for (const [kind, count] of Object.entries(line.said ?? {})) said[kind] = (said[kind] ?? 0) + count
  const nano = lines.reduce((sum, line) => sum + BigInt(line.nanoUsd ?? '0'), 0n)
  return { lines, said: { ...NO_COUNTS, ...said }, nanoUsd: String(nano) }
}

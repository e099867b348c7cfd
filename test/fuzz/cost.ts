// The cost rule: no input of at most 10 KiB may take more than 1 MiB of memory or 100 times its fair CPU. Fair is the median of an honest input of
// the same size, measured in the same run and only when something looks dear, so that both have met the same compiled code. Noise makes
// things look dearer, never cheaper, so the least of some measurements counts: three, and many more before an input is blamed for its time.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { invariant, type Price } from './target.ts'

const MAX_GROWTH_BYTES = 1_048_576
const MAX_TIMES_FAIR = 100
/** Below this nothing is worth attacking, and a clock tells little. */
const FLOOR_MS = 1
/** No input may stop the event loop for longer, whatever is fair. */
const HANG_MS = 100
const REPEATS = 3
const REPEATS_BEFORE_BLAME = 20
const FAIR_RUNS = 11

/** Holds an input to the rule. A first look at every input says whether it is worth measuring. */
export function checkCost(input: Buffer, price: Price): void {
  const look = measure(input, price)
  if (look.growth > MAX_GROWTH_BYTES) checkMemory(input, price)
  if (look.elapsedMs > FLOOR_MS) checkTime(input, price)
}

function checkMemory(input: Buffer, price: Price): void {
  const collect = collector()
  const growthOf = () => {
    collect()
    return measure(input, price).growth
  }
  const growth = least(growthOf, MAX_GROWTH_BYTES, REPEATS)
  invariant(growth <= MAX_GROWTH_BYTES, `cost: ${input.length} bytes take ${growth} bytes of memory`)
}

function checkTime(input: Buffer, price: Price): void {
  const timeOf = () => measure(input, price).elapsedMs
  const elapsedMs = least(timeOf, FLOOR_MS)
  if (elapsedMs <= FLOOR_MS) return
  invariant(elapsedMs <= HANG_MS, `cost: ${input.length} bytes take ${Math.round(elapsedMs)} ms`)
  const fairMs = fairTime(input.length, price)
  const times = Math.round(least(timeOf, MAX_TIMES_FAIR * fairMs) / fairMs)
  invariant(times <= MAX_TIMES_FAIR, `cost: ${input.length} bytes take ${times} times their fair CPU`)
}

interface Measurement {
  readonly growth: number
  readonly elapsedMs: number
}

function measure(input: Buffer, price: Price): Measurement {
  const before = allocatedBytes()
  const started = performance.now()
  quietly(input, price)
  const elapsedMs = performance.now() - started
  return { growth: allocatedBytes() - before, elapsedMs }
}

/** The collector of V8: after it a measurement is not disturbed by another one. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void // what the flag puts there
}

/** Allocated so far: grows by what a run allocates as long as nothing is collected in between. */
function allocatedBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The least of some figures; looks longer as long as it is above what is allowed. */
function least(figure: () => number, allowed: number, most = REPEATS_BEFORE_BLAME): number {
  let best = Number.POSITIVE_INFINITY
  for (let count = 0; count < REPEATS || (best > allowed && count < most); count++) best = Math.min(best, figure())
  return best
}

function fairTime(bytes: number, price: Price): number {
  const honest = price.honest(Math.max(64, bytes))
  const times = Array.from({ length: FAIR_RUNS }, () => measure(honest, price).elapsedMs).toSorted((a, b) => a - b)
  return Math.max(times[FAIR_RUNS >> 1] ?? 0, 0.001)
}

function quietly(input: Buffer, price: Price): void {
  try {
    price.parse(input)
  } catch {
    // Refusing is an answer; what may be thrown is the business of the target's own invariants.
  }
}

// One of several threads that call under the same limits and budgets at once; it reports how many calls were let through.
import { parentPort, workerData } from 'node:worker_threads'
import { Balances } from '../../src/metering/balances.ts'
import type { Counters } from '../../src/metering/counters.ts'
import { createLimiter } from '../../src/metering/limits.ts'

const { counters, worker, calls } = workerData as { counters: Counters; worker: number; calls: number } // given by the test
const limiter = createLimiter({ now: () => performance.timeOrigin + performance.now(), memory: counters.limiter, worker })
const balances = new Balances(counters.balances, worker)
const rules = [
  { key: 'rate', kind: 'rate', max: 500, label: '' },
  { key: 'at one time', kind: 'concurrent', max: 1_000_000, label: '' },
] as const
const claim = { account: { key: 'account', basis: 'basis', isSession: false, until: Number.POSITIVE_INFINITY }, nanoUsd: 700 }

let admitted = 0
let paid = 0
for (let call = 0; call < calls; call += 1) {
  if (limiter.admit(rules).admitted) admitted += 1 // never released: the thread ends with it
  if (balances.reserve([claim], 1, 0) !== undefined) continue
  paid += 1
  if (call % 2 === 0) balances.settle([claim], 1, 1)
}
parentPort?.postMessage({ admitted, paid })

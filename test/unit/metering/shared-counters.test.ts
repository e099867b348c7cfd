import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { allocateLock, SharedLock } from '../../../src/lib/shared-lock.ts'
import { allocateBalances, Balances } from '../../../src/metering/balances.ts'
import { allocateLimiter, createLimiter } from '../../../src/metering/limits.ts'

const WORKERS = 3
const account = { key: 'account', basis: 'basis', isSession: false, until: Number.POSITIVE_INFINITY }

function allocate() {
  return {
    limiter: allocateLimiter({ workers: WORKERS + 1, maxWindows: 100, maxMoments: 10_000 }),
    balances: allocateBalances({ workers: WORKERS + 1, maxSessions: 100, maxPeriods: 100 }),
  }
}

async function storm(counters: ReturnType<typeof allocate>, worker: number): Promise<{ admitted: number; paid: number }> {
  const thread = new Worker(new URL('../../support/storm.worker.ts', import.meta.url), {
    workerData: { counters, worker, calls: 20_000 },
    execArgv: [],
  })
  const exited = once(thread, 'exit')
  const [told] = await once(thread, 'message')
  await exited
  return told as { admitted: number; paid: number } // what storm.worker.ts posts
}

test('threads that call at once are admitted as often as the limit says, and pay no more than the budget', async () => {
  const counters = allocate()
  const limiter = createLimiter({ now: () => performance.timeOrigin + performance.now(), memory: counters.limiter, worker: 0 })
  const balances = new Balances(counters.balances, 0)
  balances.setState('basis', 'ready')

  const storms = await Promise.all(Array.from({ length: WORKERS }, (_one, index) => storm(counters, index + 1)))

  const sum = (field: 'admitted' | 'paid') => storms.reduce((total, one) => total + one[field], 0)
  expect([sum('admitted'), sum('paid')]).toEqual([500, 700])
  const held = { key: 'at one time', kind: 'concurrent', max: 1, label: '' } as const
  expect(limiter.peek(held).used).toBe(500)
  const { spent, reserved } = balances.find(account)
  expect(spent + reserved).toBe(700)

  for (let worker = 1; worker <= WORKERS; worker += 1) {
    limiter.forget(worker)
    balances.forget(worker)
  }

  expect([limiter.peek(held).used, balances.find(account)]).toEqual([0, { spent, reserved: 0 }])
}, 30_000)

test('a lock that a thread took with it is taken from it', () => {
  const memory = allocateLock()
  const [gone, alive] = [new SharedLock(memory, 1), new SharedLock(memory, 0)]
  gone.take()

  const started = performance.now()
  alive.take()
  alive.release()

  expect(performance.now() - started).toBeGreaterThan(1_000)
  gone.take()
  gone.release()
}, 20_000)

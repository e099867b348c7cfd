import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoffMs } from '../../../src/lib/backoff.ts'
import { createBreaker, type Admission, type Breaker } from '../../../src/lib/breaker.ts'
import { createBulkhead, QueueFullError } from '../../../src/lib/bulkhead.ts'

describe('backoff', () => {
  test.each([
    [1, 0, 250],
    [1, 1, 500],
    [2, 1, 1_000],
    [7, 1, 30_000],
    [1_000, 0, 15_000],
  ])('after %i failures with luck %d it waits %i ms', (failures, luck, wait) => {
    expect(backoffMs(failures, { minMs: 500, maxMs: 30_000 }, () => luck)).toBe(wait)
  })
})

describe('bulkhead', () => {
  const never = new AbortController().signal

  test('those who wait come in order', async () => {
    const bulkhead = createBulkhead({ max: 1, queue: 3 })
    const order: number[] = []
    await bulkhead.enter(never)

    const waiting = [1, 2, 3].map(async (number) => {
      await bulkhead.enter(never)
      order.push(number)
      bulkhead.leave()
    })
    bulkhead.leave()
    await Promise.all(waiting)

    expect(order).toEqual([1, 2, 3])
    expect([bulkhead.active, bulkhead.queued]).toEqual([0, 0])
  })

  test('a full queue refuses at once', async () => {
    const bulkhead = createBulkhead({ max: 1, queue: 0 })
    await bulkhead.enter(never)

    await expect(bulkhead.enter(never)).rejects.toBeInstanceOf(QueueFullError)
  })

  test('who gives up leaves the queue and keeps no place', async () => {
    const bulkhead = createBulkhead({ max: 1, queue: 1 })
    const controller = new AbortController()
    await bulkhead.enter(never)

    const waiting = bulkhead.enter(controller.signal)
    controller.abort(new Error('gave up'))

    await expect(waiting).rejects.toThrow('gave up')
    expect(bulkhead.queued).toBe(0)
    bulkhead.leave()
    expect(bulkhead.tryEnter()).toBe(true)
  })

  test('never more inside than places, never more waiting than the queue holds', async () => {
    const step = fc.constantFrom('enter', 'leave', 'abort')
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 4 }),
        fc.array(step, { maxLength: 60 }),
        async (max, queue, steps) => {
          const bulkhead = createBulkhead({ max, queue })
          const controllers: AbortController[] = []
          let inside = 0
          for (const action of steps) {
            if (action === 'enter') {
              const controller = new AbortController()
              controllers.push(controller)
              bulkhead.enter(controller.signal).then(
                () => (inside += 1),
                () => undefined,
              )
            } else if (action === 'abort') controllers.pop()?.abort()
            else if (inside > 0) {
              inside -= 1
              bulkhead.leave()
            }
            await new Promise(setImmediate)
            expect(inside).toBe(bulkhead.active)
            expect(bulkhead.active).toBeLessThanOrEqual(max)
            expect(bulkhead.queued).toBeLessThanOrEqual(queue)
          }
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('breaker', () => {
  function broken(options: { failures?: number } = {}): {
    breaker: Breaker
    wait: (milliseconds: number) => void
    states: string[]
  } {
    let now = 0
    const states: string[] = []
    const breaker = createBreaker({
      failures: options.failures ?? 2,
      minOpenMs: 1_000,
      maxOpenMs: 4_000,
      now: () => now,
      random: () => 1,
      onChange: (state) => void states.push(state),
    })
    return { breaker, states, wait: (milliseconds) => void (now += milliseconds) }
  }
  const admitted = (breaker: Breaker): Admission => {
    const admission = breaker.admit()
    if (!admission) throw new Error('the breaker admits nothing')
    return admission
  }

  test('only failures in a row open it', () => {
    const { breaker } = broken()

    admitted(breaker).failure()
    admitted(breaker).success()
    admitted(breaker).failure()
    admitted(breaker).neutral()

    expect(breaker.state).toBe('closed')
    admitted(breaker).failure()
    expect(breaker.state).toBe('open')
  })

  test('one probe passes when the time is over, and a success closes it', () => {
    const { breaker, wait, states } = broken({ failures: 1 })
    admitted(breaker).failure()

    expect(breaker.admit()).toBeUndefined()
    wait(1_000)
    const probe = admitted(breaker)
    expect(breaker.admit()).toBeUndefined()
    probe.success()

    expect(states).toEqual(['open', 'half-open', 'closed'])
    expect(breaker.admit()).toBeDefined()
  })

  test('each failed probe doubles the wait up to the longest', () => {
    const { breaker, wait } = broken({ failures: 1 })
    admitted(breaker).failure()

    const waits: number[] = []
    for (let round = 0; round < 4; round += 1) {
      waits.push(breaker.retryInMs)
      wait(breaker.retryInMs)
      admitted(breaker).failure()
    }

    expect(waits).toEqual([1_000, 2_000, 4_000, 4_000])
  })

  test('a probe that decided nothing lets the next one pass', () => {
    const { breaker, wait } = broken({ failures: 1 })
    admitted(breaker).failure()
    wait(1_000)

    admitted(breaker).neutral()

    expect(breaker.admit()).toBeDefined()
  })

  test('attempts from before it opened change nothing when they end', () => {
    const { breaker, wait } = broken({ failures: 1 })
    const [slow, slower] = [admitted(breaker), admitted(breaker)]
    admitted(breaker).failure()

    slow.success()
    slower.failure()
    slower.failure()

    expect(breaker.state).toBe('open')
    expect(breaker.retryInMs).toBe(1_000)
    wait(1_000)
    admitted(breaker).success()
    expect(breaker.state).toBe('closed')
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LimitRule } from '../../../src/metering/contract.ts'
import { allocateLimiter, createLimiter as createWorkerLimiter } from '../../../src/metering/limits.ts'

const rate = (key: string, max: number): LimitRule => ({ key, kind: 'rate', max, label: key })
const concurrent = (key: string, max: number): LimitRule => ({ key, kind: 'concurrent', max, label: key })

function createLimiter({ now, maxWindows = 2_048 }: { readonly now: () => number; readonly maxWindows?: number }) {
  const memory = allocateLimiter({ workers: 1, maxWindows, maxMoments: 4_096 })
  return createWorkerLimiter({ now, memory, worker: 0 })
}

function atClock(start = 0, maxWindows?: number) {
  const clock = { now: start }
  return { clock, limiter: createLimiter({ now: () => clock.now, ...(maxWindows === undefined ? {} : { maxWindows }) }) }
}

describe('rates', () => {
  test('in any 60 seconds at most max calls are admitted, and the named wait is true within a second', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.nat({ max: 9_000 }), { minLength: 1, maxLength: 300 }),
        (max, gaps) => {
          const { clock, limiter } = atClock(12_345.678)
          const admitted: number[] = []
          for (const gap of gaps) {
            clock.now += gap
            const admission = limiter.admit([rate('key', max)])
            if (admission.admitted) {
              admitted.push(clock.now)
              continue
            }
            const { retryAfterSeconds } = admission
            const before = createLimiter({ now: () => clock.now, maxWindows: 1 })
            expect(before.admit([rate('key', max)]).admitted).toBe(true)
            const freeAt = admitted.at(-max)! + 60_000
            expect(retryAfterSeconds * 1_000).toBeGreaterThanOrEqual(freeAt - clock.now)
            expect(retryAfterSeconds * 1_000 - (freeAt - clock.now)).toBeLessThan(1_000)
          }
          for (const moment of admitted) {
            expect(admitted.filter((other) => other >= moment && other < moment + 60_000).length).toBeLessThanOrEqual(max)
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  test('whoever comes back after the named wait is admitted', () => {
    const { clock, limiter } = atClock()
    const rules = [rate('a', 3), rate('b', 2)]
    for (let call = 0; call < 50; call += 1) {
      clock.now += 7_001
      const admission = limiter.admit(rules)
      if (admission.admitted) continue
      clock.now += admission.retryAfterSeconds * 1_000
      expect(limiter.admit(rules).admitted).toBe(true)
    }
  })

  test('a refused call counts nowhere', () => {
    const { limiter } = atClock()
    limiter.admit([rate('tight', 1)])

    const refused = limiter.admit([rate('wide', 100), concurrent('slots', 5), rate('tight', 1)])

    expect(refused).toMatchObject({ admitted: false, rule: { key: 'tight' }, retryAfterSeconds: 60 })
    expect([limiter.peek(rate('wide', 100)), limiter.peek(concurrent('slots', 5))]).toEqual([
      { used: 0, resetMs: 0 },
      { used: 0, resetMs: 0 },
    ])
  })

  test('a limit lowered by a reload counts what was admitted before', () => {
    const { clock, limiter } = atClock()
    for (let call = 0; call < 10; call += 1) {
      limiter.admit([rate('key', 10)])
      clock.now += 1_000
    }

    expect(limiter.admit([rate('key', 2)])).toMatchObject({ admitted: false, retryAfterSeconds: 58 })
  })
})

describe('calls at one time', () => {
  test('never more than max are held, whatever is released in which order, also twice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat({ max: 9 }), { maxLength: 100 }), (max, steps) => {
        const { limiter } = atClock()
        const held: (() => void)[] = []
        let count = 0
        for (const step of steps) {
          if (step < 6) {
            const admission = limiter.admit([concurrent('key', max)])
            expect(admission.admitted).toBe(count < max)
            if (admission.admitted) {
              count += 1
              held.push(admission.release)
            }
          } else {
            const release = held.splice(step % Math.max(held.length, 1), 1)[0]
            release?.()
            release?.()
            if (release !== undefined) count -= 1
          }
          expect(limiter.peek(concurrent('key', max)).used).toBe(count)
        }
      }),
    )
  })
})

describe('memory', () => {
  test('idle counters are dropped', () => {
    const { clock, limiter } = atClock()
    for (let key = 0; key < 1_000; key += 1) {
      const admission = limiter.admit([rate(`r${key}`, 5), concurrent(`c${key}`, 5)])
      if (admission.admitted) admission.release()
    }
    expect(limiter.size).toBe(1_000)

    clock.now += 60_001
    limiter.admit([rate('again', 5)])

    expect(limiter.size).toBe(1)
  })

  test('a flood of one-call counters does not grow without bound and forgets no busy counter', () => {
    const { clock, limiter } = atClock(0, 100)
    limiter.admit([rate('busy', 2)])
    limiter.admit([rate('busy', 2)])

    for (let key = 0; key < 5_000; key += 1) {
      clock.now += 1
      limiter.admit([rate(`flood${key}`, 5)])
    }

    expect(limiter.size).toBeLessThanOrEqual(100)
    expect(limiter.admit([rate('busy', 2)]).admitted).toBe(false)
  })
})

describe('tokens', () => {
  const tokens = (max: number): LimitRule => ({ key: `tokens ${max}`, kind: 'tokens', max, label: `${max} tokens` })
  const at = { ms: 1_000_000 }
  const open = () => createLimiter({ now: () => at.ms })

  test('reserves an estimate and puts the true count in its place', () => {
    const limiter = open()

    const first = limiter.admit([tokens(100)], 80)
    expect(limiter.admit([tokens(100)], 30)).toMatchObject({ admitted: false })
    if (first.admitted) first.release(10)

    expect(limiter.peek(tokens(100)).used).toBe(10)
    expect(limiter.admit([tokens(100)], 30)).toMatchObject({ admitted: true })
  })

  test('a call that alone is over the maximum waits until nothing else is counted', () => {
    const limiter = open()

    const huge = limiter.admit([tokens(100)], 5_000)

    expect(huge).toMatchObject({ admitted: true })
    expect(limiter.admit([tokens(100)], 1)).toMatchObject({ admitted: false, retryAfterSeconds: 61 })
  })

  test('a minute later all of it is free again, and the wait that is named is enough', () => {
    const limiter = open()
    const admission = limiter.admit([tokens(100)], 100)
    if (admission.admitted) admission.release(100)
    const refused = limiter.admit([tokens(100)], 50)
    at.ms += (refused.admitted ? 0 : refused.retryAfterSeconds) * 1_000

    expect(limiter.admit([tokens(100)], 50)).toMatchObject({ admitted: true })
  })

  test.each([
    ['less than reserved: at the time it was admitted', 30_000, 20_000, 31],
    ['more than reserved: the rest at the time it ended', 30_000, 50_000, 61],
    ['after the reservation left the window: all of it at the time it ended', 65_000, 50_000, 61],
    ['much later, less than reserved', 600_000, 1_000, 61],
  ])('an answer that took %s', (_name, tookMs, used, freeInSeconds) => {
    const { clock, limiter } = atClock(1_000_000)
    const rule = tokens(100_000)

    const admission = limiter.admit([rule], 40_000)
    clock.now += tookMs
    if (admission.admitted) admission.release(used)

    expect(limiter.peek(rule)).toEqual({ used, resetMs: freeInSeconds * 1_000 })
  })

  test('calls that take no tokens pass a full counter and open none', () => {
    const { limiter } = atClock()
    const full = tokens(100)
    limiter.admit([full], 100)

    const tool = limiter.admit([full, tokens(200)], 0)
    if (tool.admitted) tool.release(0)

    expect(tool.admitted).toBe(true)
    expect(limiter.admit([full], 1).admitted).toBe(false)
    expect(limiter.size).toBe(1)
  })

  test('releasing twice counts once', () => {
    const limiter = open()
    const admission = limiter.admit([tokens(100)], 50)

    if (admission.admitted) {
      admission.release(20)
      admission.release(20)
    }

    expect(limiter.peek(tokens(100)).used).toBe(20)
  })
})

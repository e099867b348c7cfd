import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FailureKind } from '../../../src/llm/middle.ts'
import { createRollingCount } from '../../../src/llm/routing/rolling-count.ts'
import { failure, query, route, routing, target, withRoutes } from './routing-fixture.ts'

const A = target('a')
const ROUTE = route([A])
const stateOf = (router: ReturnType<typeof routing>['router']) => router.states(withRoutes(ROUTE))[0]

/** Fails some attempts at target `a`. */
function fail(router: ReturnType<typeof routing>['router'], times: number, kind: FailureKind = 'server'): void {
  for (let index = 0; index < times; index++) router.begin(A, true)?.failed(failure(kind))
}

describe('what each kind of failure does', () => {
  test.each<[kind: FailureKind, effect: string]>([
    ['bad_request', 'nothing'],
    ['forbidden', 'nothing'],
    ['not_found', 'nothing'],
    ['too_large', 'nothing'],
    ['filtered', 'nothing'],
    ['timeout', 'breaker open for 4 s'],
    ['overloaded', 'breaker open for 4 s'],
    ['server', 'breaker open for 4 s'],
    ['invalid', 'breaker open for 4 s'],
    ['unreachable', 'breaker open for 4 s'],
    ['rate_limited', 'rate limited for 5 s'],
    ['billing', 'out of credit for 60 s'],
    ['auth', 'credentials refused for 30 s'],
  ])('ten of %s: %s', (kind, effect) => {
    const { router } = routing()
    fail(router, 10, kind)

    const state = stateOf(router)

    expect(state?.reason ?? 'nothing').toBe(effect)
    expect(state?.circuit).toBe(effect.startsWith('breaker') ? 'open' : 'closed')
    expect(state?.failures).toBe(10)
  })

  test.each<[kind: FailureKind, retryAfterMs: number, seconds: number]>([
    ['rate_limited', 12_000, 12],
    ['rate_limited', 3_600_000, 60],
    ['rate_limited', 0, 0],
    ['rate_limited', -5, 5],
    ['rate_limited', Number.NaN, 5],
    ['billing', 120_000, 120],
    ['billing', 86_400_000, 600],
    ['auth', 5, 30],
  ])('%s with Retry-After of %d ms: a clock of %d s', (kind, retryAfterMs, seconds) => {
    const { router, clock } = routing()
    router.begin(A, false)?.failed(failure(kind, { retryAfterMs }))

    expect(stateOf(router)?.retryInSeconds).toBe(seconds)
    clock.ms += seconds * 1000
    expect(stateOf(router)?.retryInSeconds).toBe(0)
    expect(router.begin(A, false)).toBeDefined()
  })

  test('a longer clock is not cut by a shorter one, and an answer after it was set ends it', () => {
    const { router } = routing()
    const [before, slow] = [router.begin(A, false), router.begin(A, false)]
    router.begin(A, false)?.failed(failure('rate_limited', { retryAfterMs: 30_000 }))
    slow?.failed(failure('rate_limited', { retryAfterMs: 1_000 }))
    expect(stateOf(router)?.retryInSeconds).toBe(30)

    router.begin(A, true)?.succeeded(5)
    before?.succeeded(5)

    expect(stateOf(router)?.retryInSeconds).toBe(0)
  })

  test('refused credentials are told, once while the clock runs', () => {
    const { router, changes } = routing()
    fail(router, 20, 'auth')

    expect(changes).toEqual([{ target: 'p/a', provider: 'p', circuit: 'closed', reason: 'credentials refused for 30 s' }])
  })
})

describe('the breaker', () => {
  test('opens at five failures that are half of what ended in the last ten seconds', () => {
    const { router, clock } = routing()
    for (let index = 0; index < 6; index++) router.begin(A, false)?.succeeded(1)
    fail(router, 5)
    expect(stateOf(router)?.circuit).toBe('closed')
    fail(router, 1)
    expect(stateOf(router)?.circuit).toBe('open')

    const fresh = routing()
    fail(fresh.router, 4)
    fresh.clock.ms += 10_000
    fail(fresh.router, 4)
    expect(stateOf(fresh.router)?.circuit, 'four, and four ten seconds later').toBe('closed')
    expect(clock.ms).toBe(1_000_000)
  })

  test('open, half-open, closed: one walk', () => {
    const { router, clock, changes } = routing()
    fail(router, 5)
    expect(router.begin(A, false), 'open').toBeUndefined()
    clock.ms += 3_749
    expect(router.begin(A, false), 'still open: 5 s and half the jitter').toBeUndefined()
    clock.ms += 1

    const probe = router.begin(A, false)
    expect(probe, 'the probe').toBeDefined()
    expect(router.begin(A, false), 'exactly one').toBeUndefined()
    expect(stateOf(router)).toMatchObject({
      circuit: 'half-open',
      reason: 'breaker half-open: a probe is under way',
      inFlight: 1,
    })
    probe?.failed(failure('server'))
    expect(stateOf(router)?.reason, 'twice as long').toBe('breaker open for 8 s')
    clock.ms += 7_500

    router.begin(A, false)?.neutral()
    expect(stateOf(router)?.circuit, 'a probe that said nothing').toBe('half-open')
    router.begin(A, false)?.succeeded(3)
    expect(stateOf(router)?.circuit).toBe('closed')
    fail(router, 4)
    expect(stateOf(router)?.circuit, 'with a clean window').toBe('closed')
    expect(changes.map(({ circuit }) => circuit)).toEqual(['open', 'half-open', 'open', 'half-open', 'closed'])
  })

  test('a probe that meets a rate limit frees its place when the clock ends', () => {
    const { router, clock } = routing()
    fail(router, 5)
    clock.ms += 5_000
    router.begin(A, false)?.failed(failure('rate_limited', { retryAfterMs: 2_000 }))

    expect(stateOf(router)?.reason).toBe('rate limited for 2 s')
    clock.ms += 2_000
    expect(router.begin(A, false)).toBeDefined()
    expect(router.begin(A, false)).toBeUndefined()
  })

  test('a probe that never ends keeps the next one out for a minute, and then decides nothing', () => {
    const { router, clock } = routing()
    fail(router, 5)
    clock.ms += 5_000
    const stuck = router.begin(A, false)
    clock.ms += 60_000
    const next = router.begin(A, false)
    stuck?.failed(failure('server'))
    expect(stateOf(router)?.circuit).toBe('half-open')
    next?.succeeded(1)

    expect(stateOf(router)?.circuit).toBe('closed')
  })

  test('what began before it opened changes nothing', () => {
    const { router } = routing()
    const early = router.begin(A, false)
    fail(router, 5)
    early?.succeeded(1)

    expect(stateOf(router)?.circuit).toBe('open')
  })

  test('opens for no longer than a minute, however often probes fail', () => {
    const { router, clock } = routing({ random: () => 0.999 })
    fail(router, 5)
    for (let index = 0; index < 10; index++) {
      clock.ms += 60_000
      router.begin(A, false)?.failed(failure('timeout'))
    }

    expect(stateOf(router)?.retryInSeconds).toBe(60)
  })

  test('only the first ending of an attempt counts', () => {
    const { router } = routing()
    const begun = router.begin(A, false)
    begun?.neutral()
    begun?.failed(failure('server'))
    begun?.succeeded(1)

    expect(stateOf(router)).toMatchObject({ inFlight: 0, requests: 1, failures: 0 })
    expect(stateOf(router)?.firstTokenMs).toBeUndefined()
  })
})

describe('the last target', () => {
  test('is never ejected: the one that is ready soonest is tried anyway, marked', () => {
    const { router, reasons, models } = routing()
    const asked = query(route(['a', 'b', 'c']))
    router.begin(A, false)?.failed(failure('rate_limited', { retryAfterMs: 30_000 }))
    router.begin(target('b'), false)?.failed(failure('rate_limited', { retryAfterMs: 10_000 }))

    expect(models(asked)).toEqual(['c', 'b'])
    expect(reasons(asked)).toEqual([
      'candidate p/c: place 3 as written',
      'candidate p/b: last resort: rate limited for 10 s',
      'skipped p/a: rate limited for 30 s',
    ])
    router.begin(target('c'), false)?.failed(failure('billing'))
    expect(models(asked)).toEqual(['b'])
    expect(router.begin(target('b'), false)).toBeUndefined()
    expect(router.begin(target('b'), true)).toBeDefined()
  })

  test('closes its breaker when it answers, and stays as it is when it fails', () => {
    const { router } = routing()
    fail(router, 5)
    const before = stateOf(router)?.retryInSeconds
    fail(router, 20)
    expect(stateOf(router)).toMatchObject({ circuit: 'open', retryInSeconds: before })

    router.begin(A, true)?.succeeded(1)

    expect(stateOf(router)?.circuit).toBe('closed')
  })

  test('a probe is marked in the plan', () => {
    const { router, reasons, clock } = routing()
    fail(router, 5)
    clock.ms += 5_000

    expect(reasons(query(ROUTE))).toEqual(['candidate p/a: place 1 as written, as a probe'])
  })
})

describe('the retry budget', () => {
  test('a storm of failures makes at most 20 % more attempts than requests', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 400 }), fc.integer({ min: 0, max: 400 }), (requests, gapMs) => {
        const { router, clock } = routing()
        const asked = route(['a', 'b', 'c'])
        let attempts = 0
        for (let index = 0; index < requests; index++) {
          router.arrived(asked)
          const { targets } = router.plan(query(asked))
          let tried = 0
          for (const one of targets) {
            if (tried > 0 && !router.mayRetry(asked)) break
            tried += 1
            router.begin(one, true)?.failed(failure('server'))
          }
          attempts += tried
          clock.ms += gapMs
        }

        expect(attempts).toBeLessThanOrEqual(requests * 1.2 + 10)
      }),
      { numRuns: 60 },
    )
  })

  test('a thousand requests at once, all failing: at most 1,200 attempts', () => {
    const { router } = routing()
    const asked = route(['a', 'b', 'c'])
    let attempts = 0
    for (let index = 0; index < 1_000; index++) {
      router.arrived(asked)
      attempts += 1
      while (router.mayRetry(asked)) attempts += 1
    }

    expect(attempts).toBeLessThanOrEqual(1_200)
  })

  test('a quiet route may retry ten times in ten seconds', () => {
    const { router, clock } = routing()
    const take = () => Array.from({ length: 12 }, () => router.mayRetry(ROUTE)).filter(Boolean).length

    expect(take()).toBe(10)
    clock.ms += 10_000
    expect(take()).toBe(10)
  })

  test('routes have budgets of their own', () => {
    const { router } = routing()
    for (let index = 0; index < 12; index++) router.mayRetry(ROUTE)

    expect(router.mayRetry({ ...ROUTE, id: 'other' })).toBe(true)
  })
})

describe('states', () => {
  test('one per target, with every route that names it', () => {
    const { router } = routing()
    const two = route([target('b', { region: 'eu' }), target('a', { enabled: false })], { id: 'two' })
    router.begin(A, false)?.succeeded(120)
    router.begin(A, false)

    expect(router.states(withRoutes(ROUTE, two))).toEqual([
      {
        key: 'p/a',
        provider: 'p',
        model: 'a',
        routes: ['r', 'two'],
        enabled: true,
        circuit: 'closed',
        retryInSeconds: 0,
        inFlight: 1,
        requests: 2,
        failures: 0,
        firstTokenMs: 120,
      },
      expect.objectContaining({ key: 'p/b@eu', region: 'eu', routes: ['two'], requests: 0 }),
    ])
  })

  test('of targets that left the configuration are forgotten', () => {
    const { router } = routing()
    fail(router, 5)
    router.retain(withRoutes(route(['b'])))

    expect(stateOf(router)).toMatchObject({ circuit: 'closed', requests: 0 })
  })
})

test('a rolling count is what happened in the last ten seconds', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 12_000 }), { maxLength: 80 }), (gaps) => {
      let now = 5_500
      const count = createRollingCount(10, () => now)
      const seconds: number[] = []
      for (const gap of gaps) {
        now += gap
        count.add()
        seconds.push(Math.floor(now / 1000))

        expect(count.total).toBe(seconds.filter((second) => second > Math.floor(now / 1000) - 10).length)
      }
    }),
  )
})

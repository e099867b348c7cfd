import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModelRoute, ModelTarget } from '../../../src/core/snapshot.ts'
import type { FailureKind } from '../../../src/llm/middle.ts'
import type { PlanQuery, RouterDeps } from '../../../src/llm/routing/router.ts'
import { compileCondition, MODEL_VARIABLES } from '../../../src/lib/condition.ts'
import { failure, query, route, routing, seeded, target } from './routing-fixture.ts'

const when = (source: string) => compileCondition(source, MODEL_VARIABLES)

describe('who may answer at all', () => {
  type Row = {
    readonly name: string
    readonly targets: readonly (ModelTarget | string)[]
    readonly route?: Partial<ModelRoute>
    readonly ask?: Parameters<typeof query>[1]
    readonly deps?: Partial<RouterDeps>
    readonly skipped: string
  }
  test.each<Row>([
    { name: 'switched off', targets: ['a', target('b', { enabled: false })], skipped: 'p/b: switched off' },
    {
      name: 'outside the pins of the route',
      targets: [target('a', { region: 'eu' }), target('b', { region: 'us' })],
      route: { regions: ['eu', 'ch'] },
      skipped: 'p/b@us: outside the regions eu, ch',
    },
    {
      name: 'outside the pins of the catalog',
      targets: [target('a', { region: 'eu' }), target('b', { region: 'ch' })],
      route: { regions: ['eu', 'ch'] },
      ask: { grant: { regions: ['eu'] } },
      skipped: 'p/b@ch: outside the regions eu',
    },
    {
      name: 'without a region under pins',
      targets: [target('a', { region: 'eu' }), 'b'],
      route: { regions: ['eu'] },
      skipped: 'p/b: outside the regions eu',
    },
    {
      name: 'condition over the request',
      targets: ['a', target('b', { when: when('request.inputTokens > 1000') })],
      ask: { request: { inputTokens: 10 } },
      skipped: 'p/b: when `request.inputTokens > 1000` is false',
    },
    {
      name: 'condition over the principal',
      targets: ['a', target('b', { when: when("principal.team == 'x'") })],
      skipped: "p/b: when `principal.team == 'x'` is false",
    },
    {
      name: 'condition that cannot be evaluated',
      targets: ['a', target('b', { when: when('request.maxTokens > 1') })],
      skipped: 'p/b: when `request.maxTokens > 1` could not be evaluated (No such key: maxTokens)',
    },
    {
      name: 'provider without the operation',
      targets: ['a', 'b'],
      ask: { operation: 'embeddings' },
      deps: { serves: ({ model }, operation) => (model === 'b' ? `p has no ${operation}` : undefined) },
      skipped: 'p/b: p has no embeddings',
    },
    {
      name: 'no price under a budget',
      targets: ['a', 'b'],
      ask: { budgeted: true },
      deps: { estimate: ({ model }) => (model === 'b' ? null : 1) },
      skipped: 'p/b: no known price, and a budget applies',
    },
  ])('$name', ({ targets, route: over, ask, deps, skipped }) => {
    const { models, reasons } = routing(deps)
    const asked = query(route(targets, over), ask)

    expect(models(asked)).toEqual(['a'])
    expect(reasons(asked).at(-1)).toBe(`skipped ${skipped}`)
  })

  test('no price is no reason without a budget, nor when the route allows it', () => {
    const { models } = routing({ estimate: () => null })

    expect(models(query(route(['a'])))).toEqual(['a'])
    expect(models(query(route(['a'], { unpriced: 'allow' }), { budgeted: true }))).toEqual(['a'])
  })

  test('a condition on the request is open while there is none', () => {
    const { models } = routing()
    const asked = query(route([target('a', { when: when('request.stream') })]))
    const { request: _, ...open } = asked

    expect(models(asked)).toEqual([])
    expect(models(open)).toEqual(['a'])
  })

  test('an item that is no model has no targets', () => {
    const asked = query(route(['a']))
    const { model: _, ...item } = asked.item

    expect(routing().router.plan({ ...asked, item })).toEqual({ targets: [], considered: [] })
  })
})

/** Runs one attempt to its end. */
function attempt(router: ReturnType<typeof routing>['router'], one: ModelTarget, ms: number): void {
  router.begin(one, false)?.succeeded(ms)
}

/** How often each target comes first in many plans. */
function shares(ask: (index: number) => PlanQuery, deps: Partial<RouterDeps> = {}, rounds = 4_000) {
  const { router } = routing({ random: seeded(7), ...deps })
  const counts: Record<string, number> = {}
  for (let index = 0; index < rounds; index++) {
    const first = router.plan(ask(index)).targets[0]?.model ?? 'nobody'
    counts[first] = (counts[first] ?? 0) + 1
  }
  return (model: string) => (counts[model] ?? 0) / rounds
}

describe('strategies', () => {
  test('ordered: as written, lower tiers first', () => {
    const { models, reasons } = routing()
    const asked = query(route([target('late', { tier: 2 }), 'a', 'b']))

    expect(models(asked)).toEqual(['a', 'b', 'late'])
    expect(reasons(asked)[0]).toBe('candidate p/a: place 2 as written, tier 1')
  })

  test('weighted: shares follow the weights, and weight 0 comes last', () => {
    const targets = [target('none', { weight: 0 }), target('a', { weight: 3 }), target('b', { weight: 1 })]
    const asked = query(route(targets, { strategy: 'weighted' }))
    const share = shares(() => asked)

    expect(share('a')).toBeCloseTo(0.75, 1)
    expect(share('b')).toBeCloseTo(0.25, 1)
    expect(share('none')).toBe(0)
    expect(
      routing({ random: () => 0 })
        .models(asked)
        .at(-1),
    ).toBe('none')
    expect(routing().reasons(asked).at(-1)).toBe('candidate p/none: weight 0: only when the others fail')
  })

  test('weighted within tiers', () => {
    const asked = query(route([target('late', { tier: 2, weight: 1000 }), 'a'], { strategy: 'weighted' }))

    expect(shares(() => asked, {}, 50)('a')).toBe(1)
  })

  test('lowest latency: each is measured once, then the fastest is first', () => {
    const { router, models, reasons, clock } = routing()
    const asked = query(route(['a', 'b', 'c'], { strategy: 'lowest_latency' }))
    const speed: Record<string, number> = { a: 300, b: 100, c: 200 }
    for (let round = 0; round < 3; round++) {
      const [first] = router.plan(asked).targets
      attempt(router, first!, speed[first!.model]!)
    }

    expect(models(asked)).toEqual(['b', 'c', 'a'])
    expect(reasons(asked)[0]).toBe('candidate p/b: first content after 100 ms')
    clock.ms += 299_000
    attempt(router, target('b'), 100)
    clock.ms += 2_000
    expect(models(asked)[0], 'what was not measured for five minutes is measured again').toBe('a')
  })

  test('lowest latency: one request at a time measures a target', () => {
    const { router, models } = routing()
    const asked = query(route(['known', 'new'], { strategy: 'lowest_latency' }))
    attempt(router, target('known'), 50)

    expect(models(asked)).toEqual(['new', 'known'])
    const under = router.begin(target('new'), false)
    expect(models(asked)).toEqual(['known', 'new'])
    under?.succeeded(10)
    expect(models(asked)).toEqual(['new', 'known'])
  })

  test('lowest latency: a moving average follows the target', () => {
    const { router, models } = routing()
    const asked = query(route(['a', 'b'], { strategy: 'lowest_latency' }))
    attempt(router, target('a'), 100)
    attempt(router, target('b'), 150)
    expect(models(asked)[0]).toBe('a')
    for (let round = 0; round < 3; round++) attempt(router, target('a'), 400)

    expect(models(asked)[0]).toBe('b')
  })

  test('lowest cost: the cheapest first, unknown prices last', () => {
    const price: Record<string, number | null> = { a: null, b: 2_500_000, c: 1_000_000 }
    const { models, reasons } = routing({ estimate: ({ model }) => price[model] ?? null })
    const asked = query(route(['a', 'b', 'c'], { strategy: 'lowest_cost' }))

    expect(models(asked)).toEqual(['c', 'b', 'a'])
    expect(reasons(asked)).toEqual([
      'candidate p/c: $0.001 for 1,000 tokens in and 1,000 out',
      'candidate p/b: $0.0025 for 1,000 tokens in and 1,000 out',
      'candidate p/a: no known price',
    ])
  })
})

describe('canaries', () => {
  const targets = [target('new', { canary: 10 }), 'old', target('newer', { canary: 5 })]

  test('take their percent of the requests and are not used otherwise', () => {
    const share = shares(() => query(route(targets)))

    expect(share('new')).toBeCloseTo(0.1, 1)
    expect(share('newer')).toBeCloseTo(0.05, 1)
    expect(routing().models(query(route(targets)))).toEqual(['old'])
    expect(
      routing()
        .reasons(query(route(targets)))
        .slice(1),
    ).toEqual(['skipped p/new: canary 10 %: not this time', 'skipped p/newer: canary 5 %: not this time'])
  })

  test.each([
    [0, 'new'],
    [0.0999, 'new'],
    [0.1, 'newer'],
    [0.1499, 'newer'],
    [0.15, 'old'],
    [0.999, 'old'],
  ])('a roll of %d goes to %s, with the others behind it', (roll, first) => {
    const models = routing({ random: () => roll }).models(query(route(targets)))

    expect(models).toEqual([...new Set([first, 'old'])])
  })

  test('a sticky session falls on the same side every time', () => {
    const asked = query(route(targets, { sticky: true }), { stickyKey: 'run 7' })
    const random = seeded(3)
    const seen = new Set(Array.from({ length: 50 }, () => routing({ random }).models(asked)[0]))
    const share = shares((index) => query(route(targets, { sticky: true }), { stickyKey: `run ${index}` }))

    expect(seen.size).toBe(1)
    expect(share('new')).toBeCloseTo(0.1, 1)
  })

  test('a canary that is not well is left out, and is never the last resort', () => {
    const { router, models, clock } = routing({ random: () => 0 })
    const asked = query(route([target('new', { canary: 100 }), 'old']))
    router.begin(target('new'), false)?.failed(failure('rate_limited'))

    expect(models(asked)).toEqual(['old'])
    clock.ms += 5_000
    expect(models(asked)).toEqual(['new', 'old'])
  })
})

describe('sticky sessions', () => {
  const weighted = (...names: string[]) =>
    route(
      names.map((name, index) => target(name, { weight: index + 1 })),
      { strategy: 'weighted', sticky: true },
    )
  const firstOf = (asked: ModelRoute, stickyKey: string) => routing().models(query(asked, { stickyKey }))[0]

  test('keep their target, whatever the dice say', () => {
    const random = seeded(1)
    const asked = query(weighted('a', 'b', 'c'), { stickyKey: 's' })

    expect(new Set(Array.from({ length: 50 }, () => routing({ random }).models(asked)[0])).size).toBe(1)
  })

  test('are spread by weight', () => {
    const share = shares((index) => query(weighted('a', 'b', 'c'), { stickyKey: `s${index}` }))

    expect(share('a')).toBeCloseTo(1 / 6, 1)
    expect(share('c')).toBeCloseTo(1 / 2, 1)
  })

  test('move only when their own target goes', () => {
    for (let index = 0; index < 200; index++) {
      const before = firstOf(weighted('a', 'b', 'c'), `s${index}`)
      const after = firstOf(weighted('a', 'b'), `s${index}`)

      if (before !== 'c') expect(after).toBe(before)
    }
  })

  test('go elsewhere while it is ejected, and come back', () => {
    const { router, models, clock } = routing()
    const asked = query(weighted('a', 'b'), { stickyKey: 's' })
    const [home, other] = models(asked)
    router.begin(target(home!), false)?.failed(failure('rate_limited'))

    expect(models(asked)).toEqual([other, home])
    clock.ms += 5_000
    expect(models(asked)).toEqual([home, other])
  })
})

const KINDS: readonly FailureKind[] = ['server', 'timeout', 'rate_limited', 'auth', 'billing', 'not_found', 'bad_request']

test('whatever fails, no target outside the pins is ever returned', () => {
  const region = fc.constantFrom('eu', 'us', 'ch', undefined)
  const pins = fc.option(fc.uniqueArray(fc.constantFrom<string>('eu', 'us', 'ch'), { minLength: 1 }), { nil: undefined })
  const strategy = fc.constantFrom('ordered', 'weighted', 'lowest_latency', 'lowest_cost')
  fc.assert(
    fc.property(
      fc.record({
        regions: fc.array(region, { minLength: 1, maxLength: 6 }),
        route: pins,
        grant: pins,
        strategy,
        sticky: fc.boolean(),
        canary: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
        outcomes: fc.array(fc.constantFrom(...KINDS, 'ok'), { maxLength: 60 }),
        seed: fc.integer(),
      }),
      ({ regions, strategy: chosen, sticky, canary, outcomes, seed, ...given }) => {
        const { router, clock } = routing({ random: seeded(seed) })
        const targets = regions.map((one, index) =>
          target(`m${index}`, {
            ...(one === undefined ? {} : { region: one }),
            ...(index === 1 && canary !== undefined ? { canary } : {}),
          }),
        )
        const asked = query(
          route(targets, { strategy: chosen, sticky, ...(given.route === undefined ? {} : { regions: given.route }) }),
          given.grant === undefined ? {} : { grant: { regions: given.grant } },
        )
        const isInside = (one: ModelTarget) =>
          [given.route, given.grant].every(
            (list) => list === undefined || (one.region !== undefined && list.includes(one.region)),
          )
        for (const outcome of outcomes) {
          const plan = router.plan(asked)
          expect(plan.targets.every(isInside)).toBe(true)
          expect(new Set(plan.targets).size).toBe(plan.targets.length)
          if (targets.some((one) => isInside(one) && one.canary === undefined)) expect(plan.targets.length).toBeGreaterThan(0)
          plan.targets.forEach((one, index) => {
            const begun = router.begin(one, index === plan.targets.length - 1)
            if (outcome === 'ok') begun?.succeeded(10)
            else begun?.failed(failure(outcome))
          })
          clock.ms += 700
        }
      },
    ),
    { numRuns: 200 },
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GatewayEvent } from '../../../src/core/events.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Principal } from '../../../src/core/principal.ts'
import type { BudgetRule } from '../../../src/core/snapshot.ts'
import { periodOf } from '../../../src/metering/budget-period.ts'
import { allocateBalances } from '../../../src/metering/balances.ts'
import { type BudgetsDeps, createBudgets as createWorkerBudgets } from '../../../src/metering/budgets.ts'
import type { SpendScope, UsageQuery, UsageRow } from '../../../src/metering/contract.ts'

const NOON = Date.UTC(2026, 10, 23, 12)
const where = { file: 'catalogs/a.json', line: 1, column: 1, path: '$.budgets[0]' }
const monthly = (fields: Partial<BudgetRule> = {}): BudgetRule => ({
  id: 'a#0',
  catalog: 'a',
  nanoUsd: 1_000,
  per: 'month',
  by: 'catalog',
  rule: where,
  ...fields,
})

function scope(team = 'research', session = 'run', at = NOON): SpendScope {
  const principal: Principal = { issuer: 'i', subject: team, kind: 'agent', team, groups: [], roles: [], scopes: [] }
  return { identity: { principal, key: team, method: 'jwt' }, session, at }
}

type BudgetsPlan = Pick<BudgetsDeps, 'query' | 'report' | 'now'> & { readonly maxBalances?: number; readonly maxPeriods?: number }

function createBudgets({ query, report, now, maxBalances = 1_000, maxPeriods = 1_000 }: BudgetsPlan) {
  const memory = allocateBalances({ workers: 1, maxSessions: maxBalances, maxPeriods })
  return createWorkerBudgets({ query, report, now, memory, worker: 0 })
}

async function opened(budgets: readonly BudgetRule[], rows: readonly Partial<UsageRow>[] = []) {
  const events: GatewayEvent[] = []
  const asked: UsageQuery[] = []
  const live = createBudgets({
    // Only what a balance is made of is read.
    query: async (query) => {
      asked.push(query)
      return rows as readonly UsageRow[]
    },
    report: (event) => events.push(event),
    now: () => NOON,
  })
  await live.prepare(budgets)
  return { live, events, asked }
}

describe('periods are calendar periods in UTC', () => {
  test.each([
    ['hour', '2026-11-23T12:30:00Z', '2026-11-23T12:00:00Z', '2026-11-23T13:00:00Z'],
    ['day', '2026-11-23T12:30:00Z', '2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z'],
    ['week', '2026-11-29T23:59:59Z', '2026-11-23T00:00:00Z', '2026-11-30T00:00:00Z'],
    ['week', '2026-11-23T00:00:00Z', '2026-11-23T00:00:00Z', '2026-11-30T00:00:00Z'],
    ['month', '2026-12-31T23:00:00Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['month', '2028-02-29T23:00:00Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z'],
  ] as const)('%s at %s', (per, at, from, to) => {
    expect(periodOf(per, Date.parse(at))).toEqual({ from: Date.parse(from), to: Date.parse(to) })
  })
})

describe('budgets', () => {
  test('what is reserved counts until it is settled', async () => {
    const { live } = await opened([monthly()])

    const first = live.reserve([monthly()], scope(), 700)
    expect(live.reserve([monthly()], scope(), 400)).toMatchObject({ granted: false, budget: { id: 'a#0' } })
    if (first.granted) first.settle(100)

    expect(live.reserve([monthly()], scope(), 400)).toMatchObject({ granted: true })
    expect(live.balance(monthly(), scope())).toEqual({ spent: 100, reserved: 400 })
  })

  test('a spent budget refuses even a call that costs nothing, and says when the period ends', async () => {
    const { live } = await opened([monthly({ per: 'day' })], [{ group: {}, nanoUsd: 1_000 }])

    expect(live.reserve([monthly({ per: 'day' })], scope(), 0)).toMatchObject({ granted: false, retryAfterSeconds: 43_200 })
  })

  test('all budgets grant or none is touched', async () => {
    const [wide, tight] = [monthly({ id: 'a#0' }), monthly({ id: 'a#1', per: 'day', nanoUsd: 10 })]
    const { live } = await opened([wide, tight])

    expect(live.reserve([wide, tight], scope(), 500)).toMatchObject({ granted: false, budget: { id: 'a#1' } })

    expect(live.balance(wide, scope())).toEqual({ spent: 0, reserved: 0 })
  })

  test('each team has its own balance, read from the ledger at the start', async () => {
    const byTeam = monthly({ by: 'team' })
    const { live, asked } = await opened([byTeam], [{ group: { issuer: 'i', org: null, team: 'research' }, nanoUsd: 950 }])

    expect(live.reserve([byTeam], scope('research'), 100)).toMatchObject({ granted: false })
    expect(live.reserve([byTeam], scope('support'), 100)).toMatchObject({ granted: true })
    expect(asked).toMatchObject([{ from: Date.UTC(2026, 10, 1), by: ['issuer', 'org', 'team'], where: { catalog: 'a' } }])
  })

  test('a run has its own balance, and a run of another principal with the same name another one', async () => {
    const perRun = monthly({ per: 'session' })
    const { live } = await opened([perRun])

    const first = live.reserve([perRun], scope('research', 'run'), 900)
    if (first.granted) first.settle(900)

    expect(live.reserve([perRun], scope('research', 'run'), 200)).toMatchObject({ granted: false })
    expect(live.reserve([perRun], scope('research', 'other'), 200)).toMatchObject({ granted: true })
    expect(live.reserve([perRun], scope('support', 'run'), 200)).toMatchObject({ granted: true })
  })

  test('a budget whose balance is not read yet refuses instead of beginning at zero', async () => {
    const { live } = await opened([])

    expect(live.reserve([monthly()], scope(), 1)).toMatchObject({ granted: false, retryAfterSeconds: 1 })
  })

  test('a new amount keeps the balance', async () => {
    const { live, asked } = await opened([monthly()])
    const first = live.reserve([monthly()], scope(), 600)
    if (first.granted) first.settle(600)

    await live.prepare([monthly({ nanoUsd: 500 })])

    expect(live.reserve([monthly({ nanoUsd: 500 })], scope(), 1)).toMatchObject({ granted: false })
    expect(asked).toHaveLength(1)
  })

  test('the soft threshold is told once', async () => {
    const soft = monthly({ soft: 0.5 })
    const { live, events } = await opened([soft])

    for (let count = 0; count < 3; count += 1) {
      const call = live.reserve([soft], scope(), 300)
      if (call.granted) call.settle(300)
    }

    expect(events).toEqual([{ type: 'budget-soft', budget: 'a#0', spentNanoUsd: 600, nanoUsd: 1_000 }])
  })

  test('however calls overlap, the balance is the sum of what was settled, and nothing stays reserved', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(500), fc.nat(500), fc.boolean()), { maxLength: 40 }), async (calls) => {
        const budget = monthly({ nanoUsd: 1_000_000 })
        const { live } = await opened([budget])
        const open: (() => void)[] = []
        let sum = 0
        for (const [reserved, cost, isLate] of calls) {
          const reservation = live.reserve([budget], scope(), reserved)
          if (!reservation.granted) continue
          sum += cost
          if (isLate) open.push(() => reservation.settle(cost))
          else reservation.settle(cost)
        }
        for (const settle of open) settle()

        expect(live.balance(budget, scope())).toEqual({ spent: sum, reserved: 0 })
      }),
      { numRuns: 100 },
    )
  })
})

describe('balances are read from the ledger', () => {
  /** A ledger whose answers the test gives one by one. */
  function waiting(fields: { readonly maxBalances?: number } = {}) {
    const events: GatewayEvent[] = []
    const asked: { readonly query: UsageQuery; answer(rows: readonly Partial<UsageRow>[]): void; fail(error: Error): void }[] = []
    const clock = { now: NOON }
    const live = createBudgets({
      query: (query) =>
        new Promise((resolve, reject) => {
          asked.push({ query, answer: (rows) => resolve(rows as readonly UsageRow[]), fail: reject })
        }),
      report: (event) => events.push(event),
      now: () => clock.now,
      ...fields,
    })
    return { live, events, asked, clock }
  }

  const spent = (live: { balance: ReturnType<typeof createBudgets>['balance'] }, budget: BudgetRule) =>
    live.balance(budget, scope()).spent

  test('more groups than one answer holds are read by spans of time, whose sums are added', async () => {
    const perRun = monthly({ per: 'session' })
    const runs = Array.from({ length: 25 }, (_value, index) => ({
      session: `run ${index % 20}`,
      at: NOON - index * 3_600_000 + 1,
    }))
    const budgets = createBudgets({
      async query({ from, to }) {
        const found = runs.filter(({ at }) => at >= from && at < to)
        if (new Set(found.map(({ session }) => session)).size > 3) throw new GatewayError('invalid_request', 'more than 3 groups')
        // Only what a balance is made of is read.
        return found.map(({ session }) => ({
          group: { issuer: 'i', org: null, subject: 'research', session },
          nanoUsd: 10,
        })) as unknown as readonly UsageRow[]
      },
      report: () => undefined,
      now: () => NOON,
    })

    await budgets.prepare([perRun])

    expect(budgets.balance(perRun, scope('research', 'run 1')).spent).toBe(20)
    expect(budgets.balance(perRun, scope('research', 'run 19')).spent).toBe(10)
    expect(budgets.reserve([perRun], scope('research', 'new'), 1)).toMatchObject({ granted: true })
  })

  test('a ledger that cannot be read refuses calls, is reported, and is asked again when calls come', async () => {
    const { live, events, asked, clock } = waiting()
    const prepared = live.prepare([monthly()])
    await Promise.resolve()
    asked[0]?.fail(new Error('disk'))

    await expect(prepared).resolves.toBeUndefined()
    expect(events).toMatchObject([{ type: 'internal-error' }])
    expect(live.reserve([monthly()], scope(), 1)).toMatchObject({ granted: false, retryAfterSeconds: 1 })
    clock.now += 1_001
    live.reserve([monthly()], scope(), 1)
    await Promise.resolve()
    await Promise.resolve()
    asked[1]?.answer([{ group: {}, nanoUsd: 30 }])
    await live.prepare([monthly()])

    expect(asked).toHaveLength(2)
    expect(spent(live, monthly())).toBe(30)
    expect(live.reserve([monthly()], scope(), 1)).toMatchObject({ granted: true })
  })

  test('two readings at one time count nothing twice', async () => {
    const { live } = await opened([])
    const { live: twice, asked } = waiting()

    const [first, second] = [twice.prepare([monthly()]), twice.prepare([monthly()])]
    await Promise.resolve()
    for (const one of asked) one.answer([{ group: {}, nanoUsd: 400 }])
    await first
    for (const one of asked) one.answer([{ group: {}, nanoUsd: 400 }])
    await second

    expect(spent(twice, monthly())).toBe(400)
    expect(spent(live, monthly())).toBe(0)
  })

  test('a budget that is taken away and comes back has the balance of the ledger, and keeps what is reserved', async () => {
    const { live, asked } = waiting()
    const first = live.prepare([monthly()])
    await Promise.resolve()
    asked[0]?.answer([{ group: {}, nanoUsd: 100 }])
    await first
    const early = live.reserve([monthly()], scope(), 50)
    const during = live.reserve([monthly()], scope(), 60)
    const late = live.reserve([monthly()], scope(), 70)

    await live.prepare([])
    if (early.granted) early.settle(5)
    const again = live.prepare([monthly()])
    await Promise.resolve()
    await Promise.resolve()
    if (during.granted) during.settle(6)
    asked[1]?.answer([{ group: {}, nanoUsd: 105 }])
    await again

    expect(live.balance(monthly(), scope())).toEqual({ spent: 111, reserved: 70 })
    if (late.granted) late.settle(7)
    expect(live.balance(monthly(), scope())).toEqual({ spent: 118, reserved: 0 })
  })
})

describe('balances in memory', () => {
  test('a flood of run names forgets no balance of a month and no run that is under way', async () => {
    const [perRun, perTeam] = [monthly({ per: 'session' }), monthly({ id: 'a#1', by: 'team', nanoUsd: 1_000_000 })]
    const live = createBudgets({ query: async () => [], report: () => undefined, now: () => NOON, maxBalances: 10 })
    await live.prepare([perRun, perTeam])
    const other = live.reserve([perTeam], scope('support'), 900)
    if (other.granted) other.settle(900)
    const long = live.reserve([perRun], scope('research', 'long'), 600)

    for (let count = 0; count < 500; count += 1) {
      const call = live.reserve([perRun, perTeam], scope('research', `flood ${count}`), 1)
      if (call.granted) call.settle(1)
    }

    expect(live.balance(perTeam, scope('support')).spent).toBe(900)
    expect(live.balance(perTeam, scope('research')).spent).toBe(500)
    expect(live.reserve([perRun], scope('research', 'long'), 600)).toMatchObject({ granted: false })
    if (long.granted) long.settle(600)
    expect(live.balance(perRun, scope('research', 'long'))).toEqual({ spent: 600, reserved: 0 })
  })

  test('a refused call leaves nothing behind', async () => {
    const perRun = monthly({ per: 'session' })
    const live = createBudgets({ query: async () => [], report: () => undefined, now: () => NOON, maxBalances: 2 })
    await live.prepare([perRun])
    for (const run of ['a', 'b']) {
      const call = live.reserve([perRun], scope('research', run), 10)
      if (call.granted) call.settle(10)
    }

    for (let count = 0; count < 50; count += 1) live.reserve([perRun], scope('research', `refused ${count}`), 2_000)

    expect(live.balance(perRun, scope('research', 'a')).spent).toBe(10)
    expect(live.balance(perRun, scope('research', 'b')).spent).toBe(10)
  })

  test('a period that is over makes room, but for what is still reserved in it', async () => {
    const clock = { now: NOON }
    const hourly = monthly({ per: 'hour', by: 'team' })
    const live = createBudgets({ query: async () => [], report: () => undefined, now: () => clock.now, maxPeriods: 2 })
    await live.prepare([hourly])
    const open = live.reserve([hourly], scope('a'), 10)
    const done = live.reserve([hourly], scope('b'), 10)
    if (done.granted) done.settle(10)

    expect(live.reserve([hourly], scope('c'), 10)).toMatchObject({ granted: false })
    clock.now += 3_600_000
    expect(live.reserve([hourly], scope('c', 'run', clock.now), 10)).toMatchObject({ granted: true })

    if (open.granted) open.settle(10)
    expect(live.balance(hourly, scope('a'))).toEqual({ spent: 10, reserved: 0 })
    expect(live.balance(hourly, scope('b'))).toEqual({ spent: 0, reserved: 0 })
  })
})

import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import type { BudgetRule } from '../../src/core/snapshot.ts'
import { allocateBalances } from '../../src/metering/balances.ts'
import { createBudgets } from '../../src/metering/budgets.ts'
import { createLedger } from '../../src/metering/ledger.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { entry } from '../unit/metering/entry-fixture.ts'

it('more runs than the ledger answers at once are balances all the same', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder()
  const now = Date.now()
  const ledger = await createLedger({
    directory: folder.path,
    durability: 'process',
    report: () => undefined,
    now: () => performance.now(),
  })
  const records = Array.from({ length: 10_001 }, (_value, index) =>
    ledger.record(entry({ id: randomUUID(), at: now - index * 1_000, session: `run ${index}`, nanoUsd: index })),
  )
  await Promise.all(records)
  const perRun: BudgetRule = {
    id: 'research#0',
    catalog: 'research',
    nanoUsd: 20_000,
    per: 'session',
    by: 'catalog',
    rule: { file: 'catalogs/research.json', line: 1, column: 1, path: '$' },
  }
  const events: string[] = []
  const budgets = createBudgets({
    query: (query) => ledger.query(query),
    report: ({ type }) => events.push(type),
    now: () => now,
    memory: allocateBalances({ workers: 1, maxSessions: 20_000, maxPeriods: 1_000 }),
    worker: 0,
  })

  await budgets.prepare([perRun])
  await ledger.close()

  const spent = (session: string) => {
    const { issuer, subject } = entry({})
    const principal = { issuer, subject, kind: 'agent' as const, groups: [], roles: [], scopes: [] }
    return budgets.balance(perRun, { identity: { principal, key: subject, method: 'jwt' }, session, at: now }).spent
  }
  expect(events).toEqual([])
  expect([spent('run 1'), spent('run 5000'), spent('run 10000')]).toEqual([1, 5_000, 10_000])
})

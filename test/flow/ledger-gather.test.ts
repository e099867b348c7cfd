import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createLedger } from '../../src/metering/ledger.ts'
import { entry } from '../unit/metering/entry-fixture.ts'

const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER, where: {} }
const WATCHED_MS = 1_500

test('a steady flow of entries is a few transactions, and a question need not wait for the next one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-gather-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const ledger = await createLedger({
    directory,
    durability: 'process',
    report: () => undefined,
    now: () => performance.now(),
  })
  onTestFinished(() => ledger.close())
  await ledger.record(entry({ id: 'first' }))
  await ledger.query({ ...ALL, by: [] })
  using reader = new DatabaseSync(join(directory, 'ledger', 'ledger.db'), { readOnly: true })
  const version = reader.prepare('PRAGMA data_version')
  const commits = new Set([version.get()?.['data_version']])

  const began = performance.now()
  let count = 1
  for (; performance.now() - began < WATCHED_MS; count += 1) {
    await ledger.record(entry({ id: `id-${count}`, at: count }))
    commits.add(version.get()?.['data_version'])
    await pause(5)
  }
  const [row] = await ledger.query({ ...ALL, by: [] })

  expect(row?.calls).toBe(count)
  expect(commits.size).toBeGreaterThan(1)
  expect(commits.size).toBeLessThanOrEqual(2 + WATCHED_MS / 250)
})

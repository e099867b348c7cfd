// A state folder of an earlier version: its index is of one wide table, its journal of longer lines.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { expect, onTestFinished, test } from 'vitest'
import type { GatewayEvent } from '../../src/core/events.ts'
import { readLedgerFiles } from '../../src/metering/ledger-files.ts'
import { createLedger } from '../../src/metering/ledger.ts'
import { writeEarlierLedger } from '../support/earlier-ledger.ts'
import { entry } from '../unit/metering/entry-fixture.ts'

const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER, where: {} }
const INDEXED = [1, 2, 3].map((number) => entry({ id: `id-${number}`, at: number, nanoUsd: 2 ** 52 + number }))
const WAITING = [4, 5].map((number) => entry({ id: `id-${number}`, at: number, team: 'other', gatewayMs: 0.1 + 0.2 }))

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-upgrade-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('every entry of an earlier version is there once, with what comes after it, and its money is exact', async () => {
  const directory = folder()
  writeEarlierLedger(directory, INDEXED, WAITING)
  const events: GatewayEvent[] = []
  const now = () => performance.now()
  const ledger = await createLedger({ directory, durability: 'process', report: (event) => void events.push(event), now })
  onTestFinished(() => ledger.close())
  const fresh = entry({ id: 'id-6', at: 6 })

  await ledger.record(fresh)

  expect(await ledger.entries({ ...ALL, limit: 10 })).toEqual([fresh, ...[...INDEXED, ...WAITING].toReversed()])
  expect((await ledger.query({ ...ALL, by: ['team'] })).map(({ group, calls, nanoUsd }) => [group.team, calls, nanoUsd])).toEqual(
    [
      ['research', 4, (3n * 2n ** 52n + 6n + 2_000_000n).toString()],
      ['other', 2, 4_000_000],
    ],
  )
  expect(events).toEqual([])
  expect(ledger.status()).toMatchObject({ corruptLines: 0, backlogBytes: 0 })
})

test('read without a gateway, the index of an earlier version says what to do', async () => {
  const directory = folder()
  writeEarlierLedger(directory, INDEXED, WAITING)

  const reading = readLedgerFiles(directory, (ledger) => ledger.entries({ ...ALL, limit: 10 }))

  await expect(reading).rejects.toThrow(/has schema 2, this program reads 3; start the gateway once/)
})

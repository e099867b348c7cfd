import { mkdtempSync, rmSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GatewayEvent } from '../../src/core/events.ts'
import { createLedger, type JournalLedger, type LedgerOptions } from '../../src/metering/ledger.ts'
import { entry } from '../unit/metering/entry-fixture.ts'

let directory: string
let events: GatewayEvent[]
const opened: JournalLedger[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tollgate-ledger-'))
  events = []
})

afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close()
  rmSync(directory, { recursive: true, force: true })
})

async function open(options: Partial<LedgerOptions> = {}): Promise<JournalLedger> {
  const ledger = await createLedger({
    directory,
    durability: 'process',
    report: (event) => events.push(event),
    now: () => performance.now(),
    ...options,
  })
  opened.push(ledger)
  return ledger
}

async function close(ledger: JournalLedger): Promise<void> {
  opened.splice(opened.indexOf(ledger), 1)
  await ledger.close()
}

const id = (number: number) => `01900000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`
const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER, where: {} }

describe.each(['process', 'strict'] as const)('a ledger with durability %s', (durability) => {
  test('answers a question about what was recorded right before it', async () => {
    const ledger = await open({ durability })
    const one = entry({ id: id(1), durationMs: 1.25, labels: '{"reads":"private"}' })
    await Promise.all([ledger.record(one), ledger.record(entry({ id: id(2), team: null, status: 'denied', nanoUsd: null }))])

    const rows = await ledger.query({ ...ALL, by: ['team'] })

    expect(rows.map(({ group, calls, denied, nanoUsd, unpriced }) => ({ group, calls, denied, nanoUsd, unpriced }))).toEqual([
      { group: { team: null }, calls: 1, denied: 1, nanoUsd: 0, unpriced: 1 },
      { group: { team: 'research' }, calls: 1, denied: 0, nanoUsd: 2_000_000, unpriced: 0 },
    ])
    expect(await ledger.entries({ ...ALL, where: { team: 'research' }, limit: 10 })).toEqual([one])
  })

  test('keeps everything over a restart, also across segments', async () => {
    const first = await open({ durability, segmentBytes: 2_000 })
    for (let number = 0; number < 50; number += 1) await first.record(entry({ id: id(number) }))
    await close(first)

    const second = await open({ durability, segmentBytes: 2_000 })
    await second.record(entry({ id: id(50) }))

    expect((await second.query({ ...ALL, by: [] }))[0]?.calls).toBe(51)
    expect(readdirSync(join(directory, 'ledger')).filter((name) => name.endsWith('.bad'))).toEqual([])
    expect(events).toEqual([])
  })
})

test('a second gateway on the same state folder is refused', async () => {
  await open()

  await expect(open()).rejects.toThrow(/in use by another gateway \(process \d+\)/)
})

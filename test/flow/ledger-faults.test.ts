// The ledger on bad days: lines cut anywhere, lines that lie, disks that are full, a sync that fails, an index behind or broken.
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { GatewayEvent } from '../../src/core/events.ts'
import { DISK, type JournalFiles } from '../../src/metering/journal-files.ts'
import { encodeEntry } from '../../src/metering/journal-line.ts'
import { segmentPath } from '../../src/metering/journal-reader.ts'
import { indexUpTo } from '../../src/metering/indexing.ts'
import { LedgerIndex } from '../../src/metering/ledger-index.ts'
import { createLedger, type JournalLedger, type LedgerOptions } from '../../src/metering/ledger.ts'
import { entry } from '../unit/metering/entry-fixture.ts'

const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER, where: {} }

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-ledger-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function open(
  directory: string,
  options: Partial<LedgerOptions> = {},
): Promise<JournalLedger & { events: GatewayEvent[] }> {
  const events: GatewayEvent[] = []
  const report = (event: GatewayEvent) => void events.push(event)
  const ledger = await createLedger({
    directory,
    durability: 'process',
    report,
    now: () => performance.now(),
    retryMs: 20,
    ...options,
  })
  onTestFinished(() => ledger.close())
  return Object.assign(ledger, { events })
}

const idsOf = async (ledger: JournalLedger) => (await ledger.entries({ ...ALL, limit: 1_000 })).map(({ id }) => id).toSorted()

/** Files whose writes or syncs fail while the matching switch is on. */
function badDisk() {
  const state = { full: false, syncFails: false, failures: 0, onFailure: () => undefined as void }
  const failing = (code: string) => {
    state.failures += 1
    state.onFailure()
    return Object.assign(new Error(`${code}: lent failure`), { code })
  }
  const files: JournalFiles = {
    ...DISK,
    write: (file, data, offset) => {
      if (!state.full) return DISK.write(file, data, offset)
      // As a real disk does it: the last bytes that fit, then nothing.
      if (offset === 0 && data.length > 10) return DISK.write(file, data.subarray(0, 10), 0)
      throw failing('ENOSPC')
    },
    sync: (file) => (state.syncFails ? Promise.reject(failing('EIO')) : DISK.sync(file)),
  }
  const nextFailure = () => new Promise<void>((resolve) => (state.onFailure = resolve))
  return { state, files, nextFailure }
}

test('a last line cut at any byte is left out, every line before it is kept', async () => {
  const directory = folder()
  const lines = [1, 2, 3].map((number) => encodeEntry(entry({ id: `id-${number}`, target: 'zoë\n\u2028😀' })))
  const whole = Buffer.from(lines.join(''))
  const lastStart = Buffer.byteLength(lines.slice(0, 2).join(''))

  for (let cut = lastStart; cut <= whole.length; cut += 1) {
    writeFileSync(segmentPath(directory, 1), whole.subarray(0, cut))
    const index = new LedgerIndex(':memory:')
    for (const step of indexUpTo(directory, index, { segment: 2, offset: 0 })) expect(step.kept).toBe(0)
    const ids = (await index.entries({ ...ALL, limit: 10 })).map(({ id }) => id).toSorted()
    index.close()
    expect({ cut, ids }).toEqual({ cut, ids: cut === whole.length ? ['id-1', 'id-2', 'id-3'] : ['id-1', 'id-2'] })
  }
  expect(readdirSync(directory)).toEqual([])
})

test('whatever is cut, doubled or read in pieces: known lines once each, strange lines aside, nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ id: fc.integer({ min: 0, max: 12 }), junk: fc.boolean() }), { maxLength: 30 }),
      fc.array(fc.nat({ max: 40 }), { maxLength: 6 }),
      async (writes, stops) => {
        const directory = mkdtempSync(join(tmpdir(), 'tollgate-model-'))
        const index = new LedgerIndex(':memory:')
        const lines = writes.map(({ id, junk }) =>
          Buffer.from(junk ? 'deadbeef ["not","this"]\n' : encodeEntry(entry({ id: `id-${id}` }))),
        )
        const ends = lines.map((_line, place) => Buffer.concat(lines.slice(0, place + 1)).length)
        writeFileSync(segmentPath(directory, 1), Buffer.concat(lines))

        for (const stop of stops.toSorted((left, right) => left - right)) {
          const end = ends[stop]
          if (end !== undefined) for (const _step of indexUpTo(directory, index, { segment: 1, offset: end }));
        }
        for (const _step of indexUpTo(directory, index, { segment: 2, offset: 0 }));
        const ids = (await index.entries({ ...ALL, limit: 1_000 })).map(({ id }) => id).toSorted()
        index.close()
        const junk = writes.filter((write) => write.junk).length
        const aside = junk === 0 ? [] : readFileSync(join(directory, 'journal-1.bad'), 'utf8').split('\n').slice(0, -1)
        rmSync(directory, { recursive: true })

        expect(ids).toEqual([...new Set(writes.filter((write) => !write.junk).map(({ id }) => `id-${id}`))].toSorted())
        expect(aside.length).toBe(junk)
      },
    ),
    { numRuns: 40 },
  )
})

test('a line that was changed on the disk is counted, reported and kept aside; its neighbours are indexed', async () => {
  const directory = folder()
  mkdirSync(join(directory, 'ledger'), { recursive: true })
  const good = [1, 2].map((number) => encodeEntry(entry({ id: `id-${number}` })))
  const lie = encodeEntry(entry({ id: 'id-3' })).replace('research', 'research2')
  writeFileSync(segmentPath(join(directory, 'ledger'), 1), [good[0], lie, good[1]].join(''))

  const ledger = await open(directory)

  expect(await idsOf(ledger)).toEqual(['id-1', 'id-2'])
  expect(ledger.status().corruptLines).toBe(1)
  expect(ledger.events).toMatchObject([{ type: 'internal-error' }])
  expect(readFileSync(join(directory, 'ledger', 'journal-1.bad'), 'utf8')).toBe(lie)
})

test('an entry the table cannot hold is kept aside and does not stop the others', async () => {
  const ledger = await open(folder())

  await Promise.all([ledger.record(entry({ id: 'id-1', at: Number.NaN })), ledger.record(entry({ id: 'id-2' }))])

  expect(await idsOf(ledger)).toEqual(['id-2'])
  expect(ledger.status().corruptLines).toBe(1)
})

test.each(['process', 'strict'] as const)(
  'a full disk (%s): work is refused, entries wait, all are there once space is back',
  async (durability) => {
    const { state, files, nextFailure } = badDisk()
    const ledger = await open(folder(), { durability, files })
    await ledger.record(entry({ id: 'id-1' }))

    state.full = true
    const failed = nextFailure()
    const waiting = ledger.record(entry({ id: 'id-2' }))
    await failed
    expect(() => ledger.assertWritable()).toThrow(expect.objectContaining({ code: 'ledger_unavailable', retryAfterSeconds: 1 }))
    expect(ledger.status()).toMatchObject({ writable: false, reason: 'the ledger cannot be written: ENOSPC' })
    const later = ledger.record(entry({ id: 'id-3' }))
    await nextFailure()
    state.full = false
    await Promise.all([waiting, later])

    expect(() => ledger.assertWritable()).not.toThrow()
    expect(await idsOf(ledger)).toEqual(['id-1', 'id-2', 'id-3'])
    expect(ledger.events).toEqual([{ type: 'ledger-unavailable', reason: 'the ledger cannot be written: ENOSPC' }])
    expect(ledger.status()).toMatchObject({ writable: true, queuedBytes: 0, corruptLines: 0 })
  },
)

test('a full disk: memory is bounded and nobody waits for ever; what was taken is written later', async () => {
  const { state, files, nextFailure } = badDisk()
  const ledger = await open(folder(), { files, queueBytes: 2_000, waitMs: 50 })
  state.full = true

  const taken = ledger.record(entry({ id: 'id-1' }))
  const more = await Promise.allSettled(Array.from({ length: 20 }, (_, number) => ledger.record(entry({ id: `more-${number}` }))))
  expect(more.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'ledger_unavailable' } })
  await expect(taken).rejects.toMatchObject({ code: 'ledger_unavailable' })
  expect(ledger.status().queuedBytes).toBeLessThanOrEqual(2_000)
  await nextFailure()
  state.full = false
  await ledger.record(entry({ id: 'id-2' })).catch(() => undefined)

  await expect.poll(() => ledger.status().writable).toBe(true)
  expect(await idsOf(ledger)).toContain('id-1')
})

test('a full disk with a spill: calls go on until it is nearly full, status says why, and everything is there afterwards', async () => {
  const { state, files, nextFailure } = badDisk()
  const ledger = await open(folder(), { files, spillBytes: 8_000 })
  state.full = true

  await ledger.record(entry({ id: 'id-00' }))
  expect(() => ledger.assertWritable()).not.toThrow()
  expect(ledger.status()).toMatchObject({
    writable: true,
    reason: 'the ledger cannot be written: ENOSPC; entries wait in memory',
    spilledBytes: ledger.status().queuedBytes,
  })
  const taken = ['id-00']
  for (let number = 1; ledger.status().writable; number += 1) {
    await ledger.record(entry({ id: `id-${String(number).padStart(2, '0')}` }))
    taken.push(`id-${String(number).padStart(2, '0')}`)
  }
  expect(() => ledger.assertWritable()).toThrow(expect.objectContaining({ code: 'ledger_unavailable' }))
  expect(ledger.status()).toMatchObject({ writable: false, reason: 'the ledger cannot be written: ENOSPC' })
  await nextFailure()
  state.full = false
  await expect.poll(() => ledger.status().spilledBytes).toBe(0)

  expect(taken.length).toBeGreaterThan(3)
  expect(await idsOf(ledger)).toEqual(taken)
  expect(ledger.events).toHaveLength(1)
  expect(ledger.status()).toMatchObject({ writable: true, queuedBytes: 0 })
})

test('a failed sync (strict): nothing is acknowledged before a later sync worked, and nothing is there twice', async () => {
  const { state, files, nextFailure } = badDisk()
  const ledger = await open(folder(), { durability: 'strict', files })
  state.syncFails = true
  const failed = nextFailure()
  let acknowledged = false

  const recorded = ledger.record(entry({ id: 'id-1' })).then(() => (acknowledged = true))
  await failed
  await nextFailure()
  expect(acknowledged).toBe(false)
  state.syncFails = false
  await recorded

  expect(await idsOf(ledger)).toEqual(['id-1'])
})

test('an index too far behind its journal stops new work', async () => {
  const ledger = await open(folder(), { backlogBytes: 100 })

  await ledger.record(entry())

  expect(() => ledger.assertWritable()).toThrow(expect.objectContaining({ code: 'ledger_unavailable' }))
  await ledger.query({ ...ALL, by: [] })
  expect(() => ledger.assertWritable()).not.toThrow()
})

test('a copy of an older index put back is filled again without doubles', async () => {
  const directory = folder()
  const path = join(directory, 'ledger', 'ledger.db')
  const first = await createLedger({ directory, durability: 'process', report: () => undefined, now: () => performance.now() })
  await first.record(entry({ id: 'id-1' }))
  expect(await idsOf(first)).toEqual(['id-1'])
  await first.close()
  copyFileSync(path, `${path}.copy`)
  const second = await createLedger({ directory, durability: 'process', report: () => undefined, now: () => performance.now() })
  await second.record(entry({ id: 'id-2' }))
  expect(await idsOf(second)).toEqual(['id-1', 'id-2'])
  await second.close()
  copyFileSync(`${path}.copy`, path)
  appendFileSync(
    segmentPath(join(directory, 'ledger'), 9),
    [1, 3].map((number) => encodeEntry(entry({ id: `id-${number}` }))).join(''),
  )

  const third = await open(directory)

  expect(await idsOf(third)).toEqual(expect.arrayContaining(['id-1', 'id-3']))
  expect((await idsOf(third)).length).toBe(new Set(await idsOf(third)).size)
})

test('a journal whose numbers begin anew, because files were removed by hand, is indexed all the same', async () => {
  const directory = folder()
  const first = await createLedger({
    directory,
    durability: 'process',
    report: () => undefined,
    now: () => performance.now(),
    segmentBytes: 100,
  })
  for (const id of ['id-1', 'id-2', 'id-3']) await first.record(entry({ id }))
  await first.query({ ...ALL, by: [] })
  const copy = folder()
  cpSync(directory, copy, { recursive: true })
  await first.close()
  for (const name of readdirSync(join(copy, 'ledger'))) if (name.endsWith('.log')) rmSync(join(copy, 'ledger', name))

  const second = await open(copy)
  await second.record(entry({ id: 'id-4' }))

  expect(await idsOf(second)).toEqual(['id-1', 'id-2', 'id-3', 'id-4'])
})

test('an orderly end leaves no journal behind once a question or a moment has brought everything into the index', async () => {
  const directory = folder()
  const ledger = await createLedger({ directory, durability: 'process', report: () => undefined, now: () => performance.now() })
  await ledger.record(entry())
  await ledger.query({ ...ALL, by: [] })
  await ledger.close()

  expect(readdirSync(join(directory, 'ledger')).filter((name) => name.startsWith('journal'))).toEqual([])
  expect(await idsOf(await open(directory))).toHaveLength(1)
})

test('a thread that cannot open its index is started again until it can, and misses nothing', async () => {
  const directory = folder()
  const path = join(directory, 'ledger', 'ledger.db')
  mkdirSync(join(directory, 'ledger'), { recursive: true })
  const hollow = new DatabaseSync(path)
  hollow.exec('PRAGMA user_version = 1')
  hollow.close()
  const ledger = await open(directory)

  await Promise.all(['id-1', 'id-2'].map((id) => ledger.record(entry({ id }))))
  await expect(ledger.query({ ...ALL, by: [] })).rejects.toMatchObject({ code: 'ledger_unavailable' })
  expect(() => ledger.assertWritable()).not.toThrow()
  rmSync(path)

  await expect.poll(() => idsOf(ledger).catch(() => []), { timeout: 10_000, interval: 100 }).toEqual(['id-1', 'id-2'])
  expect(ledger.events[0]).toMatchObject({ type: 'internal-error' })
})

test('a damaged database is refused at the start with words', async () => {
  const directory = folder()
  mkdirSync(join(directory, 'ledger'), { recursive: true })
  writeFileSync(join(directory, 'ledger', 'ledger.db'), 'this is no database '.repeat(500))

  await expect(open(directory)).rejects.toThrow(/ledger\.db cannot be opened \(file is not a database\); move it away/)
})

test('a database from a newer program is refused with words', async () => {
  const directory = folder()
  mkdirSync(join(directory, 'ledger'), { recursive: true })
  const database = new DatabaseSync(join(directory, 'ledger', 'ledger.db'))
  database.exec('PRAGMA user_version = 99')
  database.close()

  await expect(open(directory)).rejects.toThrow(/schema 99, newer than/)
})

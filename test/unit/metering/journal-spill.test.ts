// A disk that refuses for a while: what is acknowledged in memory meanwhile, and what stands in the journal afterwards.
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GatewayError } from '../../../src/core/errors.ts'
import type { JournalFiles } from '../../../src/metering/journal-files.ts'
import { Journal, type JournalOptions } from '../../../src/metering/journal.ts'

const DISKS = ['well', 'full', 'fills up', 'no new files', 'no sync'] as const
type Disk = (typeof DISKS)[number]

/** Files in memory behind a disk that can be told to fail. */
function lentDisk() {
  const segments: Buffer[] = []
  const state = { disk: 'well' as Disk, writes: 0 }
  const refuse = () => {
    throw Object.assign(new Error('lent failure'), { code: 'ENOSPC' })
  }
  const files: JournalFiles = {
    open: () => (state.disk === 'no new files' ? refuse() : segments.push(Buffer.alloc(0)) - 1),
    write: (file, data, offset) => {
      state.writes += 1
      if (state.disk === 'full' || (state.disk === 'fills up' && offset > 0)) refuse()
      const part = data.subarray(offset, state.disk === 'fills up' ? offset + 7 : undefined)
      segments[file] = Buffer.concat([segments[file] ?? Buffer.alloc(0), part])
      return part.length
    },
    truncate: (file, size) => void (segments[file] = (segments[file] ?? Buffer.alloc(0)).subarray(0, size)),
    sync: async () => {
      await turn()
      if (state.disk === 'no sync') refuse()
    },
    syncFolder: () => Promise.resolve(),
    close: () => undefined,
  }
  const lines = () =>
    Buffer.concat(segments)
      .toString()
      .split('\n')
      .filter((line) => line !== '')
  return { state, files, lines }
}

function opened(options: Partial<JournalOptions> = {}) {
  const disk = lentDisk()
  const failures: GatewayError[] = []
  const journal = new Journal({
    directory: '/lent',
    first: 1,
    durability: 'process',
    files: disk.files,
    monotonic: () => 0,
    onWritten: () => undefined,
    onFailure: (error) => void failures.push(error),
    retryMs: 1,
    ...options,
  })
  const acknowledged: string[] = []
  const refused: string[] = []
  const append = (line: string) =>
    void journal.append(`${line}\n`).then(
      () => acknowledged.push(line),
      () => refused.push(line),
    )
  const recovered = async () => {
    while (journal.failure !== undefined || journal.queuedBytes > 0) await turn()
  }
  return { ...disk, journal, failures, acknowledged, refused, append, recovered }
}

test('while the disk refuses, entries are acknowledged up to the spill, work is refused before it is full, and one event tells', async () => {
  const { state, journal, failures, acknowledged, refused, append, recovered, lines } = opened({ spillBytes: 80 })
  append('before')
  await turn()
  state.disk = 'full'

  for (let number = 0; number < 6; number += 1) {
    append(`line-${number}-`)
    await turn()
  }
  expect(acknowledged).toEqual(['before', ...[0, 1, 2, 3, 4, 5].map((number) => `line-${number}-`)])
  expect([journal.spilledBytes, journal.refusal]).toEqual([48, undefined])
  for (let number = 6; number < 12; number += 1) {
    append(`line-${number}-`)
    await turn()
  }
  expect(refused).toEqual(['line-10-', 'line-11-'])
  expect(journal.spilledBytes).toBe(80 - (80 % 8))
  expect(journal.refusal).toMatchObject({ code: 'ledger_unavailable' })
  state.disk = 'well'
  await recovered()
  append('after')
  await turn()

  expect(lines()).toEqual([...acknowledged])
  expect(acknowledged.at(-1)).toBe('after')
  expect(failures).toHaveLength(1)
  expect([journal.spilledBytes, journal.refusal]).toEqual([0, undefined])
  await journal.close()
})

test('without a spill nothing is acknowledged and work is refused at once', async () => {
  const { state, journal, acknowledged, append } = opened()
  state.disk = 'full'

  append('one')
  await turn()

  expect(acknowledged).toEqual([])
  expect(journal.refusal).toMatchObject({ code: 'ledger_unavailable' })
  await journal.close()
})

test('strict: what comes while the first sync after an outage is under way is written too', async () => {
  const gate = Promise.withResolvers<void>()
  const { files, state: other } = lentDisk()
  const synced: number[] = []
  const slow: JournalFiles = { ...files, sync: () => gate.promise.then(() => void synced.push(other.writes)) }
  const { journal, acknowledged, append, recovered } = opened({ durability: 'strict', spillBytes: 1_000, files: slow })
  other.disk = 'full'
  append('first')
  await turn()
  other.disk = 'well'
  while (other.writes < 2) await turn()

  append('second')
  await turn()
  gate.resolve()
  await recovered()

  expect(acknowledged).toEqual(['first', 'second'])
  expect(synced).toHaveLength(2)
  await journal.close()
})

test('an end during an outage says how much was lost', async () => {
  const { state, journal, failures, acknowledged, append } = opened({ spillBytes: 1_000 })
  state.disk = 'full'
  append('lost')
  await turn()

  await journal.close()

  expect(acknowledged).toEqual(['lost'])
  expect(failures.map(({ message }) => message)).toEqual([
    'the ledger cannot be written: ENOSPC',
    'the ledger was closed with 5 bytes of entries that could not be written',
  ])
})

test('a long outage becomes a few large writes', async () => {
  const { state, journal, append, recovered, lines } = opened({ spillBytes: 1_000_000, segmentBytes: 10_000_000 })
  state.disk = 'full'
  for (let number = 0; number < 5_000; number += 1) {
    append(`${number}`.padStart(100, '0'))
    await turn()
  }

  state.disk = 'well'
  state.writes = 0
  await recovered()

  expect(state.writes).toBeLessThan(20)
  expect(lines().map(Number)).toEqual(Array.from({ length: 5_000 }, (_, number) => number))
  await journal.close()
})

describe.each(['process', 'strict'] as const)('durability %s', (durability) => {
  test('whatever fails when: acknowledged lines stand in the journal in order, and once', async () => {
    const step = fc.record({
      disk: fc.constantFrom(...DISKS),
      lines: fc.array(fc.nat({ max: 40 }), { maxLength: 4 }),
      turns: fc.nat({ max: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.constantFrom(0, 60, 300, 10_000), async (steps, spillBytes) => {
        const outage = opened({ durability, spillBytes, queueBytes: 400, segmentBytes: 200 })
        let number = 0
        for (const { disk, lines, turns } of steps) {
          outage.state.disk = disk
          for (const length of lines) outage.append(`${(number += 1)}-${'x'.repeat(length)}`)
          for (let count = 0; count < turns; count += 1) await turn()
          expect(outage.journal.spilledBytes).toBeLessThanOrEqual(spillBytes)
          expect(outage.journal.queuedBytes).toBeLessThanOrEqual(Math.max(400, spillBytes) + 1)
        }
        outage.state.disk = 'well'
        await outage.recovered()
        await outage.journal.close()

        // What a failed sync left behind is written again; the index knows an entry it has seen.
        const written = durability === 'strict' ? [...new Set(outage.lines())] : outage.lines()
        const known = new Set(outage.acknowledged)
        const inOrder = outage.acknowledged.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
        expect(written.filter((line) => known.has(line))).toEqual(inOrder)
        expect(new Set(written).size).toBe(written.length)
        expect(outage.acknowledged.length + outage.refused.length).toBe(number)
      }),
      { numRuns: 150 },
    )
  })
})

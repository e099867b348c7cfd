import { Session } from 'node:inspector/promises'
import { getHeapSpaceStatistics } from 'node:v8'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InFlight } from '../../../src/lib/in-flight.ts'

const step = fc.tuple(fc.constantFrom('set', 'delete'), fc.integer({ min: 0, max: 9 }), fc.integer())

test('it holds what a Map would hold', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [map, table] = [new Map<number, number>(), new InFlight<number, number>()]

      for (const [what, key, value] of steps) {
        if (what === 'set') map.set(key, value)
        else map.delete(key)
        if (what === 'set') table.set(key, value)
        else table.delete(key)
      }

      expect(table.size).toBe(map.size)
      expect(new Map(table.keys().map((key, place) => [key, table.values()[place]]))).toEqual(map)
      for (let key = 0; key < 10; key += 1) expect(table.get(key)).toBe(map.get(key))
    }),
  )
})

test('entries may go while the others are read', () => {
  const table = new InFlight<number, string>()
  for (const key of [1, 2, 3, 4]) table.set(key, String(key))
  const seen: string[] = []

  for (const key of table.keys()) {
    seen.push(table.get(key) ?? 'gone')
    table.delete(key)
  }

  expect(seen).toEqual(['1', '2', '3', '4'])
  expect(table.size).toBe(0)
})

test('what came and went is freed without a full collection', async () => {
  const table = new InFlight<number, object>()
  for (let key = 0; key < 32; key += 1) table.set(key, {})
  await collectAll() // the table is old now: a Map would keep its successors from here on
  const before = oldSpace()

  for (let key = 32; key < 40_032; key += 1) {
    table.delete(key - 32)
    table.set(key, { payload: Array.from({ length: 200 }, () => ({})) })
  }

  expect(oldSpace() - before).toBeLessThan(16 * 1_048_576)
})

function oldSpace(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0
}

async function collectAll(): Promise<void> {
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.collectGarbage')
  session.disconnect()
}

import { expect, test } from 'vitest'
import { createPublisher } from '../../../src/catalog/publish.ts'
import type { Snapshot } from '../../../src/core/snapshot.ts'

/** A publisher of snapshots that take some steps; each step moves the clock by 10 ms. Snapshots are numbers here. */
function bench(steps: number) {
  const state = { clock: 0, begun: 0, inForce: [] as number[], failures: [] as unknown[], fails: false }
  const publisher = createPublisher({
    *begin() {
      state.begun += 1
      const number = state.begun
      for (let step = 0; step < steps; step += 1) {
        state.clock += 10
        if (state.fails) throw new Error('cannot be made')
        yield
      }
      return number as unknown as Snapshot // the publisher never looks inside
    },
    swap: (next) => void state.inForce.push(next as unknown as number), // see above
    failed: (error) => void state.failures.push(error),
    monotonic: () => state.clock,
  })
  return { state, publisher }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a small snapshot is in force at once', () => {
  const { state, publisher } = bench(1)

  publisher.publish()

  expect(state.inForce).toEqual([1])
})

test('a large one gives everything else its turn between slices', async () => {
  const { state, publisher } = bench(10)
  let turns = 0

  publisher.publish()
  while (state.inForce.length === 0) {
    await turn()
    turns += 1
  }

  expect(turns).toBeGreaterThanOrEqual(4)
})

test('what is asked for meanwhile is made once, afterwards, and waiting lasts until then', async () => {
  const { state, publisher } = bench(10)

  publisher.publish()
  for (let asked = 0; asked < 5; asked += 1) publisher.publish()
  await publisher.settled()

  expect(state.inForce).toEqual([1, 2])
})

test('one that fails leaves the last one in force, and the next one is made', async () => {
  const { state, publisher } = bench(1)
  publisher.publish()
  state.fails = true

  publisher.publish()
  state.fails = false
  publisher.publish()
  await publisher.settled()

  expect(state.failures).toHaveLength(1)
  expect(state.inForce).toEqual([1, 3])
})

test('after closing nothing more is put in force, and nobody waits', async () => {
  const { state, publisher } = bench(10)

  publisher.publish()
  const settled = publisher.settled()
  publisher.close()
  await settled
  await turn()

  expect(state.inForce).toEqual([])
})

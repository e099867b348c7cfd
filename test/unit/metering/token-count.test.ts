import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { createTokenCounter, roughCount, type TokenCounterOptions } from '../../../src/metering/token-count.ts'

function counter(options: TokenCounterOptions = {}) {
  const made = createTokenCounter(options)
  onTestFinished(() => made.close())
  return made
}

/** A thread of these words, and how many of them were started. */
function lent(source: string) {
  const started: Worker[] = []
  const start = () => {
    const worker = new Worker(source, { eval: true, execArgv: [] })
    started.push(worker)
    return worker
  }
  return { start, started }
}

const SILENT = "require('node:worker_threads').parentPort.on('message', () => {})"
const DEAD = 'process.exit(1)'
const PROSE = 'The quick brown fox jumps over the lazy dog. '

test('a real thread counts by o200k_base', async () => {
  const made = counter({ lateMs: 20_000 })

  expect(await made.count('hello world')).toBe(2)
  expect(await made.count('')).toBe(0)
  expect(await made.count('<|endoftext|>')).toBeGreaterThan(1)
  expect(await made.count('\uD800 alone')).toBeGreaterThan(0)
  expect(await made.count(PROSE.repeat(1_400))).toBe(14_001)
})

test('text beyond 64 KiB is reckoned from its head', async () => {
  const made = counter({ lateMs: 20_000 })

  const [short, long] = [await made.count('ab '.repeat(20_000)), await made.count('ab '.repeat(200_000))]

  expect(Math.abs(long - short * 10) / long).toBeLessThan(0.001)
})

test.each([
  ['one letter', 'a'],
  ['blanks', ' '],
  ['pictures', '😀'],
])('64 KiB of %s are counted in time', async (_name, piece) => {
  const made = counter({ lateMs: 20_000 })
  await made.count('start')
  const text = piece.repeat(65_536 / piece.length)

  const began = performance.now()
  const tokens = await made.count(text)

  expect(performance.now() - began).toBeLessThan(3_000)
  expect(tokens).toBeGreaterThan(0)
})

test('the rough count answers when the thread is late, and no more than the queue waits for it', async () => {
  const { start, started } = lent(SILENT)
  const made = counter({ start, lateMs: 1, queue: 2 })

  const counts = await Promise.all(Array.from({ length: 10 }, () => made.count(PROSE)))

  expect(new Set(counts)).toEqual(new Set([roughCount(PROSE)]))
  expect(started).toHaveLength(1)
})

test('a thread that dies is started again a few times, and then no more', async () => {
  const { start, started } = lent(DEAD)
  const made = counter({ start, lateMs: 20_000 })

  for (let round = 0; round < 8; round += 1) expect(await made.count(PROSE)).toBe(roughCount(PROSE))

  expect(started).toHaveLength(4)
})

test('closing ends the thread, answers who waits, and counts roughly from then on', async () => {
  const { start, started } = lent(SILENT)
  const made = createTokenCounter({ start, lateMs: 20_000 })
  const waiting = made.count(PROSE)
  const [worker] = started

  await Promise.all([made.close(), worker === undefined ? undefined : once(worker, 'exit')])

  expect([await waiting, await made.count(PROSE)]).toEqual([roughCount(PROSE), roughCount(PROSE)])
  expect(started).toHaveLength(1)
})

test('whatever the text: a whole count, never above its bytes', async () => {
  const made = counter({ lateMs: 20_000 })
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 400 }), async (text) => {
      const tokens = await made.count(text)
      expect(Number.isInteger(tokens)).toBe(true)
      expect(tokens).toBeLessThanOrEqual(Buffer.byteLength(text))
      expect(tokens > 0).toBe(text !== '')
    }),
    { numRuns: 40 },
  )
})

import { Writable } from 'node:stream'
import { MessageChannel } from 'node:worker_threads'
import { expect, test } from 'vitest'
import type { GatewayEvent } from '../../../src/core/events.ts'
import type { WorkerBoot } from '../../../src/workers/control-messages.ts'
import { WorkerThreads } from '../../../src/workers/threads.ts'

function openThreads(workers: number) {
  const events: GatewayEvent[] = []
  const ended: number[] = []
  const connected: number[] = []
  const threads = new WorkerThreads({
    workers,
    entry: new URL('../../support/thread.worker.ts', import.meta.url),
    // The stand-in looks at nothing of it.
    boot: (worker) =>
      ({
        worker,
        state: { generation: 1 },
        ledger: new MessageChannel().port2,
        upstreams: new MessageChannel().port2,
      }) as unknown as WorkerBoot,
    connect: (worker) => void connected.push(worker),
    async ended(worker) {
      ended.push(worker)
    },
    unread: () => undefined,
    log: new Writable({ write: (_chunk, _encoding, done) => done() }),
    report: (event) => void events.push(event),
  })
  return { threads, events, ended, connected, [Symbol.asyncDispose]: () => threads.close() }
}

test('all workers are started, asked and summed', async () => {
  await using open = openThreads(3)

  await open.threads.start()

  expect([open.threads.serving, open.threads.missing, open.connected]).toEqual([2, 0, [1, 2]])
  expect(await open.threads.ask('metrics')).toEqual(['here: metrics', 'here: metrics'])
  expect(open.threads.figures()).toEqual({ inFlight: 2, sessions: 4, streams: 6, parked: 8 })
})

test('a worker that fails gives back what it held, is told of and is started again', async () => {
  await using open = openThreads(2)
  await open.threads.start()

  open.threads.tell({ type: 'reload-tls' })
  await expect.poll(() => open.threads.missing).toBe(1)
  await expect.poll(() => open.threads.missing, { timeout: 10_000 }).toBe(0)

  expect(open.ended).toEqual([1])
  expect(open.connected).toEqual([1, 1])
  expect(
    open.events.map((event) => (event.type === 'internal-error' && event.error instanceof Error ? event.error.message : '')),
  ).toEqual(['broken', 'worker 1 ended and is started again; its calls under way were lost'])
})

test('a new state counts as applied when every worker has it', async () => {
  await using open = openThreads(3)
  await open.threads.start()

  open.threads.tell({ type: 'state', state: { generation: 7, servers: [] } })
  await open.threads.applied(7)

  expect(open.events).toEqual([])
})

test('nothing is started again once the workers drain', async () => {
  await using open = openThreads(2)
  await open.threads.start()

  await open.threads.drain()
  await open.threads.close()

  expect([open.threads.serving, open.events]).toEqual([0, []])
})

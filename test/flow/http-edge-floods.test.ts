// Rows of group B about time, number and amount: many connections, slow ones, silent ones, requests without end. The gateway is a process of
// its own with bounds small enough to be reached; attackers come from other loopback addresses than the probe, whose calls go on all the
// time. After each row the invariants are checked: same process, ready, nothing left open, memory back, ledger balanced.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Bounds } from '../../src/config/gateway.ts'
import { readMetrics } from '../kit/admin-side.ts'
import { startArena, type Arena } from '../kit/arena.ts'
import { right, startHostileProvider, type HostileProvider } from '../kit/hostile-provider.ts'
import { readFigures } from '../kit/process-figures.ts'
import { createDoorRequests, DOOR_PATHS, type DoorRequests } from '../support/door-requests.ts'
import { gatewayFile, startTestGateway } from '../support/gateway.ts'
import { listenTo, openSocket, talk } from '../support/raw-http.ts'

const HEADERS_MS = 700
const BODY_MS = 700
/** Node looks at its clocks every two seconds. */
const CHECK_MS = 2_000
const PER_ADDRESS = 60
const ATTACKER = '127.0.0.2'
const isLinux = process.platform === 'linux'

let arena: Arena
let provider: HostileProvider
let requests: DoorRequests

beforeAll(async () => {
  provider = await startHostileProvider()
  arena = await startArena({
    providers: { openai: { type: 'openai_compatible', baseUrl: `${provider.url}/v1`, key: 'file:hostile-key' } },
    routes: { openai: { targets: [{ provider: 'openai', model: 'fake' }] } },
    files: { 'hostile-key': 'sk-hostile-0123456789' },
    canaries: ['sk-hostile-0123456789'],
    file: { bounds: { headersMs: HEADERS_MS, bodyMs: BODY_MS, connectionsPerAddress: PER_ADDRESS, connections: 500 } },
  })
  requests = createDoorRequests({ url: arena.gateway.url, token: arena.token })
})
afterAll(async () => {
  await arena[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

/**
 * An attack with its invariants. Attackers and gateway share the cores of one machine here, so how long a call of the probe took says nothing; that
 * it was answered does. Resident memory that floods made V8 take comes back late; the heap itself is held to its bound.
 */
async function attack(run: () => Promise<void>): Promise<readonly string[]> {
  const broken = await arena.attack(run, { residentBytes: 200_000_000 })
  return broken.filter((sentence) => !/^the probe noticed: .* took \d+ ms$/.test(sentence))
}

async function openMany(count: number, from = ATTACKER): Promise<Socket[]> {
  return await Promise.all(Array.from({ length: count }, () => openSocket(arena.gateway.url, from)))
}

/** Resolves when so many of these are ended by the server; rejects when it takes longer. */
async function endedBy(sockets: readonly Socket[], withinMs: number): Promise<void> {
  for (const socket of sockets) socket.resume()
  const signal = AbortSignal.timeout(withinMs)
  await Promise.all(sockets.filter((socket) => !socket.closed).map((socket) => once(socket, 'close', { signal })))
}

/** Sends one byte after another until the server has enough. */
async function dribble(socket: Socket, bytes: string, everyMs: number): Promise<void> {
  for (const byte of bytes) {
    if (socket.destroyed) return
    socket.write(byte)
    await wait(everyMs)
  }
}

const end = (sockets: readonly Socket[]): void => sockets.forEach((socket) => socket.destroy())

describe('slow callers', () => {
  test('B04: headers that come byte by byte are given up, and those who come in time are served meanwhile', async () => {
    const broken = await attack(async () => {
      const slow = await openMany(50)
      const sent = slow.map((socket) => dribble(socket, `POST /mcp HTTP/1.1\r\nX-Slow: ${'a'.repeat(400)}`, 100))
      const served = await talk(arena.gateway.url, requests.whole('/v1/chat/completions'), { answers: 1 })

      expect(served.answers[0]?.status).toBe(200)
      await endedBy(slow, HEADERS_MS + CHECK_MS + 1_500)
      await Promise.all(sent)
    })

    expect(broken).toEqual([])
  })

  test('B04: connections that say nothing at all are given up too', async () => {
    const broken = await attack(async () => {
      await endedBy(await openMany(50), HEADERS_MS + CHECK_MS + 1_500)
    })

    expect(broken).toEqual([])
  })

  test.each(DOOR_PATHS)('B05: a body for %s that comes byte by byte is given up with 408', async (path) => {
    const broken = await attack(async () => {
      const slow = await openMany(40)
      const heard = slow.map(listenTo)
      for (const socket of slow) socket.write(`${requests.front(path)}Content-Length: 1000\r\n\r\n`)
      const sent = slow.map((socket) => dribble(socket, 'a'.repeat(60), 50))
      const talks = await Promise.all(heard.map((hear) => hear({ withinMs: BODY_MS + 2_000 })))

      expect(new Set(talks.map(({ answers, closed }) => `${answers[0]?.status} ${closed}`))).toEqual(new Set(['408 true']))
      end(slow)
      await Promise.all(sent)
    })

    expect(broken).toEqual([])
  })

  test('B05: who sends requests without reading the answers is held back, not buffered', async () => {
    const broken = await attack(async () => {
      const greedy = await openMany(10)
      const one = `GET /v1/models HTTP/1.1\r\nHost: ${new URL(arena.gateway.url).host}\r\nAuthorization: Bearer ${arena.token}\r\n\r\n`
      for (const socket of greedy) socket.pause().write(one.repeat(3_000))
      const served = await talk(arena.gateway.url, requests.whole('/mcp'), { answers: 1, withinMs: 10_000 })

      expect(served.answers[0]?.status).toBe(200)
      expect(readFigures(arena.gateway.child.pid ?? 0).residentBytes).toBeLessThan(400_000_000)
      end(greedy)
    })

    expect(broken).toEqual([])
  })
})

describe('many connections', () => {
  test('B06: one address gets so many connections and no more, while others are let in', async () => {
    const broken = await attack(async () => {
      const many = await openMany(PER_ADDRESS * 3)
      await endedBy(many.slice(PER_ADDRESS), 2_000)
      const served = await talk(arena.gateway.url, requests.whole('/v1/chat/completions'), { answers: 1 })

      expect(served.answers[0]?.status).toBe(200)
      end(many)
    })

    expect(broken).toEqual([])
  })

  test('B06: all addresses together get so many connections, and one that leaves makes room', async () => {
    await using small = await startTestGateway({
      'tollgate.json': gatewayFile({ bounds: { connections: 30, connectionsPerAddress: 20 } }),
    })
    const open = async (from: string, count: number) =>
      await Promise.all(Array.from({ length: count }, () => openSocket(small.url, from)))
    const ask = () =>
      talk(small.url, `GET /nothing HTTP/1.1\r\nHost: ${new URL(small.url).host}\r\n\r\n`, { answers: 1, withinMs: 500 })
    const held = [...(await open('127.0.0.2', 15)), ...(await open('127.0.0.3', 15))]

    const shut = await ask()
    end(held)

    expect([shut.answers, shut.closed]).toEqual([[], true])
    await expect.poll(async () => (await ask()).answers[0]?.status).toBe(404)
  })
})

describe('many requests', () => {
  const cheap: readonly (readonly [string, () => string])[] = [
    ['two lengths', () => `${requests.front('/mcp')}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`],
    ['a large header', () => `${requests.front('/mcp', { headers: `X: ${'a'.repeat(9_000)}\r\n` })}\r\n`],
    ['a large path', () => `GET /${'a'.repeat(8_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['another Host', () => requests.whole('/mcp', { host: 'Host: evil.example\r\n' })],
    ['nobody', () => requests.whole('/v1/chat/completions', { credential: '' })],
    [
      'a forged token',
      () => requests.whole('/mcp', { credential: `Authorization: Bearer ${arena.token.slice(0, -6)}AAAAAA\r\n` }),
    ],
    ['deep JSON', () => requests.whole('/mcp', { body: '['.repeat(9_000) })],
    ['deep JSON for a model', () => requests.whole('/v1/chat/completions', { body: '['.repeat(9_000) })],
    [
      'wide JSON',
      () => requests.whole('/mcp', { body: `{${Array.from({ length: 900 }, (_, index) => `"k${index}":1`).join()}}` }),
    ],
    ['a bomb', () => requests.whole('/mcp', { headers: 'Content-Encoding: gzip\r\n', body: 'x'.repeat(9_000) })],
  ]
  test('B30: small requests that are refused, three hundred of each, cost the gateway less than a hundred times the work of asking', async () => {
    const cpuMs = async () => 1_000 * ((await readMetrics(arena.admin)).get('process_cpu_seconds_total') ?? 0)
    const residentBytes = () => readFigures(arena.gateway.child.pid ?? 0).residentBytes
    const ask = (bytes: string) => talk(arena.gateway.url, bytes, { answers: 1, withinMs: 5_000, from: ATTACKER })
    const broken = await attack(async () => {
      for (const [name, bytes] of cheap) {
        const [before, residentBefore, started] = [await cpuMs(), residentBytes(), process.cpuUsage()]
        for (let round = 0; round < 6; round += 1) await Promise.all(Array.from({ length: 50 }, () => ask(bytes())))
        const spent = process.cpuUsage(started)

        expect((await cpuMs()) - before, name).toBeLessThan((100 * (spent.user + spent.system)) / 1_000)
        expect(residentBytes() - residentBefore, name).toBeLessThan(50 * 1_048_576)
      }
    })

    expect(broken).toEqual([])
  })

  test('B29: paths and methods nobody has make no metric series', async () => {
    const before = (await readMetrics(arena.admin)).size
    const host = `Host: ${new URL(arena.gateway.url).host}\r\n\r\n`
    const broken = await attack(async () => {
      const paths = Array.from(
        { length: 1_000 },
        (_, index) => `${['GET', 'PUT', 'DELETE', 'PATCH'][index % 4]} /x${index}/${index * 7} HTTP/1.1\r\n${host}`,
      )
      const { answers } = await talk(arena.gateway.url, paths.join(''), { answers: 1_000, withinMs: 10_000, from: ATTACKER })

      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]))
    })

    expect(broken).toEqual([])
    expect((await readMetrics(arena.admin)).size - before).toBeLessThan(12)
  })

  test('B29: as many requests on one connection as it likes are as good as on many', async () => {
    const { answers, closed } = await talk(arena.gateway.url, requests.whole('/mcp').repeat(2_000), {
      answers: 2_000,
      withinMs: 15_000,
    })

    expect([answers.length, new Set(answers.map(({ status }) => status)), closed]).toEqual([2_000, new Set([200]), false])
  })
})

describe('callers who leave', () => {
  const chat = (stream: boolean) =>
    requests.whole('/v1/chat/completions', {
      body: `{"model":"openai","stream":${stream},"messages":[{"role":"user","content":"hi"}]}`,
    })

  test.each(DOOR_PATHS)('B31: after the headers and in the middle of a body, at %s', async (path) => {
    const broken = await attack(async () => {
      const before = readFigures(arena.gateway.child.pid ?? 0).descriptors
      const leaving = await openMany(20)
      await expect.poll(() => readFigures(arena.gateway.child.pid ?? 0).descriptors).toBeGreaterThanOrEqual(before + 20)
      for (const [index, socket] of leaving.entries()) {
        const rest = index % 2 === 0 ? '' : '{"a":'
        socket.write(`${requests.front(path)}Content-Length: 100\r\n\r\n${rest}`)
      }
      end(leaving)
    })

    expect(broken).toEqual([])
  })

  test.each([
    ['before the first byte', false, 0],
    ['before the first byte of a stream', true, 0],
    ['in the middle of a stream', true, 0.5],
    ['before the last byte of a stream', true, 0.95],
  ] as const)('B31: %s, and the provider is told within a second', async (_name, stream, share) => {
    const gone: AbortSignal[] = []
    provider.become(async ({ body }, pen) => {
      gone.push(pen.gone)
      if (share === 0) return
      pen.head({ 'content-length': '' })
      await pen.write(body.subarray(0, Math.floor(body.length * share)))
    })
    const broken = await attack(async () => {
      const leaving = await openMany(10)
      const heard = leaving.map(listenTo)
      for (const socket of leaving) socket.write(chat(stream))
      await expect.poll(() => gone.length, { timeout: 5_000 }).toBe(10)
      if (share > 0)
        await expect
          .poll(async () =>
            (await Promise.all(heard.map((hear) => hear({ withinMs: 1 })))).every(({ text }) => text.includes('data:')),
          )
          .toBe(true)
      end(leaving)
      await expect.poll(() => gone.every(({ aborted }) => aborted), { timeout: 1_000, interval: 20 }).toBe(true)
    })
    provider.become(right)

    expect(broken).toEqual([])
  })
})

test('B24: the clocks and bounds of a listener are set when nothing is said', async () => {
  const bounds = Bounds.parse({})

  const { answers } = await talk(arena.gateway.url, requests.whole('/mcp'), { answers: 1 })

  expect(bounds.headersMs).toBeLessThanOrEqual(10_000)
  expect(bounds.bodyMs).toBeLessThanOrEqual(60_000)
  expect([bounds.connections, bounds.connectionsPerAddress]).toEqual([4_000, 400])
  expect(answers[0]?.headers['keep-alive']).toBe('timeout=65')
})

// The last one, because calls of the probe fail too while nobody can connect. A look at the files that finds no descriptor is told as a fault.
test.runIf(isLinux && existsSync('/usr/bin/prlimit'))(
  'B34: without descriptors left nothing breaks, and all is well when they are back',
  async () => {
    const pid = String(arena.gateway.child.pid)
    const limit = (soft: string | number) => execFileSync('/usr/bin/prlimit', ['--pid', pid, `--nofile=${soft}:`])
    const [, usual = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? []

    const broken = await attack(async () => {
      const full = readFigures(Number(pid)).descriptors + 20
      limit(full)
      const many = await openMany(PER_ADDRESS)
      await expect.poll(() => readFigures(Number(pid)).descriptors).toBeGreaterThan(full - 3)
      limit(usual)
      end(many)
      await expect
        .poll(async () => (await talk(arena.gateway.url, requests.whole('/mcp'), { answers: 1 })).answers[0]?.status)
        .toBe(200)
    })

    expect(broken.filter((sentence) => !/^the probe noticed|^tollgate_internal_errors_total/.test(sentence))).toEqual([])
  },
)

// Group G of the catalogue through the real gateway: hostile providers in every dialect, with the probe tenant beside and the invariants after.
import { on, once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readEntries, readMetrics, type AdminEntry } from '../kit/admin-side.ts'
import { startArena, type Arena } from '../kit/arena.ts'
import { startFaultProxy, type FaultProxy } from '../kit/fault-proxy.ts'
import {
  edited,
  endless,
  faultAt,
  lyingLength,
  lyingUsage,
  right,
  startHostileProvider,
  type HostileProvider,
  type ProviderScript,
} from '../kit/hostile-provider.ts'
import { collectGarbage } from '../kit/inspector.ts'
import { watchPeak } from '../kit/process-figures.ts'
import { fakeProviderFile } from '../support/model-gateway.ts'
import { DIALECTS, readStream } from '../support/model-streams.ts'

const MEGABYTE = 1_048_576
const CANARY = 'sk-provider-canary-33e1'
const clocks = { connectMs: 500, firstTokenMs: 500, idleMs: 500, totalMs: 3_000 }
const MODELS: Readonly<Record<string, string>> = {
  openai: 'fake',
  anthropic: 'fake-claude',
  gemini: 'gemini-2.5-flash',
  bedrock: 'amazon.nova-lite-v1:0',
}
/** One millionth of a dollar a token. */
const PRICES = {
  name: 'own',
  prices: ['openai', 'anthropic', 'gemini'].map((provider) => ({
    provider,
    model: '*',
    usdPerMillion: { input: '1', output: '1' },
  })),
}
/** A caller's dialect, and the provider it meets: the same wire and a translated one of each. */
const WAYS = [
  { dialect: 'chat', model: 'openai' },
  { dialect: 'messages', model: 'anthropic' },
  { dialect: 'responses', model: 'openai' },
  { dialect: 'chat', model: 'gemini' },
  { dialect: 'messages', model: 'bedrock' },
] as const

let evil: HostileProvider
let proxy: FaultProxy
let arena: Arena

beforeAll(async () => {
  evil = await startHostileProvider()
  proxy = await startFaultProxy(Number(new URL(evil.url).port))
  const secret = (file: Record<string, unknown>): unknown =>
    JSON.parse(JSON.stringify(file).replaceAll(/env:(?:FAKE_KEY|AWS_ID|AWS_SECRET)/g, 'file:provider-key'))
  const all = secret(fakeProviderFile(evil.url)) as Record<string, unknown> // the same object with other references
  const providers = Object.fromEntries(Object.keys(MODELS).map((id) => [id, Object.assign({ connections: 2_000 }, all[id])]))
  const far = { type: 'openai_compatible', baseUrl: `${proxy.url}/v1`, key: 'file:provider-key', connections: 2_000 }
  const alone = { retries: 0, clocks }
  arena = await startArena({
    providers: { ...providers, far, many: { ...far, baseUrl: `${evil.url}/v1` } },
    routes: {
      ...Object.fromEntries(
        Object.entries(MODELS).map(([provider, model]) => [provider, { targets: [{ provider, model }], ...alone }]),
      ),
      far: { targets: [{ provider: 'far', model: 'fake' }], ...alone },
      idle: {
        targets: [{ provider: 'openai', model: 'idle' }],
        retries: 0,
        clocks: { connectMs: 10_000, firstTokenMs: 60_000, idleMs: 60_000, totalMs: 120_000 },
      },
    },
    file: {
      bounds: { modelAnswerBytes: 2 * MEGABYTE, keepAliveMs: 1_000, connectionsPerAddress: 2_000 },
      prices: ['own-prices.json'],
    },
    files: { 'provider-key': CANARY, 'own-prices.json': JSON.stringify(PRICES) },
    canaries: [CANARY],
  })
  // The table of tokens is loaded with the first estimate, and stays.
  evil.become(lyingUsage('none'))
  await whole(WAYS[0])
  evil.become(right)
}, 30_000)
afterAll(async () => {
  await arena[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await evil[Symbol.asyncDispose]()
})

type Way = (typeof WAYS)[number]

/** How a streamed answer ended for a strict reader of its dialect. */
async function streamed({ dialect, model }: Way | { readonly dialect: 'chat'; readonly model: string }): Promise<string> {
  const { path, body } = DIALECTS[dialect]
  const { status, text } = await arena.ask(path, { ...body, model, stream: true })
  return readStream(dialect, status, text).kind
}

/** Status of a whole answer. */
async function whole({ dialect, model }: Way): Promise<number> {
  const { path, body } = DIALECTS[dialect]
  return (await arena.ask(path, { ...body, model })).status
}

async function newestEntries(count: number): Promise<readonly AdminEntry[]> {
  const entries = await readEntries(arena.admin)
  return entries.filter((entry) => entry['team'] === 'arena').slice(0, count)
}

describe.each(WAYS)('G a hostile provider, $dialect to $model', (way) => {
  it('G04 G11 G12 G15: cut, ended, stalled and soiled streams end in the dialect of the caller, never as a success', async () => {
    const told: Record<string, string> = {}
    const scripts: Readonly<Record<string, ProviderScript>> = {
      'cut at the first byte': faultAt(0, 'close'),
      'cut in the middle': faultAt(200, 'close'),
      'reset in the middle': faultAt(200, 'reset'),
      'ended in the middle': faultAt(200, 'end'),
      stalled: faultAt(200, 'stall'),
      garbage: faultAt(200, Buffer.from([0, 255, 254, 13, 10, 13, 10])),
    }

    const broken = await arena.attack(async () => {
      for (const [name, script] of Object.entries(scripts)) {
        evil.become(script)
        told[name] = await streamed(way)
      }
      evil.become(right)
      told['afterwards'] = await streamed(way)
    })

    const failed = expect.stringMatching(/^(?:broken|refused)$/)
    expect(told).toEqual({
      ...Object.fromEntries(Object.keys(scripts).map((name) => [name, failed])),
      // Between equal dialects frames are passed as they came.
      garbage: expect.stringMatching(/^(?:broken|refused|complete|malformed)$/),
      afterwards: 'complete',
    })
    expect(broken).toEqual([])
  }, 40_000)
})

describe('G what providers say of themselves', () => {
  it('G17: counts that are negative, huge, broken or words never become money or a fault', async () => {
    const lies: readonly (number | string | null)[] = [-5, -1, 1e300, 2 ** 53, 1.5, 'many', null]
    const ways = WAYS.filter(({ model }) => model !== 'bedrock')
    let asked = 0

    const broken = await arena.attack(async () => {
      for (const lie of lies)
        for (const way of ways) {
          evil.become(lyingUsage(lie))
          await streamed(way)
          await whole(way)
          asked += 2
        }
      evil.become(right)
    })

    const entries = await newestEntries(asked)
    expect(entries).toHaveLength(asked)
    for (const entry of entries) {
      const numbers = Object.entries(entry).filter(([name, value]) => /Tokens|nanoUsd/.test(name) && value !== null)
      expect(numbers.filter(([, value]) => !Number.isSafeInteger(value) || Number(value) < 0)).toEqual([])
      // Not one of these lies was worth more than a thousand dollars.
      expect(Number(entry['nanoUsd'] ?? 0)).toBeLessThan(1e12)
    }
    expect(broken).toEqual([])
  }, 60_000)

  it('G14 G18: answers, lines and comments without end stop at the bound, and memory with them', async () => {
    const told: Record<string, unknown> = {}
    using peak = watchPeak(arena.gateway.child.pid ?? 0)

    const broken = await arena.attack(async () => {
      evil.become(async (_answer, pen) => {
        pen.head({ 'content-length': '' })
        for (let sent = 0; sent < 50 * MEGABYTE && !pen.gone.aborted; sent += 65_536) await pen.write(Buffer.alloc(65_536, ' '))
        pen.end()
      })
      told['50 MB'] = await whole(WAYS[0])
      for (const [name, bytes] of Object.entries({
        line: 'data: ' + 'x'.repeat(1_000),
        'a line without end': 'x',
        frames: 'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n',
      })) {
        evil.become(endless(bytes, 50 * MEGABYTE))
        told[name] = await streamed(WAYS[0])
      }
      evil.become(edited((text) => text.replace('{', `{"x":${'['.repeat(100_000)}${']'.repeat(100_000)},`)))
      told['depth'] = [await whole(WAYS[0]), await whole(WAYS[3])]
      evil.become(lyingLength(100))
      told['a length too long'] = await whole(WAYS[0])
      evil.become(lyingLength(-10))
      told['a length too short'] = await whole(WAYS[0])
      evil.become(right)
      told['afterwards'] = await whole(WAYS[0])
    })

    expect(told).toEqual({
      '50 MB': 502,
      line: expect.stringMatching(/^(?:broken|refused)$/),
      'a line without end': expect.stringMatching(/^(?:broken|refused)$/),
      frames: expect.stringMatching(/^(?:broken|refused)$/),
      depth: [expect.any(Number), expect.any(Number)],
      'a length too long': expect.any(Number),
      'a length too short': expect.any(Number),
      afterwards: 200,
    })
    expect(peak.grown()).toBeLessThan(96 * MEGABYTE)
    expect(broken).toEqual([])
  }, 60_000)

  it('G02 G05: a provider behind a broken network is told of in time, and others are served meanwhile', async () => {
    const told: Record<string, unknown> = {}
    let slowestMs = 0

    const broken = await arena.attack(async () => {
      for (const [name, faults] of Object.entries({
        refused: { refuse: true },
        frozen: { freeze: true },
        swallowed: { swallow: true },
        reset: { cutAtByte: 0 },
      })) {
        proxy.become(faults)
        proxy.resetAll()
        const began = performance.now()
        const [far, near] = await Promise.all([streamed({ dialect: 'chat', model: 'far' }), streamed(WAYS[0])])
        told[name] = [far, near]
        slowestMs = Math.max(slowestMs, performance.now() - began)
      }
      proxy.become({})
      proxy.resetAll()
      await expect.poll(() => streamed({ dialect: 'chat', model: 'far' }), { timeout: 10_000, interval: 100 }).toBe('complete')
    })

    for (const both of Object.values(told)) expect(both).toEqual(['refused', 'complete'])
    expect(slowestMs).toBeLessThan(4_000)
    expect(broken).toEqual([])
  }, 60_000)

  it('G16 G26: three hundred idle streams hold at most 64 KiB each, live on heartbeats, and leave nothing behind', async () => {
    const count = 300
    evil.become(async (answer, pen) => {
      pen.head({ 'content-length': '' })
      await pen.write(answer.body.subarray(0, answer.body.indexOf('\n\n') + 2))
    })
    let grown = Infinity

    const broken = await arena.attack(async () => {
      const before = await heldBytes()
      const streams = await Promise.all(Array.from({ length: count }, () => openStream()))
      await Promise.all(streams.map(hearBeat))
      grown = (await heldBytes()) - before
      for (const stream of streams) stream.destroy()
      await expect
        .poll(async () => (await readMetrics(arena.admin)).get('tollgate_in_flight'), { timeout: 20_000 })
        .toBeLessThanOrEqual(1)
      evil.become(right)
    })

    expect(grown / count).toBeLessThan(64 * 1_024)
    expect((await newestEntries(count)).every(({ status }) => status === 'abandoned')).toBe(true)
    expect(broken).toEqual([])
  }, 90_000)
})

/** What the gateway holds after a collection, in its heap and outside. */
async function heldBytes(): Promise<number> {
  await collectGarbage(arena.gateway)
  const metrics = await readMetrics(arena.admin)
  return (metrics.get('nodejs_heap_size_used_bytes') ?? 0) + (metrics.get('nodejs_external_memory_bytes') ?? 0)
}

/** A streamed request on a socket of its own; answers the socket once the head of a 200 has come. */
async function openStream(): Promise<Socket> {
  const { host, hostname, port } = new URL(arena.gateway.url)
  const body = JSON.stringify({ ...DIALECTS.chat.body, model: 'idle', stream: true })
  const socket = connect(Number(port), hostname)
  socket.setEncoding('utf8')
  socket.on('error', () => undefined)
  const lines = [
    'POST /v1/chat/completions HTTP/1.1',
    `host: ${host}`,
    `authorization: Bearer ${arena.token}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`)
  const [first] = await once(socket, 'data')
  expect(first).toContain('HTTP/1.1 200')
  return socket
}

/** Resolves with the next comment of a stream. */
async function hearBeat(socket: Socket): Promise<void> {
  for await (const [text] of on(socket, 'data', { close: ['close'] })) if (/^:|\n:/.test(String(text))) return
  throw new Error('the stream ended')
}

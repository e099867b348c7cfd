import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, isReady, ROOMY, type Gate, type Site } from './gate.ts'
import { createOperator } from './operator.ts'
import { pickPort } from './ports.ts'
import { memoryOf } from './procfs.ts'
import type { LoadPlan, LoadResult } from './raw-load.ts'
import { adopt, endProcess } from './adopted.ts'
import { percentile } from './statistics.ts'

/** F3: ten times what it can do. */
export const overload: Figure = {
  id: 'F3',
  what: 'Overload: ten times the throughput it has, tools and models, arrivals that do not wait',
  target:
    'sheds with 429 or 503 and Retry-After, p99 at most 50 ms; goodput at least 90 % of the most; p99 of admitted calls at most twice that at 80 % load; readiness within 100 ms; loop delay p99 at most 200 ms; memory at most 1.5 times; normal within 5 s',
  measure: measureOverload,
}

/** F4: the same in little memory. */
export const memoryCap: Figure = {
  id: 'F4',
  what: 'Overload in a memory cgroup of 256 MB: the load of F3',
  target: 'no OOM kill in 10 min, and it serves afterwards',
  measure: measureCap,
}

const BUSY_CONNECTIONS = 64
const FLOOD_CONNECTIONS = 3_000
const TIMES = 10
const CAP_BYTES = 268_435_456
const GATEWAY_CORE = ['taskset', '-c', '0'] as const
const OTHER_CORE = ['taskset', '-c', '1'] as const

interface Ring {
  readonly site: Site
  load(plan: Omit<LoadPlan, 'port' | 'token'>): Promise<LoadResult>
}

async function measureOverload(context: Context): Promise<Measured> {
  const { say } = context
  const ring = await createRing(context)
  const gate = context.stack.use(await ring.site.start({ prefix: GATEWAY_CORE }))
  const operator = await createOperator(ring.site)
  const slice = paced(context, { quick: 3_000, usual: 6_000, alone: 10_000 })
  const floodMs = paced(context, { quick: 5_000, usual: 15_000, alone: 60_000 })
  const most = await capacity(ring, slice)
  const easy = await ring.load({ connections: FLOOD_CONNECTIONS, milliseconds: slice, perSecond: most * 0.8 })
  say(`${most.toFixed(0)} per second at most; at 80 % p99 ${easy.okP99.toFixed(0)} ms`)
  const memory = memoryOf(gate.pids())
  await operator.loopDelayMs('0.99')
  const watching = watch(ring.site, gate, floodMs)
  const flood = await ring.load({ connections: FLOOD_CONNECTIONS, milliseconds: floodMs, perSecond: most * TIMES })
  const seen = await watching
  const loopMs = await operator.loopDelayMs('0.99')
  const normalMs = await untilNormal(ring, { perSecond: most * 0.5, p99: easy.okP99 * 2 })
  const goodput = flood.ok / (floodMs / 1_000) / most
  const growth = seen.memory / memory
  const bare = flood.shed === 0 ? 0 : flood.bare
  return {
    measured: `${most.toFixed(0)} calls/s at most (p99 at 80 %: ${easy.okP99.toFixed(0)} ms). At ten times: goodput ${(goodput * 100).toFixed(0)} %, admitted p99 ${flood.okP99.toFixed(0)} ms, ${flood.shed} shed with p99 ${flood.shedP99.toFixed(0)} ms (${bare} without Retry-After), ${flood.failed} failed, readiness at most ${seen.readyMs.toFixed(0)} ms, loop delay p99 ${loopMs.toFixed(0)} ms, memory ${growth.toFixed(2)} times (${seen.memory.toFixed(0)} MiB), normal after ${(normalMs / 1_000).toFixed(1)} s`,
    missed: missedOf({
      [`shed p99 ${flood.shedP99.toFixed(0)} ms`]: flood.shedP99 <= 50,
      [`${bare} refusals without Retry-After`]: bare === 0,
      [`${flood.failed} neither answered nor shed`]: flood.failed === 0,
      [`goodput ${(goodput * 100).toFixed(0)} %`]: goodput >= 0.9,
      [`admitted p99 ${(flood.okP99 / easy.okP99).toFixed(1)} times that at 80 %`]: flood.okP99 <= easy.okP99 * 2,
      [`readiness ${seen.readyMs.toFixed(0)} ms`]: seen.readyMs <= 100,
      [`loop delay p99 ${loopMs.toFixed(0)} ms`]: loopMs <= 200,
      [`memory ${growth.toFixed(2)} times`]: growth <= 1.5,
      [`normal after ${(normalMs / 1_000).toFixed(1)} s`]: normalMs <= 5_000,
    }),
    note: `Gateway on core 0; load and mocks on core 1, over ${FLOOD_CONNECTIONS.toLocaleString('en')} connections, no request behind another: of ten times the arrivals ${flood.unsent.toLocaleString('en')} found none free and were not sent. Where load is on core 1 too, latencies hold its queue`,
  }
}

async function measureCap(context: Context): Promise<Measured> {
  if (process.getuid?.() !== 0) return { measured: 'not measured', missed: ['not measured: a memory cgroup needs root'] }
  const ring = await createRing(context)
  const group = `/sys/fs/cgroup/memory/tollgate-proof-${process.pid}`
  mkdirSync(group)
  context.stack.defer(() => rmdirSync(group))
  writeFileSync(join(group, 'memory.limit_in_bytes'), String(CAP_BYTES))
  const enter = ['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh', ...GATEWAY_CORE]
  const gate = context.stack.use(await ring.site.start({ prefix: enter }))
  const floodMs = paced(context, { quick: 10_000, usual: 120_000, alone: 600_000 })
  const most = await capacity(ring, 4_000)
  const flood = await ring.load({ connections: FLOOD_CONNECTIONS, milliseconds: floodMs, perSecond: most * TIMES })
  const isRunning = gate.isRunning()
  const after = isRunning
    ? await ring.load({ connections: BUSY_CONNECTIONS, milliseconds: 3_000, perSecond: most * 0.5 })
    : undefined
  const peak = Number(readFileSync(join(group, 'memory.max_usage_in_bytes'), 'utf8')) / 1_048_576
  await gate.end('SIGTERM')
  return {
    measured: `${isRunning ? 'no OOM kill' : 'killed'} in ${(floodMs / 60_000).toFixed(1)} min of ten times ${most.toFixed(0)} calls/s: ${flood.ok} answered, ${flood.shed} shed, ${flood.failed} failed; the group had at most ${peak.toFixed(0)} MiB, file cache included; afterwards ${after?.ok ?? 0} answered and ${after?.failed ?? 0} failed`,
    missed: missedOf({
      'killed for its memory': isRunning,
      'it does not serve afterwards': after !== undefined && after.ok > 0 && after.failed === 0,
    }),
    ...(floodMs < 600_000 ? { note: `${floodMs / 60_000} min instead of 10; \`--only F4\` takes them all` } : {}),
  }
}

/** Mocks on the other core, and the site of a gateway before them. */
async function createRing(context: Context): Promise<Ring> {
  const [model, mcp] = [await pickPort(), await pickPort()]
  for (const [file, port] of [
    ['mock-model.ts', model],
    ['mock-upstream.ts', mcp],
  ] as const) {
    const [command, ...args] = [...OTHER_CORE, process.execPath, join(import.meta.dirname, '..', file), String(port)]
    const child = adopt(spawn(command, args, { stdio: 'ignore' }))
    context.stack.defer(async () => void (await endProcess(child, 'SIGTERM', 2_000)))
  }
  const site = await createSite(context, {
    teams: [],
    file: {
      bounds: { ...ROOMY, connections: 4_000 },
      providers: { mock: { type: 'openai_compatible', baseUrl: `http://127.0.0.1:${model}/v1` } },
      routes: { mock: { targets: [{ provider: 'mock', model: 'mock' }] } },
    },
    files: {
      'servers/mock.json': { type: 'http', url: `http://127.0.0.1:${mcp}/mcp` },
      'catalogs/proof.json': {
        title: 'Proof',
        for: { teams: ['proof'] },
        tools: [{ server: 'mock', allow: ['*'] }],
        models: [{ route: 'mock' }],
      },
    },
  })
  const token = await site.token({ team: 'proof' })
  return { site, load: (plan) => runLoad({ ...plan, port: site.port, token }) }
}

async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const [command, ...args] = [...OTHER_CORE, process.execPath, join(import.meta.dirname, 'raw-load.ts'), JSON.stringify(plan)]
  const child = adopt(spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] }))
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(child, 'close')
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as LoadResult // our own program
}

/** Calls per second with enough connections that are never idle, once the code is compiled. */
async function capacity(ring: Ring, milliseconds: number): Promise<number> {
  const calm = { connections: BUSY_CONNECTIONS, milliseconds }
  await ring.load(calm)
  const { ok, failed, shed } = await ring.load(calm)
  if (failed + shed > 0) throw new Error(`${failed} failed and ${shed} were shed by ${BUSY_CONNECTIONS} connections`)
  return (ok * 1_000) / milliseconds
}

/** The slowest readiness and the most memory while something happens. */
async function watch(
  site: Site,
  gate: Gate,
  milliseconds: number,
): Promise<{ readonly readyMs: number; readonly memory: number }> {
  const end = performance.now() + milliseconds
  const times: number[] = []
  let memory = 0
  while (performance.now() < end) {
    const begun = performance.now()
    const isWell = await isReady(site.healthUrl)
    times.push(isWell ? performance.now() - begun : Infinity)
    memory = Math.max(memory, memoryOf(gate.pids()))
    await pause(200)
  }
  return { readyMs: percentile(times, 1), memory }
}

const NORMAL_SLICE_MS = 1_000
const PATIENCE = 15

/** Milliseconds until a slice at half load is served as before. */
async function untilNormal(ring: Ring, wanted: { readonly perSecond: number; readonly p99: number }): Promise<number> {
  const begun = performance.now()
  for (let slice = 0; slice < PATIENCE; slice += 1) {
    const from = performance.now()
    const seen = await ring.load({ connections: BUSY_CONNECTIONS, milliseconds: NORMAL_SLICE_MS, perSecond: wanted.perSecond })
    if (seen.failed + seen.shed === 0 && seen.okP99 <= wanted.p99) return from - begun
  }
  return Infinity
}

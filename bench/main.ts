// CPU per request of the gateway beside bare programs, over the same mock upstream. How it works: (1) all programs run at once; (2) each
// round gives every program one slice of load, in turning order, so that noise of the machine hits all alike; (3) ratios are taken inside a
// round and the median of the rounds is printed. Absolute figures are this machine's alone; compare ratios.
// `node bench/main.ts` measures everything, `node bench/main.ts mcp` or `... models` one half, `... outage` a full disk,
// `... ledger` the ledger alone, `... workers` what a second core brings.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare, report } from './comparison.ts'
import { idleStreams } from './idle-streams.ts'
import { measureLedger } from './ledger.ts'
import { load, type Scenario } from './load.ts'
import { modelLoad, type ModelScenario } from './model-load.ts'
import { measureOutage } from './outage.ts'
import { measureWorkers } from './workers.ts'
import { freePort, startGateway, startNginx, startNode, type Program } from './programs.ts'

const CONNECTIONS = 16
/** Connections fall on workers by chance: with few of them one worker has most of the work. */
const WORKER_CONNECTIONS = 256
const IDLE_STREAMS = 1_000
const OUTAGE_SECONDS = 600
const LEDGER_ENTRIES = 50_000

const MCP_SCENARIOS: readonly Scenario[] = [
  { name: 'tools/call, session (2025-11-25)', era: 'legacy', method: 'tools/call' },
  { name: 'tools/call, stateless (2026-07-28)', era: 'modern', method: 'tools/call' },
  { name: 'tools/list, 10 tools (2025-11-25)', era: 'legacy', method: 'tools/list' },
]

const chat = { dialect: 'chat', stream: false, connections: CONNECTIONS } as const
const MODEL_SCENARIOS: readonly ModelScenario[] = [
  { ...chat, name: 'chat, 1 KB', manner: 'size=600', promptBytes: 400 },
  { ...chat, name: 'chat, 100 KB prompt', manner: 'size=2000', promptBytes: 100_000 },
  { ...chat, name: 'messages in, chat out, 1 KB', manner: 'size=600', promptBytes: 400, dialect: 'messages' },
  { ...chat, name: 'chat stream, first content', manner: 'chunks=5&delay=5', promptBytes: 400, stream: true },
  { ...chat, name: 'chat stream, 200 chunks at once', manner: 'chunks=200', promptBytes: 400, stream: true },
  {
    ...chat,
    name: 'messages stream out of chat, 200 chunks at once',
    manner: 'chunks=200',
    promptBytes: 400,
    stream: true,
    dialect: 'messages',
  },
]

if (process.platform === 'linux') await run(process.argv[2])
else process.stdout.write('CPU times are read from /proc: this bench needs Linux.\n')

async function run(half: string | undefined): Promise<void> {
  if (half === 'outage') return await inFolder((folder) => measureOutage(folder, Number(process.argv[3] ?? OUTAGE_SECONDS)))
  if (half === 'ledger') return await measureLedger(Number(process.argv[3] ?? LEDGER_ENTRIES))
  if (half === 'workers') return await inFolder((folder) => measureWorkers(folder, WORKER_CONNECTIONS))
  if (half !== 'models') await inFolder(measureMcp)
  if (half !== 'mcp') await inFolder(measureModels)
}

async function inFolder(measure: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'))
  try {
    await measure(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measureMcp(folder: string): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const upstream = await freePort()
  stack.use(await startNode('upstream', upstream, ['mock-upstream.ts', String(upstream)]))
  const gateway = { mcp: `http://127.0.0.1:${upstream}/mcp` }
  const programs = await startPrograms(stack, folder, upstream, gateway)
  for (const scenario of MCP_SCENARIOS) {
    const rows = await compare(programs, async (program, milliseconds) => ({
      units: await load(program, scenario, { connections: CONNECTIONS, milliseconds }),
    }))
    report(scenario.name, 'request', rows)
  }
}

async function measureModels(folder: string): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const upstream = await freePort()
  stack.use(await startNode('model', upstream, ['mock-model.ts', String(upstream)]))
  const gateway = { model: `http://127.0.0.1:${upstream}/v1` }
  const programs = await startPrograms(stack, folder, upstream, gateway)
  // First of all: later the heaps have room to spare, and streams would seem to cost nothing.
  process.stdout.write(`\n${IDLE_STREAMS} idle streams\n`)
  for (const program of programs) {
    const kibibytes = await idleStreams(program, IDLE_STREAMS)
    process.stdout.write(`  ${program.name.padEnd(20)}${kibibytes.toFixed(1).padStart(7)} KiB per stream\n`)
  }
  for (const scenario of MODEL_SCENARIOS) {
    const isFlood = scenario.manner === 'chunks=200'
    const rows = await compare(programs, async (program, milliseconds) => {
      const { answered, events, firstMs } = await modelLoad(program, scenario, milliseconds)
      return { units: isFlood ? events : answered, ...(scenario.stream && !isFlood ? { firstMs } : {}) }
    })
    report(scenario.name, isFlood ? 'chunk' : 'request', rows)
  }
}

type Upstreams = Parameters<typeof startGateway>[2]

async function startPrograms(
  stack: AsyncDisposableStack,
  folder: string,
  upstream: number,
  gateway: Upstreams,
): Promise<readonly Program[]> {
  const port = await freePort()
  const bare = stack.use(
    await startNode('node:http + undici', port, ['pass-through.ts', String(port), `http://127.0.0.1:${upstream}`]),
  )
  const tollgate = stack.use(await startGateway(folder, await freePort(), gateway))
  const nginx = stack.use(await startNginx(folder, await freePort(), upstream))
  return [bare, tollgate, ...(nginx === undefined ? [] : [nginx])]
}

// CPU per request of the gateway beside bare programs, over the same mock upstream. How it works: (1) all programs run at once; (2) each
// round gives every program one slice of load, in turning order, so that noise of the machine hits all alike; (3) ratios are taken inside a
// round and the median of the rounds is printed. Absolute figures are this machine's alone; compare ratios.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load, type Scenario } from './load.ts'
import { freePort, startGateway, startNginx, startNode, type Program } from './programs.ts'

const SCENARIOS: readonly Scenario[] = [
  { name: 'tools/call, session (2025-11-25)', era: 'legacy', method: 'tools/call' },
  { name: 'tools/call, stateless (2026-07-28)', era: 'modern', method: 'tools/call' },
  { name: 'tools/list, 10 tools (2025-11-25)', era: 'legacy', method: 'tools/list' },
]
const ROUNDS = 4
const CONNECTIONS = 16
const SLICE_MS = 1_200
/** The gateway is the largest program: V8 needs so much to have compiled it. */
const WARM_MS = 4_000

if (process.platform === 'linux') await run()
else process.stdout.write('CPU times are read from /proc: this bench needs Linux.\n')

async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'))
  try {
    await using stack = new AsyncDisposableStack()
    const upstreamPort = await freePort()
    stack.use(await startNode('upstream', upstreamPort, ['mock-upstream.ts', String(upstreamPort)]))
    const bare = stack.use(await startBare(upstreamPort))
    const gateway = stack.use(await startGateway(folder, await freePort(), upstreamPort))
    const nginx = stack.use(await startNginx(folder, await freePort(), upstreamPort))
    const programs = [bare, gateway, ...(nginx === undefined ? [] : [nginx])]
    for (const scenario of SCENARIOS) report(scenario, await compare(programs, scenario))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startBare(upstreamPort: number): Promise<Program> {
  const port = await freePort()
  return await startNode('node:http + undici', port, ['pass-through.ts', String(port), `http://127.0.0.1:${upstreamPort}`])
}

interface Row {
  readonly program: Program
  /** Microseconds of CPU per request, one for each round. */
  readonly cpu: number[]
}

async function compare(programs: readonly Program[], scenario: Scenario): Promise<readonly Row[]> {
  const rows = programs.map((program): Row => ({ program, cpu: [] }))
  for (const { program } of rows)
    await load(program, scenario, { connections: CONNECTIONS, milliseconds: WARM_MS / (program.name === 'tollgate' ? 1 : 4) })
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { program, cpu } of round % 2 === 0 ? rows : rows.toReversed()) {
      const before = program.cpu()
      const answered = await load(program, scenario, { connections: CONNECTIONS, milliseconds: SLICE_MS })
      cpu.push((program.cpu() - before) / answered)
    }
  }
  return rows
}

function report({ name }: Scenario, rows: readonly Row[]): void {
  const [base, ...others] = rows
  if (base === undefined) return
  const nginx = others.find(({ program }) => program.name === 'nginx')
  process.stdout.write(`\n${name}\n`)
  for (const { program, cpu } of rows) {
    const ratio = (to: Row) => median(cpu.map((value, round) => value / (to.cpu[round] ?? Number.NaN))).toFixed(2)
    const beside = [`${ratio(base)} x bare`, ...(nginx === undefined ? [] : [`${ratio(nginx)} x nginx`])].join(', ')
    const figures = `${median(cpu).toFixed(0).padStart(5)} us CPU per request  ${beside}`
    process.stdout.write(`  ${program.name.padEnd(20)}${figures}  ${program.memory().toFixed(0)} MiB\n`)
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

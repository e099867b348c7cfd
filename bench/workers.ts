// What a second worker brings, on a machine that has no cores to spare for load. How it works: (1) two gateways stand before one mock, one with
// one worker, one with two; (2) they get slices of the same load in turn; (3) the CPU time of every thread is read. A core per worker is busy
// when its thread is, so a gateway can answer one request per CPU time of its busiest thread: the ratio of these is the gain on two free cores.
// It does not see what cores share (memory, caches, the kernel), and the ledger's thread is counted apart.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { load, type Scenario } from './load.ts'
import { modelLoad, type ModelScenario } from './model-load.ts'
import { freePort, type Program, startGateway, startNode } from './programs.ts'

const ROUNDS = 3
const SLICE_MS = 3_000
const TICK_US = 10_000

/** CPU microseconds of each thread so far, by thread id. */
type Threads = ReadonlyMap<string, { readonly name: string; readonly us: number }>

interface Slice {
  readonly busiestUs: number
  readonly wholeUs: number
}

/** Prints CPU per request of the busiest thread and of the whole process, for one worker and for two, and what follows. */
export async function measureWorkers(folder: string, connections: number): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const [mcp, model] = [await freePort(), await freePort()]
  stack.use(await startNode('upstream', mcp, ['mock-upstream.ts', String(mcp)]))
  stack.use(await startNode('model', model, ['mock-model.ts', String(model)]))
  const upstreams = { mcp: `http://127.0.0.1:${mcp}/mcp`, model: `http://127.0.0.1:${model}/v1` }
  const gateways = []
  for (const workers of [1, 2]) {
    const own = join(folder, String(workers))
    mkdirSync(own)
    gateways.push(stack.use(await startGateway(own, await freePort(), { ...upstreams, workers })))
  }
  const session = { name: 'tools/call in sessions', era: 'legacy', method: 'tools/call' } as const
  const stateless = { name: 'tools/call, stateless', era: 'modern', method: 'tools/call' } as const
  const chat = { name: 'chat, 1 KB', manner: 'size=600', promptBytes: 400, dialect: 'chat', stream: false, connections } as const
  for (const scenario of [stateless, session])
    await compareTwo(scenario.name, gateways, (program) => callTools(program, scenario, connections))
  await compareTwo(chat.name, gateways, (program) => chatWith(program, chat))
}

function callTools(program: Program, scenario: Scenario, connections: number): Promise<number> {
  return load(program, scenario, { connections, milliseconds: SLICE_MS })
}

async function chatWith(program: Program, scenario: ModelScenario): Promise<number> {
  return (await modelLoad(program, scenario, SLICE_MS)).answered
}

async function compareTwo(name: string, gateways: readonly Program[], run: (program: Program) => Promise<number>): Promise<void> {
  const slices: Slice[][] = gateways.map(() => [])
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [index, program] of gateways.entries()) {
      const slice = await measure(program, run)
      if (round > 0) slices[index]?.push(slice) // the first round warms up
    }
  }
  const [one, two] = slices.map((own) => ({ busiestUs: median(own, 'busiestUs'), wholeUs: median(own, 'wholeUs') }))
  if (one === undefined || two === undefined) return
  process.stdout.write(`\n${name}\n`)
  for (const [workers, { busiestUs, wholeUs }] of [one, two].entries())
    process.stdout.write(
      `  workers: ${workers + 1}   busiest thread ${busiestUs.toFixed(1)} us, process ${wholeUs.toFixed(1)} us per request\n`,
    )
  process.stdout.write(`  gain on two free cores: ${(one.busiestUs / two.busiestUs).toFixed(2)}\n`)
}

async function measure(program: Program, run: (program: Program) => Promise<number>): Promise<Slice> {
  const before = threadsOf(program.pid)
  const units = await run(program)
  const used = [...threadsOf(program.pid)].map(([id, { us }]) => us - (before.get(id)?.us ?? 0))
  return { busiestUs: Math.max(...used) / units, wholeUs: used.reduce((sum, us) => sum + us, 0) / units }
}

/** User and system time: fields 14 and 15 of proc(5) stat. */
function threadsOf(pid: number): Threads {
  const folder = `/proc/${pid}/task`
  return new Map(
    readdirSync(folder).map((id) => {
      const stat = readFileSync(join(folder, id, 'stat'), 'utf8')
      const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
      return [
        id,
        {
          name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
          us: (Number(fields[11]) + Number(fields[12])) * TICK_US,
        },
      ]
    }),
  )
}

function median(slices: readonly Slice[], field: keyof Slice): number {
  return slices.map((slice) => slice[field]).toSorted((a, b) => a - b)[Math.floor(slices.length / 2)] ?? 0
}

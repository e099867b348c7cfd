import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Pool } from 'undici'
import { requestOf, type ModelScenario } from './model-load.ts'
import { freePort, startGateway, startNode, type Program } from './programs.ts'

const SCENARIO: ModelScenario = {
  name: 'chat over a full disk',
  manner: 'size=600',
  dialect: 'chat',
  promptBytes: 400,
  stream: false,
  connections: 16,
}
const DISK_BYTES = 16_777_216
const CALIBRATE_MS = 5_000
const SHARE = 0.8
const TICK_MS = 20
const SAMPLES = 10

/** What a slice of time came to. */
interface Sample {
  readonly second: number
  readonly memoryMiB: number
  readonly answered: number
  readonly refused: number
}

/** Loads a gateway at four fifths of what it can answer, over a ledger whose disk fills up, and prints its memory. Linux, as root. */
export async function measureOutage(folder: string, seconds: number): Promise<void> {
  const disk = join(folder, '.tollgate')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk])
  try {
    await loaded(folder, seconds)
  } finally {
    execFileSync('umount', ['-l', disk])
  }
}

async function loaded(folder: string, seconds: number): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const upstream = await freePort()
  stack.use(await startNode('mock', upstream, ['mock-model.ts', String(upstream)]))
  const gateway = stack.use(await startGateway(folder, await freePort(), { model: `http://127.0.0.1:${upstream}/v1` }))
  const pool = new Pool(gateway.origin, { connections: 256, pipelining: 1 })
  stack.defer(async () => await pool.destroy())
  const most = await capacity(pool, gateway)
  process.stdout.write(`${Math.round(most)} requests per second at most, ${Math.round(most * SHARE)} sent\n`)
  process.stdout.write('| second | resident MiB | answered | refused |\n|---|---|---|---|\n')
  for await (const sample of paced(pool, gateway, { perSecond: most * SHARE, seconds })) {
    const { second, memoryMiB, answered, refused } = sample
    process.stdout.write(`| ${second} | ${memoryMiB.toFixed(0)} | ${answered} | ${refused} |\n`)
  }
}

/** Requests per second with every connection busy. */
async function capacity(pool: Pool, program: Program): Promise<number> {
  const request = requestOf(program, SCENARIO)
  const end = performance.now() + CALIBRATE_MS
  let answered = 0
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      await ask(pool, request)
      answered += 1
    }
  }
  await Promise.all(Array.from({ length: SCENARIO.connections }, one))
  return (answered * 1_000) / CALIBRATE_MS
}

/** Sends at a steady pace whatever the answers do, and tells of each tenth of the time. */
async function* paced(
  pool: Pool,
  program: Program,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): AsyncGenerator<Sample> {
  const request = requestOf(program, SCENARIO)
  const counts = { answered: 0, refused: 0 }
  let due = 0
  const timer = setInterval(() => {
    due += (perSecond * TICK_MS) / 1_000
    for (; due >= 1; due -= 1) {
      void ask(pool, request).then((status) => {
        if (status === 200) counts.answered += 1
        else counts.refused += 1
      })
    }
  }, TICK_MS)
  try {
    for (let sample = 1; sample <= SAMPLES; sample += 1) {
      await new Promise((resolve) => setTimeout(resolve, (seconds * 1_000) / SAMPLES))
      const second = Math.round((seconds / SAMPLES) * sample)
      yield { second, memoryMiB: program.memory(), ...counts }
      counts.answered = 0
      counts.refused = 0
    }
  } finally {
    clearInterval(timer)
  }
}

/** The status of one request; 0 when it got none. */
async function ask(pool: Pool, request: ReturnType<typeof requestOf>): Promise<number> {
  try {
    const { statusCode, body } = await pool.request(request)
    await body.dump()
    return statusCode
  } catch {
    return 0
  }
}

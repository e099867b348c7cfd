import { Pool } from 'undici'
import { requestOf, type ModelScenario } from './model-load.ts'
import type { Program } from './programs.ts'

/** The manner of a stream that says one word and then nothing. */
const IDLE_MANNER = 'hold=1'

const SCENARIO: ModelScenario = {
  name: 'idle streams',
  manner: IDLE_MANNER,
  dialect: 'chat',
  promptBytes: 200,
  stream: true,
  connections: 1,
}
const AT_ONCE = 50
const WARM_STREAMS = 200
const SETTLE_MS = 1_500

/** Opens so many streams through a program, waits, and tells its resident memory per stream in KiB. */
export async function idleStreams(program: Program, streams: number): Promise<number> {
  const pool = new Pool(program.origin, {
    connections: streams + WARM_STREAMS,
    pipelining: 1,
    bodyTimeout: 0,
    headersTimeout: 20_000,
  })
  try {
    await openAll(pool, program, WARM_STREAMS) // what is made once is not counted
    await settle()
    const before = program.memory()
    await openAll(pool, program, streams)
    await settle()
    return ((program.memory() - before) * 1024) / streams
  } finally {
    await pool.destroy()
  }
}

async function openAll(pool: Pool, program: Program, count: number): Promise<void> {
  for (let left = count; left > 0; left -= AT_ONCE) await open(pool, program, Math.min(left, AT_ONCE))
}

async function open(pool: Pool, program: Program, count: number): Promise<void> {
  const request = requestOf(program, SCENARIO)
  const first = (): Promise<void> =>
    new Promise((resolve, reject) => {
      let status = 0
      pool.dispatch(request, {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, code) => void (status = code),
        onResponseData: (_controller, chunk) => {
          if (status === 200) resolve()
          else reject(new Error(`an idle stream got ${status}: ${chunk.toString('utf8').slice(0, 200)}`))
        },
        onResponseEnd: () => reject(new Error('an idle stream ended')),
        onResponseError: (_controller, error) => reject(error),
      })
    })
  await Promise.all(Array.from({ length: count }, first))
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
}

import { Pool, type Dispatcher } from 'undici'
import { mockModel } from './model-names.ts'
import type { Program } from './programs.ts'

/** One kind of model traffic. The gateway is asked by its own dialect, bare programs always by that of the mock. */
export interface ModelScenario {
  readonly name: string
  /** What the mock is told by the name of the model: `size=600`. */
  readonly manner: string
  readonly dialect: 'chat' | 'messages'
  readonly promptBytes: number
  readonly stream: boolean
  readonly connections: number
}

/** What a slice of load came to. */
export interface Slice {
  readonly answered: number
  /** Pieces of streams. */
  readonly events: number
  /** Milliseconds from a request to its first content. */
  readonly firstMs: readonly number[]
}

/** Sends requests over so many connections, each the next when its last was answered, until the time is over. */
export async function modelLoad(program: Program, scenario: ModelScenario, milliseconds: number): Promise<Slice> {
  const pool = new Pool(program.origin, { connections: scenario.connections, pipelining: 1 })
  const request = requestOf(program, scenario)
  const firstMs: number[] = []
  let answered = 0
  let events = 0
  const end = performance.now() + milliseconds
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      const seen = await ask(pool, request, scenario.stream)
      answered += 1
      events += seen.events
      firstMs.push(seen.firstMs)
    }
  }
  try {
    await Promise.all(Array.from({ length: scenario.connections }, one))
  } finally {
    await pool.close()
  }
  return { answered, events, firstMs }
}

/** The request of a scenario as this program understands it. */
export function requestOf(program: Program, scenario: ModelScenario): Dispatcher.DispatchOptions {
  const isMessages = program.translates && scenario.dialect === 'messages'
  const words = 'Summarise the following ticket for the on-call engineer and propose one next step. '
  const content = words.repeat(Math.ceil(scenario.promptBytes / words.length)).slice(0, scenario.promptBytes)
  const body = {
    model: mockModel(scenario.manner),
    ...(scenario.stream ? { stream: true } : {}),
    ...(scenario.stream && !isMessages ? { stream_options: { include_usage: true } } : {}),
    max_tokens: 512,
    messages: [{ role: 'user', content }],
  }
  return {
    path: isMessages ? '/v1/messages' : '/v1/chat/completions',
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(isMessages ? { 'anthropic-version': '2023-06-01' } : {}),
      ...program.headers,
    },
    body: JSON.stringify(body),
  }
}

const CONTENT = Buffer.from('"content":" token"')
const TEXT_DELTA = Buffer.from('"text_delta"')
const ENDS = [Buffer.from('[DONE]'), Buffer.from('message_stop')]
/** More than the longest of the marks, so that one cut in two by the network is found. */
const TAIL_BYTES = 32

function ask(
  pool: Pool,
  request: Dispatcher.DispatchOptions,
  isStream: boolean,
): Promise<{ readonly events: number; readonly firstMs: number }> {
  const begun = performance.now()
  return new Promise((resolve, reject) => {
    let status = 0
    let events = 0
    let firstMs = Number.NaN
    let tail: Buffer = Buffer.alloc(0)
    pool.dispatch(request, {
      onRequestStart: () => undefined,
      onResponseStart: (_controller, code) => void (status = code),
      onResponseData: (_controller, chunk) => {
        const found = isStream ? count(chunk, CONTENT) + count(chunk, TEXT_DELTA) : 1
        if (found > 0 && Number.isNaN(firstMs)) firstMs = performance.now() - begun
        events += found
        tail = chunk.length >= TAIL_BYTES ? chunk : Buffer.concat([tail, chunk])
      },
      onResponseEnd: () => {
        const isWhole = !isStream || ENDS.some((mark) => tail.includes(mark))
        if (status === 200 && isWhole) resolve({ events, firstMs })
        else reject(new Error(`status ${status}, and the answer ends with: ${tail.toString('utf8').slice(-300)}`))
      },
      onResponseError: (_controller, error) => reject(error),
    })
  })
}

function count(chunk: Buffer, mark: Buffer): number {
  let found = 0
  for (let at = chunk.indexOf(mark); at !== -1; at = chunk.indexOf(mark, at + mark.length)) found += 1
  return found
}

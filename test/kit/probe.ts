// The probe tenant: a team of its own with a tool server and a model provider of its own. It calls both all the time, slowly, and writes down
// whatever was not right or not in time. Attacks run beside it; it must never notice.
import { setTimeout as wait } from 'node:timers/promises'
import { startFakeProviders } from '../support/fake-providers.ts'
import { modernRequest } from '../support/raw-mcp.ts'
import { honest, hostileTool, said, startHostileMcp } from './hostile-mcp.ts'

/** What stands behind the probe, and what the admin's files must say of it. */
export interface ProbeSide extends AsyncDisposable {
  /** The team of the probe's callers. */
  readonly team: 'probe'
  /** Members of `providers` in `tollgate.json`. */
  readonly providers: Readonly<Record<string, unknown>>
  /** Members of `routes` in `tollgate.json`. */
  readonly routes: Readonly<Record<string, unknown>>
  /** Further files, to be written as JSON. */
  readonly files: Readonly<Record<string, unknown>>
  /** Secrets, to be written as text. */
  readonly secrets: Readonly<Record<string, string>>
}

/** Where the probe calls, as whom, and how patient it is. */
export interface ProbeOptions {
  readonly url: string
  readonly token: string
  /** Between two rounds of one tool call and one model call. */
  readonly everyMs?: number
  /** A call that takes longer is a failure; far above what is usual, since the machine has other work too. */
  readonly boundMs?: number
}

/** What the probe saw. */
export interface ProbeReport {
  readonly calls: number
  /** What was wrong, in words; empty when nothing was. */
  readonly failures: readonly string[]
  /** Exchange ids of calls that were answered. */
  readonly answered: readonly string[]
  readonly slowestMs: number
}

/** A probe under way. */
export interface Probe extends AsyncDisposable {
  report(): ProbeReport
  /** Resolves after so many further rounds. */
  rounds(count: number): Promise<void>
}

const WORDS = 'the probe hears this'

/** Starts what the probe talks to. */
export async function startProbeSide(): Promise<ProbeSide> {
  const upstream = await startHostileMcp(
    'http',
    honest(
      { tools: () => [hostileTool('repeat')] },
      { 'tools/call': (step) => step.result(said(JSON.stringify(step.params['arguments']))) },
    ),
  )
  const fakes = await startFakeProviders()
  fakes.script({ behaviour: { text: WORDS } })
  return {
    team: 'probe',
    providers: { probe: { type: 'openai_compatible', baseUrl: `${fakes.url}/v1`, key: 'file:probe-key' } },
    routes: { probe: { targets: [{ provider: 'probe', model: 'fake' }] } },
    secrets: { 'probe-key': 'sk-probe-0123456789' },
    files: {
      'servers/probe.json': upstream.file,
      'catalogs/probe.json': {
        title: 'Probe',
        for: { teams: ['probe'] },
        tools: [{ server: 'probe', allow: ['*'] }],
        models: [{ route: 'probe' }],
      },
    },
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]()
      await fakes[Symbol.asyncDispose]()
    },
  }
}

/** Begins to call; disposing ends it after the call under way. */
export function startProbe(options: ProbeOptions): Probe {
  const { everyMs = 50, boundMs = 3_000 } = options
  const seen = { calls: 0, failures: [] as string[], answered: [] as string[], slowestMs: 0, rounds: 0 }
  const stop = new AbortController()
  const watch = async (name: string, call: () => Promise<Answered>): Promise<void> => {
    const began = performance.now()
    const { wrong, exchange } = await call().catch((error: unknown): Answered => ({ wrong: String(error) }))
    const ms = performance.now() - began
    seen.calls += 1
    seen.slowestMs = Math.max(seen.slowestMs, ms)
    if (wrong !== undefined) seen.failures.push(`${name} ${seen.calls}: ${wrong}`)
    else if (exchange !== undefined) seen.answered.push(exchange)
    if (ms > boundMs) seen.failures.push(`${name} ${seen.calls}: took ${Math.round(ms)} ms`)
  }
  const loop = async (): Promise<void> => {
    for (; !stop.signal.aborted; seen.rounds += 1) {
      await watch('tool', () => callTool(options, seen.calls))
      await watch('model', () => callModel(options, seen.rounds % 2 === 0))
      await wait(everyMs, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  }
  const running = loop()
  return {
    report: () => ({ ...seen, failures: [...seen.failures], answered: [...seen.answered] }),
    async rounds(count) {
      for (const until = seen.rounds + count; seen.rounds < until && !stop.signal.aborted;) await wait(everyMs)
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

interface Answered {
  /** Why the answer is not the right one. */
  readonly wrong?: string
  readonly exchange?: string
}

async function callTool({ url, token }: ProbeOptions, marker: number): Promise<Answered> {
  const answer = await modernRequest(
    `${url}/mcp`,
    'tools/call',
    { name: 'repeat', arguments: { marker } },
    { headers: { authorization: `Bearer ${token}` }, id: marker },
  )
  const text = JSON.stringify(answer.message?.result?.['content'] ?? '')
  const isRight = answer.status === 200 && answer.message?.id === marker && text.includes(`{\\"marker\\":${marker}}`)
  return isRight
    ? { exchange: answer.headers.get('x-tollgate-exchange') ?? '' }
    : { wrong: `${answer.status} ${answer.text.slice(0, 200)}` }
}

async function callModel({ url, token }: ProbeOptions, stream: boolean): Promise<Answered> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'probe', stream, messages: [{ role: 'user', content: 'hi' }] }),
  })
  const text = await response.text()
  const isRight = response.status === 200 && wordsOf(text, stream) === WORDS && (!stream || text.endsWith('data: [DONE]\n\n'))
  return isRight
    ? { exchange: response.headers.get('x-tollgate-exchange') ?? '' }
    : { wrong: `${response.status} ${text.slice(0, 200)}` }
}

/** What the model said, put together from the pieces of a stream. */
function wordsOf(text: string, stream: boolean): string {
  const pieces = [...text.matchAll(/"content":"([^"]*)"/g)].map(([, words]) => words)
  return stream ? pieces.join('') : (pieces.at(-1) ?? '')
}

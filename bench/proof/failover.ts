import { startFaultProxy } from '../../test/kit/fault-proxy.ts'
import { pickPort } from './ports.ts'
import { startBackEnd } from './back-end.ts'
import { createCaller, type Caller, type Outcome } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite } from './gate.ts'
import { percentile } from './statistics.ts'

/** F9: a provider that is dead, or only silent, costs its callers nothing. */
export const failover: Figure = {
  id: 'F9',
  what: 'LLM failover: the primary provider is dead (connection refused), then silent (accepts, never answers)',
  target:
    '0 client errors from the 6th call on; added p99 at most the clock of the first wait while the breaker is closed, then about 0 (25 ms here)',
  measure,
}

/** How long the silent primary may take to its first word before another is asked. */
const CLOCK_MS = 1_000
/** What a connection and a busy machine may add to the clock. */
const SLACK_MS = 500
const SUFFERING_CALLS = 6
/** A series that is slower than this is cut short: every call of it waits. */
const SERIES_MS = 20_000
/** What counts as nothing added on a machine that other work shares. */
const ABOUT_ZERO_MS = 25

async function measure(context: Context): Promise<Measured> {
  const { stack } = context
  const backEnd = stack.use(await startBackEnd())
  const silent = stack.use(await startFaultProxy(backEnd.port, { swallow: true }))
  const provider = (port: number): object => ({ type: 'openai_compatible', baseUrl: `http://127.0.0.1:${port}/v1` })
  const behind = (primary: string): object => ({
    targets: [
      { provider: primary, model: 'chat', tier: 1 },
      { provider: 'main', model: 'chat', tier: 2 },
    ],
    clocks: { firstTokenMs: CLOCK_MS },
  })
  const site = await createSite(context, {
    backEnd,
    file: {
      providers: { main: provider(backEnd.port), dead: provider(await pickPort()), silent: provider(silent.port) },
      routes: { chat: { targets: [{ provider: 'main', model: 'chat' }] }, dead: behind('dead'), silent: behind('silent') },
    },
    catalog: { models: [{ route: 'chat' }, { route: 'dead' }, { route: 'silent' }] },
  })
  stack.use(await site.start())
  const caller = stack.use(createCaller(site, await site.token({ team: 'proof' }), 32))
  const calls = paced(context, { quick: 200, usual: 2_000 })
  await series(caller, 'chat', 200)
  const results = []
  for (const primary of ['dead', 'silent']) {
    const first = await series(caller, primary, SUFFERING_CALLS - 1)
    const rest: Outcome[] = []
    const direct: Outcome[] = []
    for (let round = 0; round < 4; round += 1) {
      direct.push(...(await series(caller, 'chat', calls / 4)))
      rest.push(...(await series(caller, primary, calls / 4)))
    }
    results.push(judge(primary, { first, rest, direct }))
  }
  return {
    measured: results.map(({ words }) => words).join('; '),
    missed: results.flatMap(({ missed }) => missed),
    note: 'Streams and whole answers in turn, one call at a time; a probe that the breaker sends to the primary now and then is part of the calls',
  }
}

async function series(caller: Caller, model: string, calls: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const end = performance.now() + SERIES_MS
  for (let call = 0; call < calls && performance.now() < end; call += 1)
    outcomes.push(await caller.chat('hello', { model, stream: call % 2 === 1 }))
  return outcomes
}

function judge(primary: string, { first, rest, direct }: Readonly<Record<'first' | 'rest' | 'direct', readonly Outcome[]>>) {
  const errors = (outcomes: readonly Outcome[]): number => outcomes.filter(({ ok }) => !ok).length
  const slowest = Math.max(...first.map(({ ms }) => ms))
  const p99 = (outcomes: readonly Outcome[]): number =>
    percentile(
      outcomes.map(({ ms }) => ms),
      0.99,
    )
  const added = p99(rest) - p99(direct)
  return {
    words: `${primary}: ${errors(first)} errors and at most ${slowest.toFixed(0)} ms in the first ${first.length} calls, then ${errors(rest)} errors in ${rest.length} and ${added.toFixed(1)} ms added to a p99 of ${p99(direct).toFixed(1)} ms`,
    missed: missedOf({
      [`${primary}: ${errors(rest)} errors after the 5th call`]: errors(rest) === 0,
      [`${primary}: a first call took ${slowest.toFixed(0)} ms`]: slowest <= CLOCK_MS + SLACK_MS,
      [`${primary}: ${added.toFixed(1)} ms added to p99`]: added <= ABOUT_ZERO_MS,
    }),
  }
}

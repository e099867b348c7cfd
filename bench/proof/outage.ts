import { startFaultProxy, type FaultProxy } from '../../test/kit/fault-proxy.ts'
import { startBackEnd, type BackEnd } from './back-end.ts'
import { atPace, createCaller, pause, type Outcome } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite } from './gate.ts'

/** F8: an upstream goes away for half a minute and comes back. */
export const outage: Figure = {
  id: 'F8',
  what: 'Upstream outage of 30 s and recovery: connections refused, then errors after 100 ms; MCP server and lone provider',
  target:
    'breaker opens after at most 5 failures; first success within 2 s of the return; at most 20 % extra traffic in the outage; one probe at a time',
  measure,
}

const PER_SECOND = 20
/** After this the breaker must be open: what comes later in the outage is probes. */
const OPENED_MS = 2_000
/** Five failures, those that were sent before the fifth came back after 100 ms, a probe or two. */
const MOST_UNTIL_OPEN = 10

async function measure(context: Context): Promise<Measured> {
  const { stack } = context
  const seconds = paced(context, { quick: 6, usual: 30 })
  const ends = { tool: stack.use(await startBackEnd()), model: stack.use(await startBackEnd()) }
  const second = stack.use(await startBackEnd())
  const ways = {
    tool: stack.use(await startFaultProxy(ends.tool.port)),
    model: stack.use(await startFaultProxy(ends.model.port)),
  }
  const provider = (url: string): object => ({ type: 'openai_compatible', baseUrl: `${url}/v1` })
  const [primary, other] = [
    { provider: 'main', model: 'chat', tier: 1 },
    { provider: 'second', model: 'chat', tier: 2 },
  ]
  const site = await createSite(context, {
    backEnd: ends.tool,
    file: {
      providers: { main: provider(ways.model.url), second: provider(`http://127.0.0.1:${second.port}`) },
      routes: { chat: { targets: [primary] }, pair: { targets: [primary, other] } },
    },
    files: { 'servers/back.json': { type: 'http', url: `${ways.tool.url}/mcp` } },
    catalog: { models: [{ route: 'chat' }, { route: 'pair' }] },
  })
  stack.use(await site.start())
  const caller = stack.use(createCaller(site, await site.token({ team: 'proof' }), 64))
  const tool = (): Promise<Outcome> => caller.tool('echo', { text: 'x' })
  const lone = (): Promise<Outcome> => caller.chat('x')
  const pair = (): Promise<Outcome> => caller.chat('x', { model: 'pair' })
  for (let call = 0; call < 20; call += 1) await Promise.all([tool(), lone(), pair()])
  const tools = { name: 'tools', way: ways.tool, end: ends.tool, seconds }
  const models = { way: ways.model, end: ends.model, seconds }
  const results = await Promise.all([
    refused({ ...tools, ask: tool }).then(async (first) => [first, await failing({ ...tools, ask: tool })]),
    refused({ ...models, name: 'lone provider', ask: lone }).then(async (first) => [
      first,
      await failing({ ...models, name: 'first of two providers', ask: pair }),
    ]),
  ])
  const all = results.flat()
  return {
    measured: all.map(({ words }) => words).join('; '),
    missed: all.flatMap(({ missed }) => missed),
    note: `${PER_SECOND} calls per second each, all settings at their defaults; a lone provider is tried also while its breaker is open, because nobody else could answer`,
  }
}

interface Parts {
  readonly name: string
  readonly way: FaultProxy
  readonly end: BackEnd
  readonly seconds: number
  ask(): Promise<Outcome>
}

/** Nobody listens: what the gateway tries is counted as connections. */
async function refused({ name, way, ask, seconds }: Parts) {
  way.become({ refuse: true })
  way.resetAll()
  const begun = way.accepted()
  const calls = await run(ask, seconds)
  const attempts = way.accepted() - begun
  way.become({})
  const backMs = await untilSuccess(ask)
  const extra = attempts / calls - 1
  return {
    words: `${name}, refused: ${attempts} attempts for ${calls} calls, back after ${backMs.toFixed(0)} ms`,
    missed: missedOf({
      [`${name}: ${(extra * 100).toFixed(0)} % extra traffic`]: extra <= 0.2,
      [`${name}: back after ${(backMs / 1_000).toFixed(1)} s`]: backMs <= 2_000,
    }),
  }
}

/** It listens and fails, late enough that two attempts at a time would be seen; what comes once the breaker is open is probes. */
async function failing({ name, end, ask, seconds }: Parts) {
  end.manner = 'fails'
  const begun = end.seen.calls
  const during = run(ask, seconds / 2)
  await pause(OPENED_MS)
  const opening = end.seen.calls - begun
  end.seen.most = end.seen.underWay
  const calls = await during
  const probes = end.seen.calls - begun - opening
  const { most } = end.seen
  end.manner = 'answers'
  const backMs = await untilSuccess(ask)
  return {
    words: `${name}, failing: ${opening} attempts until the breaker was open and ${probes} probes later for ${calls} calls, at most ${most} at a time, callers have answers after ${backMs.toFixed(0)} ms`,
    missed: missedOf({
      [`${name}: ${opening} attempts before the breaker opened`]: opening > 0 && opening <= MOST_UNTIL_OPEN,
      [`${name}: ${most} probes at a time`]: most <= 1,
      [`${name}: answers after ${(backMs / 1_000).toFixed(1)} s`]: backMs <= 2_000,
    }),
  }
}

/** How many calls were sent. */
async function run(ask: () => Promise<Outcome>, seconds: number): Promise<number> {
  let calls = 0
  await atPace({ perSecond: PER_SECOND, milliseconds: seconds * 1_000 }, async () => {
    calls += 1
    await ask()
  })
  return calls
}

const LONGEST_WAIT_MS = 70_000

async function untilSuccess(ask: () => Promise<Outcome>): Promise<number> {
  const begun = performance.now()
  while (!(await ask()).ok) {
    if (performance.now() - begun > LONGEST_WAIT_MS) return Infinity
    await pause(1_000 / PER_SECOND)
  }
  return performance.now() - begun
}

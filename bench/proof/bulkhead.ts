import { startBackEnd } from './back-end.ts'
import { createCaller, holds, type Caller } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite } from './gate.ts'
import { median, percentile } from './statistics.ts'

/** F10: one stuck upstream leaves the others alone. */
export const bulkhead: Figure = {
  id: 'F10',
  what: 'Bulkhead: 1,000 calls pending at a stuck upstream (500 tools, 500 models) while others are called',
  target: "the others' p99 changes by at most 10 %",
  measure,
}

const PENDING = 1_000
const ROUNDS = 5
const CALLERS = 2
const WARM_MS = 4_000

async function measure(context: Context): Promise<Measured> {
  const { stack, say } = context
  const [well, stuck] = [stack.use(await startBackEnd()), stack.use(await startBackEnd())]
  stuck.manner = 'stuck'
  const site = await createSite(context, {
    backEnd: well,
    file: {
      providers: {
        main: { type: 'openai_compatible', baseUrl: well.modelUrl },
        stuck: { type: 'openai_compatible', baseUrl: stuck.modelUrl, connections: 1_000 },
      },
      routes: {
        chat: { targets: [{ provider: 'main', model: 'chat' }] },
        stuck: { targets: [{ provider: 'stuck', model: 'chat' }] },
      },
    },
    files: { 'servers/stuck.json': { type: 'http', url: stuck.mcpUrl, concurrency: { max: 500, queue: 500 } } },
    catalog: {
      tools: [
        { server: 'back', allow: ['*'] },
        { server: 'stuck', tool: 'echo', as: 'stuck_echo' },
      ],
      models: [{ route: 'chat' }, { route: 'stuck' }],
    },
  })
  stack.use(await site.start())
  const token = await site.token({ team: 'proof' })
  const caller = stack.use(createCaller(site, token, CALLERS))
  const millis = paced(context, { quick: 1_000, usual: 3_000 })
  await load(caller, WARM_MS)
  const changes: { p50: number; p99: number; baseMs: number }[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await load(caller, millis)
    const hanging = createCaller(site, token, PENDING)
    const pending = Array.from({ length: PENDING }, (_, index) =>
      index % 2 === 0 ? hanging.tool('stuck_echo', { text: 'x' }) : hanging.chat('x', { model: 'stuck' }),
    )
    if (!(await holds(() => stuck.seen.underWay === PENDING, 10_000))) throw new Error(`only ${stuck.seen.underWay} are pending`)
    const during = await load(caller, millis)
    await hanging[Symbol.asyncDispose]()
    await Promise.all(pending)
    await holds(() => stuck.seen.underWay === 0, 10_000)
    const after = await load(caller, millis)
    const change = (share: number): number =>
      percentile(during, share) / ((percentile(before, share) + percentile(after, share)) / 2) - 1
    changes.push({ p50: change(0.5), p99: change(0.99), baseMs: percentile(before, 0.99) })
    say(`round ${round + 1}: p99 ${(change(0.99) * 100).toFixed(0)} %`)
  }
  const p99 = median(changes.map((one) => one.p99))
  const p50 = median(changes.map((one) => one.p50))
  const percent = (share: number): string => `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %`
  return {
    measured: `p99 ${percent(p99)} (${median(changes.map(({ baseMs }) => baseMs)).toFixed(1)} ms without), p50 ${percent(p50)}; medians of ${ROUNDS} rounds`,
    missed: missedOf({ [`p99 ${percent(p99)}`]: p99 <= 0.1 }),
    note: 'Each round compares the time with the pending calls with the times just before and after it, because the machine is shared; p50 beside it says how much of a change is noise',
  }
}

/** Milliseconds of every call by some callers who are never idle; each must succeed. */
async function load(caller: Caller, milliseconds: number): Promise<readonly number[]> {
  const times: number[] = []
  const end = performance.now() + milliseconds
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      for (const outcome of [await caller.tool('echo', { text: 'x' }), await caller.chat('x')]) {
        if (!outcome.ok) throw new Error(`a call beside the stuck upstream got ${outcome.status}: ${outcome.text.slice(0, 200)}`)
        times.push(outcome.ms)
      }
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, one))
  return times
}

import { INSPECTABLE } from '../../test/kit/inspector.ts'
import { startBackEnd } from './back-end.ts'
import { atPace, createCaller, holds, pause, together, type Caller, type Outcome } from './caller.ts'
import { collect } from './collect.ts'
import { childProgram } from './drain.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, type Gate, type Site } from './gate.ts'
import { createOperator } from './operator.ts'
import { descriptorsOf, memoryOf, threadsOf, treeOf, zombiesBelow } from './procfs.ts'
import { median, slopeOf } from './statistics.ts'

/** F1: hours of ordinary work. */
export const soak: Figure = {
  id: 'F1',
  what: 'Soak: half tool calls over HTTP, 15 % of a child, 20 % model streams, 10 % lists, 5 % bad requests; 30 min at half the most throughput (2 h with --long)',
  target:
    '0 unexpected errors; resident memory grows at most 0.5 % in 10 min after the warm-up; heap after a collection within 2 %; descriptors, threads, children, sessions flat',
  isBackground: true,
  measure,
}

const MINUTE_MS = 60_000
const SAMPLE_MS = 5_000
const MOST_GROWTH = 0.005
const HEAP_SHARE = 0.02
/** Connections that come and go on either side. */
const MOST_DESCRIPTORS = 10

interface Sample {
  readonly second: number
  readonly memory: number
  readonly descriptors: number
  readonly threads: number
  readonly processes: number
}

interface Tally {
  sent: number
  readonly wrong: Map<string, number>
}

async function measure(context: Context): Promise<Measured> {
  const { stack, say, signal } = context
  const backEnd = stack.use(await startBackEnd())
  const site = await createSite(context, {
    backEnd,
    files: { 'servers/child.json': { type: 'stdio', command: 'node', args: [childProgram] } },
    catalog: {
      tools: [
        { server: 'back', allow: ['*'] },
        { server: 'child', tool: 'echo', as: 'child_echo' },
      ],
    },
  })
  const gate = stack.use(await site.start({ node: [INSPECTABLE] }))
  const caller = stack.use(createCaller(site, await site.token({ team: 'proof' }), 64))
  if (!(await holds(async () => (await caller.tool('child_echo', { text: 'x' })).ok, 15_000)))
    throw new Error('the child does not answer')
  const tally: Tally = { sent: 0, wrong: new Map() }
  const perSecond = context.pace === 'usual' ? 20 : (await capacity(caller, tally)) / 2
  const warmMs = paced(context, { quick: 15_000, usual: MINUTE_MS, alone: 5 * MINUTE_MS })
  const runMs = paced(context, { quick: 45_000, usual: 30 * MINUTE_MS, long: 120 * MINUTE_MS })
  say(`${perSecond.toFixed(0)} per second`)
  const traffic = atPace({ perSecond, milliseconds: runMs, signal }, (index) => one(caller, tally, index))
  const isGoing = { now: true }
  void traffic.then(() => (isGoing.now = false))
  await untilOver(isGoing, warmMs)
  const operator = await createOperator(site)
  const before = await settled(site, gate)
  const samples: Sample[] = []
  const begun = performance.now()
  while (isGoing.now) {
    samples.push(sampleOf(gate, (performance.now() - begun) / 1_000))
    await untilOver(isGoing, SAMPLE_MS)
  }
  await traffic
  const after = await settled(site, gate)
  return judge({
    context,
    tally,
    perSecond,
    samples,
    heap: after.heap / before.heap - 1,
    sessions: await operator.metric('tollgate_sessions'),
    zombies: zombiesBelow(gate.pid),
  })
}

interface Course {
  readonly context: Context
  readonly tally: Tally
  readonly perSecond: number
  readonly samples: readonly Sample[]
  readonly heap: number
  readonly sessions: number
  readonly zombies: number
}

function judge({ context, tally, perSecond, samples, heap, sessions, zombies }: Course): Measured {
  const fit = slopeOf(samples.map(({ second, memory }) => ({ x: second, y: memory })))
  const mean = samples.reduce((sum, { memory }) => sum + memory, 0) / samples.length
  const [growth, margin] = [(fit.slope * 600) / mean, (fit.margin * 600) / mean]
  const wrong = [...tally.wrong.values()].reduce((sum, count) => sum + count, 0)
  const grown = (of: (sample: Sample) => number): number => {
    const third = Math.max(1, Math.floor(samples.length / 3))
    return median(samples.slice(-third).map(of)) - median(samples.slice(0, third).map(of))
  }
  const [descriptors, threads, processes] = [
    grown((one_) => one_.descriptors),
    grown((one_) => one_.threads),
    grown((one_) => one_.processes),
  ]
  const minutes = (samples.at(-1)?.second ?? 0) / 60
  const percent = (share: number): string => `${share >= 0 ? '+' : ''}${(share * 100).toFixed(2)} %`
  const isFlat = growth <= MOST_GROWTH || (context.pace !== 'long' && growth - margin <= 0)
  return {
    measured: `${minutes.toFixed(1)} min after the warm-up at ${perSecond.toFixed(0)}/s, ${tally.sent.toLocaleString('en')} requests: ${wrong} unexpected answers; memory ${percent(growth)} ± ${percent(margin).slice(1)} in 10 min (${mean.toFixed(0)} MiB), heap after collection ${percent(heap)}; change of descriptors ${descriptors}, threads ${threads}, processes ${processes}; ${sessions} sessions, ${zombies} zombies`,
    missed: missedOf({
      [`${wrong} unexpected answers: ${JSON.stringify([...tally.wrong].slice(0, 3))}`]: wrong === 0,
      [`memory ${percent(growth)} in 10 min`]: isFlat,
      [`heap ${percent(heap)}`]: heap <= HEAP_SHARE,
      [`descriptors ${descriptors}`]: descriptors <= MOST_DESCRIPTORS,
      [`threads ${threads}, processes ${processes}`]: threads <= 0 && processes <= 0,
      [`${sessions} sessions, ${zombies} zombies`]: sessions === 0 && zombies === 0,
    }),
    note: `${context.pace === 'usual' ? 'In the background of the other figures, at a modest rate; `--only F1` takes 30 min at half the most throughput. ' : ''}Growth within the 95 % interval of the fit counts as none unless the run is the long one`,
  }
}

/** One request of the mix; what is not as it should be is counted under its words. */
async function one(caller: Caller, tally: Tally, index: number): Promise<void> {
  const share = (index * 37) % 100
  const text = `soak ${index}`
  const isBad = share >= 95
  const outcome = await send(caller, share, text)
  tally.sent += 1
  const isRight = isBad
    ? outcome.status >= 400 && outcome.status < 500
    : outcome.ok && (share >= 85 || outcome.text.includes(text))
  if (isRight) return
  const words = `${share}: ${outcome.status} ${outcome.text.slice(0, 80)}`
  tally.wrong.set(words, (tally.wrong.get(words) ?? 0) + 1)
}

function send(caller: Caller, share: number, text: string): Promise<Outcome> {
  if (share < 50) return caller.tool('echo', { text })
  if (share < 65) return caller.tool('child_echo', { text })
  if (share < 85) return caller.chat(text, { stream: true })
  if (share < 95) return caller.list()
  if (share < 97) return caller.post('/mcp', '{"jsonrpc":')
  return share < 99 ? caller.chat(text, { model: 'none' }) : caller.post('/mcp', '{}', { authorization: 'Bearer none' })
}

const CAPACITY_MS = 8_000

/** Requests of the mix per second, when callers wait for nothing but their answers. */
async function capacity(caller: Caller, tally: Tally): Promise<number> {
  const begun = performance.now()
  let sent = 0
  await together(32, async () => {
    await one(caller, tally, sent++)
    return performance.now() - begun < CAPACITY_MS
  })
  return (sent * 1_000) / (performance.now() - begun)
}

/** The heap, and the buffers beside it, after everything that can go has gone. */
async function settled(site: Site, gate: Gate): Promise<{ readonly heap: number }> {
  await collect(site, gate)
  const operator = await createOperator(site)
  const [heap, outside] = [
    await operator.metric('nodejs_heap_size_used_bytes'),
    await operator.metric('nodejs_external_memory_bytes'),
  ]
  return { heap: heap + outside }
}

function sampleOf(gate: Gate, second: number): Sample {
  const pids = gate.pids()
  return {
    second,
    memory: memoryOf(pids),
    descriptors: descriptorsOf(pids),
    threads: threadsOf(pids),
    processes: treeOf(gate.pid).length,
  }
}

async function untilOver(isGoing: { readonly now: boolean }, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds
  while (isGoing.now && performance.now() < end) await pause(Math.min(200, end - performance.now()))
}

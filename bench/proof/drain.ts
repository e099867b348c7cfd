import { join } from 'node:path'
import { createRandom } from '../../test/kit/fault-proxy.ts'
import { startBackEnd } from './back-end.ts'
import { openListen } from '../../test/support/raw-mcp.ts'
import { createCaller, holds, type Outcome } from './caller.ts'
import { missedOf, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, isReady } from './gate.ts'
import { processesIn } from './procfs.ts'

/** F5: everything under way at SIGTERM comes to its end. */
export const drain: Figure = {
  id: 'F5',
  what: 'Drain: SIGTERM with 200 exchanges under way',
  target: '0 dropped calls, 0 dropped streams shorter than the drain window, not ready within 100 ms, exit code 0, no child left',
  measure,
}

export const childProgram = join(import.meta.dirname, '../../test/support/child-program.ts')
/** Shorter than the 30 s of the drain window. */
const LONGEST_MS = 12_000
const SHORTEST_MS = 3_000

async function measure(context: Context): Promise<Measured> {
  const { stack, folder } = context
  const backEnd = stack.use(await startBackEnd())
  const site = await createSite(context, {
    backEnd,
    files: { 'servers/child.json': { type: 'stdio', command: 'node', args: [childProgram] } },
    catalog: {
      tools: [
        { server: 'back', allow: ['*'] },
        { server: 'child', allow: ['late'] },
      ],
    },
  })
  const gate = stack.use(await site.start())
  const token = await site.token({ team: 'proof' })
  const caller = stack.use(createCaller(site, token, 400))
  await holds(async () => (await caller.tool('late', { ms: 1 })).ok, 10_000)
  const random = createRandom(5)
  const lasting = (): number => Math.round(SHORTEST_MS + random() * (context.pace === 'quick' ? 1_000 : LONGEST_MS - SHORTEST_MS))
  const times = (count: number, begin: () => Promise<Outcome>): Promise<Outcome>[] => Array.from({ length: count }, begin)
  const listening = await Promise.all(Array.from({ length: 20 }, () => listen(`${site.url}/mcp`, token)))
  const underWay = {
    'tool calls': times(70, () => caller.tool('wait', { text: 'x', ms: lasting() })),
    'calls of a child': times(20, () => caller.tool('late', { ms: lasting() })),
    'model calls': times(40, () => caller.chat(`ms=${lasting()}`)),
    'model streams': times(50, () => caller.chat(`ms=${lasting()}`, { stream: true })),
    'listening streams': listening.flat(),
  }
  if (!(await holds(() => backEnd.seen.underWay === 160, SHORTEST_MS)))
    throw new Error(`only ${backEnd.seen.underWay} of 160 calls are under way`)
  const begun = performance.now()
  const exit = gate.end('SIGTERM')
  await holds(async () => !(await isReady(site.healthUrl)), 5_000)
  const notReadyMs = performance.now() - begun
  const dropped: Record<string, number> = {}
  for (const [kind, answers] of Object.entries(underWay))
    dropped[kind] = (await Promise.all(answers)).filter(({ ok }) => !ok).length
  const code = await exit
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1)
  await holds(() => processesIn(folder).length === 0, 1_000)
  const left = processesIn(folder).length
  const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  return {
    measured: `200 under way (70 tools, 20 of a child, 40 models, 50 model streams, 20 listening): ${lost} dropped${lost === 0 ? '' : ` (${JSON.stringify(dropped)})`}, not ready after ${notReadyMs.toFixed(0)} ms, exit code ${code} after ${seconds} s, ${left} processes left`,
    missed: missedOf({
      [`${lost} of 200 dropped`]: lost === 0,
      [`readiness took ${notReadyMs.toFixed(0)} ms`]: notReadyMs <= 100,
      [`exit code ${code}`]: code === 0,
      [`${left} processes left`]: left === 0,
    }),
  }
}

/** Opens a listening stream; resolves when it is open, to what becomes of it: its own answer must end it. */
async function listen(url: string, token: string): Promise<Promise<{ readonly ok: boolean }>[]> {
  const answer = await openListen(url, { authorization: `Bearer ${token}` })
  return [answer.text().then((text) => ({ ok: text.includes('"result"') }))]
}

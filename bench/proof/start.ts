import { createSite, type Site } from './gate.ts'
import { startBackEnd } from './back-end.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { pickPort } from './ports.ts'
import { seedLedger } from './seed.ts'
import { median } from './statistics.ts'

/** F21: how soon it serves. */
export const coldStart: Figure = {
  id: 'F21',
  what: 'Cold start until readiness: nothing there yet, a ledger of 1,000,000 rows, every upstream dead',
  target: 'at most 1 s empty, at most 2 s with 1,000,000 rows or with all upstreams dead (median of the starts)',
  measure,
}

const EMPTY_MS = 1_000
const FULL_MS = 2_000

async function measure(context: Context): Promise<Measured> {
  const { stack, say } = context
  const starts = paced(context, { quick: 3, usual: 7 })
  const rows = paced(context, { quick: 50_000, usual: 1_000_000 })
  const backEnd = stack.use(await startBackEnd())
  const at = (name: string) => ({ program: context.program, folder: `${context.folder}/${name}` })
  const empty: number[] = []
  for (let start = 0; start < starts; start += 1)
    empty.push(...(await timed(await createSite(at(`empty-${start}`), { backEnd }), 1)))
  say(`empty: ${empty.map((ms) => ms.toFixed(0)).join(', ')} ms`)
  const dead = await timed(await createSite(at('dead'), { ...(await deadUpstreams()) }), starts)
  say(`dead: ${dead.map((ms) => ms.toFixed(0)).join(', ')} ms`)
  const full = await createSite(at('full'), { backEnd })
  const begun = performance.now()
  await seedLedger(context, full, rows)
  say(`${rows} rows written and indexed in ${((performance.now() - begun) / 1_000).toFixed(0)} s`)
  const seeded = await timed(full, starts)
  const words = (times: readonly number[]): string => `${median(times).toFixed(0)} ms (at most ${Math.max(...times).toFixed(0)})`
  return {
    measured: `empty ${words(empty)}, ${rows.toLocaleString('en')} rows ${words(seeded)}, 20 dead upstreams ${words(dead)}; ${starts} starts each`,
    missed: missedOf({
      [`empty took ${median(empty).toFixed(0)} ms`]: median(empty) <= EMPTY_MS,
      [`${rows} rows took ${median(seeded).toFixed(0)} ms`]: median(seeded) <= FULL_MS,
      [`dead upstreams took ${median(dead).toFixed(0)} ms`]: median(dead) <= FULL_MS,
    }),
    note: 'Wall time from spawn to the first yes of /readyz, the start of Node included; other work on the machine is in it',
  }
}

async function timed(site: Site, starts: number): Promise<number[]> {
  const times: number[] = []
  for (let start = 0; start < starts; start += 1) {
    const gate = await site.start()
    times.push(gate.readyMs)
    await gate.end('SIGTERM')
  }
  return times
}

/** Ten servers nobody listens for and ten programs that end at once, and a provider that is not there. */
async function deadUpstreams(): Promise<{ readonly file: Record<string, unknown>; readonly files: Record<string, unknown> }> {
  const port = await pickPort()
  const ids = Array.from({ length: 10 }, (_, index) => String(index))
  return {
    file: {
      providers: { main: { type: 'openai_compatible', baseUrl: `http://127.0.0.1:${port}/v1` } },
      routes: { chat: { targets: [{ provider: 'main', model: 'chat' }] } },
    },
    files: {
      ...Object.fromEntries(ids.map((id) => [`servers/http${id}.json`, { type: 'http', url: `http://127.0.0.1:${port}/mcp` }])),
      ...Object.fromEntries(
        ids.map((id) => [`servers/child${id}.json`, { type: 'stdio', command: 'node', args: ['--version'] }]),
      ),
      'catalogs/dead.json': {
        title: 'Dead',
        for: { teams: ['dead'] },
        tools: ids.flatMap((id) => [`http${id}`, `child${id}`]).map((server) => ({ server, allow: ['*'] })),
        models: [{ route: 'chat' }],
      },
    },
  }
}

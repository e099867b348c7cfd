import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createRandom } from '../../test/kit/fault-proxy.ts'
import { startBackEnd } from './back-end.ts'
import { atPace, createCaller, pause } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, type Site } from './gate.ts'
import { seedLedger } from './seed.ts'
import { median } from './statistics.ts'

/** F7: what was answered is in the ledger, whatever happens to the process. */
export const crash: Figure = {
  id: 'F7',
  what: 'Crash: 50 times kill -9 at a random moment under 200 calls per second, tools and models, over a ledger of 1,000,000 rows',
  target: '0 acknowledged rows lost, 0 duplicates, ready within 2 s, budgets exact',
  measure,
}

const PER_SECOND = 200
const PRICE = 0.002
/** Calls the budget has left after the last crash. */
const LEFT = 50
const READY_MS = 2_000

async function measure(context: Context): Promise<Measured> {
  const { stack, say } = context
  const cycles = paced(context, { quick: 5, usual: 50 })
  const rows = paced(context, { quick: 20_000, usual: 1_000_000 })
  const backEnd = stack.use(await startBackEnd())
  const tools = [{ server: 'back', tool: 'echo', price: { usd: String(PRICE) } }]
  const catalog = (usd: string): object => ({
    title: 'Tools',
    for: { teams: ['tools'] },
    tools,
    budgets: [{ usd, per: 'total' }],
  })
  const site = await createSite(context, { backEnd, teams: ['models'], files: { 'catalogs/tools.json': catalog('1000') } })
  await seedLedger(context, site, rows)
  say(`the ledger has ${rows} rows`)
  const acknowledged: string[] = []
  const starts: number[] = []
  const random = createRandom(7)
  for (let cycle = 0; cycle < cycles; cycle += 1) starts.push(await crashed(site, acknowledged, 200 + random() * 600))
  const last = await site.start()
  starts.push(last.readyMs)
  await last.end('SIGTERM')
  const before = readLedger(site)
  site.write('catalogs/tools.json', catalog(((before.priced + LEFT) * PRICE).toFixed(3)))
  const passed = await spendAll(site)
  const lost = acknowledged.filter((id) => !before.ids.has(id)).length
  return {
    measured: `${cycles} kills: ${acknowledged.length} acknowledged exchanges, ${lost} not in the ledger, ${before.duplicates} rows twice; ready after ${median(starts).toFixed(0)} ms, at most ${Math.max(...starts).toFixed(0)} ms; a budget with ${LEFT} calls left after all crashes let ${passed} pass`,
    missed: missedOf({
      [`${lost} acknowledged rows lost`]: lost === 0,
      [`${before.duplicates} duplicates`]: before.duplicates === 0,
      [`only ${acknowledged.length} acknowledged`]: acknowledged.length >= cycles * 10,
      [`a start took ${Math.max(...starts).toFixed(0)} ms`]: Math.max(...starts) <= READY_MS,
      [`the budget let ${passed} of ${LEFT} pass`]: passed === LEFT,
    }),
  }
}

/** One life of the gateway: load, then the end without warning. Returns how long it took to be ready. */
async function crashed(site: Site, acknowledged: string[], livesMs: number): Promise<number> {
  await using gate = await site.start()
  await using tools = createCaller(site, await site.token({ team: 'tools' }), 32)
  await using models = createCaller(site, await site.token({ team: 'models' }), 32)
  const stop = new AbortController()
  const load = atPace({ perSecond: PER_SECOND, milliseconds: livesMs + 1_000, signal: stop.signal }, async (index) => {
    const outcome = await (index % 2 === 0 ? tools.tool('echo', { text: 'x' }) : models.chat('x', { stream: index % 4 === 1 }))
    if (outcome.ok) acknowledged.push(outcome.exchange)
  })
  await pause(livesMs) // the moment of the kill is the random input
  await gate.end('SIGKILL')
  stop.abort()
  await load
  return gate.readyMs
}

/** Calls until the budget refuses, and tells how many passed. */
async function spendAll(site: Site): Promise<number> {
  await using gate = await site.start()
  await using caller = createCaller(site, await site.token({ team: 'tools' }), 8)
  let passed = 0
  for (let call = 0; call < LEFT * 2; call += 1) if ((await caller.tool('echo', { text: 'x' })).ok) passed += 1
  await gate.end('SIGTERM')
  return passed
}

function readLedger({ folder }: Site): {
  readonly ids: ReadonlySet<string>
  readonly duplicates: number
  readonly priced: number
} {
  const database = new DatabaseSync(join(folder, '.tollgate/ledger/ledger.db'), { readOnly: true })
  try {
    const ids = new Set<string>()
    let count = 0
    let priced = 0
    // Columns of the index, whose rows are text and numbers.
    for (const row of database.prepare("SELECT id, attempt, nano_usd AS price FROM entry WHERE id NOT LIKE 'seed-%'").iterate()) {
      count += 1
      ids.add(String(row['id']))
      if (Number(row['price'] ?? 0) > 0) priced += 1
    }
    return { ids, duplicates: count - ids.size, priced }
  } finally {
    database.close()
  }
}

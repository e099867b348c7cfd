import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { childProgram } from './drain.ts'
import { createCaller, holds } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, type Gate, type Site } from './gate.ts'
import { createOperator } from './operator.ts'
import { descriptorsOf, processesIn, zombiesBelow } from './procfs.ts'

/** F22: no child is ever left behind. */
export const children: Figure = {
  id: 'F22',
  what: 'Children: 100 reloads and 50 children that crash at start, beside stubborn process trees; then 20 times kill -9 of the gateway',
  target: '0 orphans and 0 zombies after 5 s, as many children as configured, descriptors flat',
  measure,
}

const TREES = 4
/** A tree is the program, its shell, and the program of the shell. */
const TREE_SIZE = 3
const CRASHING = 10
const CRASHES = 50
const CRASH_PROGRAM = 'crash.mjs'
/** A letter for every start that failed. */
const CRASH_LOG = 'crashes.txt'
const WITHIN_MS = 5_000

async function measure(context: Context): Promise<Measured> {
  const { stack, say } = context
  const reloads = paced(context, { quick: 10, usual: 100 })
  const kills = paced(context, { quick: 2, usual: 20 })
  const site = await createSite(context, {
    teams: [],
    files: {
      ...Object.fromEntries(Array.from({ length: TREES }, (_, index) => [`servers/tree${index}.json`, tree(0)])),
      ...Object.fromEntries(
        Array.from({ length: CRASHING }, (_, index) => [
          `servers/crash${index}.json`,
          { type: 'stdio', command: 'node', args: [CRASH_PROGRAM] },
        ]),
      ),
      [CRASH_PROGRAM]: `import { appendFileSync } from 'node:fs'\nappendFileSync('${CRASH_LOG}', '.')\nprocess.exit(3)\n`,
      [CRASH_LOG]: '',
      'catalogs/proof.json': {
        title: 'Proof',
        for: { teams: ['proof'] },
        tools: [
          ...Array.from({ length: TREES }, (_, index) => ({ server: `tree${index}`, tool: 'where', as: `where${index}` })),
          ...Array.from({ length: CRASHING }, (_, index) => ({ server: `crash${index}`, allow: ['*'] })),
        ],
      },
    },
  })
  stack.defer(async () => void (await orphansOf(site)))
  const gate = stack.use(await site.start({ patienceMs: 90_000 }))
  await callAll(site)
  const before = descriptorsOf(gate.pids())
  await reloaded(site, reloads)
  const crashes = await crashesOf(site)
  const areTrees = await holds(() => trees(site, gate) === TREES * TREE_SIZE, WITHIN_MS)
  const running = trees(site, gate)
  const isWithoutZombie = await holds(() => zombiesBelow(gate.pid) === 0, WITHIN_MS)
  const zombies = zombiesBelow(gate.pid)
  const after = descriptorsOf(gate.pids())
  say(`${reloads} reloads: ${running} processes of ${TREES} trees, ${zombies} zombies, ${before} descriptors, then ${after}`)
  await gate.end('SIGTERM')
  let orphans = await orphansOf(site)
  for (let kill = 0; kill < kills; kill += 1) {
    const victim = await site.start({ patienceMs: 90_000 })
    await callAll(site)
    await victim.end('SIGKILL')
    orphans += await orphansOf(site)
  }
  return {
    measured: `${reloads} reloads, ${crashes} starts that failed: ${running} processes of ${TREES} trees (${TREES * TREE_SIZE} configured), ${zombies} zombies, descriptors ${before} before and ${after} after; SIGTERM and ${kills} times kill -9: ${orphans} orphans after 5 s`,
    missed: missedOf({
      [`${running} processes instead of ${TREES * TREE_SIZE}`]: areTrees,
      [`only ${crashes} starts failed`]: crashes >= CRASHES || context.pace === 'quick',
      [`${zombies} zombies`]: isWithoutZombie,
      [`descriptors grew from ${before} to ${after}`]: after <= before * 1.1 + 10,
      [`${orphans} orphans`]: orphans === 0,
    }),
    note: 'A tree is a program that ignores SIGTERM, its shell, and the program of that shell; every reload replaces one tree',
  }
}

/** How many processes are left after the time they have; those are ended here, so that none outlives the figure. */
async function orphansOf({ folder }: Site): Promise<number> {
  await holds(() => processesIn(folder).length === 0, WITHIN_MS)
  const left = processesIn(folder)
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
  return left.length
}

function program(...flags: readonly string[]): object {
  return { type: 'stdio', command: 'node', args: [childProgram, ...flags] }
}

function tree(version: number): object {
  return { ...program('--tree', '--stubborn'), env: { VERSION: String(version) } }
}

/** Changes one tree each time, so that its children must go and others come. */
async function reloaded(site: Site, reloads: number): Promise<void> {
  const operator = await createOperator(site)
  for (let reload = 1; reload <= reloads; reload += 1) {
    site.write(`servers/tree${reload % TREES}.json`, tree(reload))
    await operator.reload()
    if (reload % 10 === 0) await callAll(site)
  }
  await callAll(site)
}

async function callAll(site: Site): Promise<void> {
  await using caller = createCaller(site, await site.token({ team: 'proof' }), TREES)
  const answered = async (name: string): Promise<boolean> => await holds(async () => (await caller.tool(name, {})).ok, 15_000)
  const all = await Promise.all(Array.from({ length: TREES }, (_, index) => answered(`where${index}`)))
  if (all.includes(false)) throw new Error('a child did not answer')
}

/** Processes of the trees: those in the folder, without the gateway and what crashes at this moment. */
function trees(site: Site, gate: Gate): number {
  const own = new Set(gate.pids())
  return processesIn(site.folder).filter(({ pid, command }) => !own.has(pid) && !command.includes(CRASH_PROGRAM)).length
}

/** How often a child ended at its start; waits for those that are still to come. */
async function crashesOf({ folder }: Site): Promise<number> {
  const count = (): number => readFileSync(join(folder, CRASH_LOG), 'utf8').length
  await holds(() => count() >= CRASHES, 60_000)
  return count()
}

import { startArena } from '../../test/kit/arena.ts'
import { said, startHostileMcp } from '../../test/kit/hostile-mcp.ts'
import { startHostileProvider } from '../../test/kit/hostile-provider.ts'
import { calling, FAULT_ROWS, type Stage } from './fault-rows.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'

/** F2: one life of the gateway, every fault in it. */
export const faults: Figure = {
  id: 'F2',
  what: `Faults survived: ${FAULT_ROWS.length} faults of servers, provider and callers, one after the other in one life of the process, a tenant beside them that must not notice`,
  target: 'all of them with every invariant kept; 0 restarts',
  measure,
}

const timeouts = { connectMs: 500, firstByteMs: 400, idleMs: 400, totalMs: 1_000, listMs: 3_000 }
const bounds = { resultBytes: 1_048_576, eventBytes: 1_048_576, lineBytes: 1_048_576, definitions: 50 }
/** A breaker that stays out of the way: each fault must reach the gateway. */
const patient = { timeouts, bounds, breaker: { failures: 1_000 } }
const CLOCKS = { firstTokenMs: 600, idleMs: 600, totalMs: 3_000 }

async function measure(context: Context): Promise<Measured> {
  const { stack, say } = context
  const honest = (transport: 'http' | 'sse' | 'stdio') =>
    startHostileMcp(
      transport,
      calling(transport, (step) => step.result(said('ok'))),
    )
  const servers = {
    http: stack.use(await honest('http')),
    sse: stack.use(await honest('sse')),
    stdio: stack.use(await honest('stdio')),
  }
  const provider = stack.use(await startHostileProvider())
  const arena = stack.use(
    await startArena({
      servers: Object.fromEntries(Object.entries(servers).map(([id, { file }]) => [id, { ...file, ...patient }])),
      providers: { hostile: { type: 'openai_compatible', baseUrl: `${provider.url}/v1` } },
      routes: { hostile: { targets: [{ provider: 'hostile', model: 'fake' }], clocks: CLOCKS, retries: 0 } },
    }),
  )
  const stage: Stage = { arena, servers, provider }
  await Promise.all(Object.keys(servers).map((name) => arena.offers(name)))
  const rows = FAULT_ROWS.slice(0, paced(context, { quick: FAULT_ROWS.length, usual: FAULT_ROWS.length }))
  // Code is compiled and heaps have grown before anything is compared.
  for (const row of rows) await row.run(stage)
  const known = new Set(await arena.attack(async () => undefined))
  const broken: string[] = []
  for (const row of rows) {
    await arena.call('stdio') // a child that the last fault ended is there again
    // What the probe noticed is told again after every later fault.
    const violations = (await arena.attack(() => row.run(stage))).filter((violation) => !known.has(violation))
    for (const violation of violations) known.add(violation)
    if (violations.length > 0) broken.push(`${row.id} ${row.what}: ${violations.join(', ')}`)
    for (const violation of violations) say(`${row.id} ${row.what}: ${violation}`)
  }
  const { child } = arena.gateway
  const isAlive = child.exitCode === null && child.signalCode === null
  return {
    measured: `${rows.length - broken.length} of ${rows.length} (${[...new Set(rows.map(({ id }) => id))].join(' ')}), ${isAlive ? 0 : 1} restarts`,
    missed: [...broken, ...missedOf({ 'the gateway ended': isAlive })],
    note: 'Each fault twice, the second time between two looks at process, memory, descriptors, children, health, ledger, probe tenant and canary secrets; the rest of the catalogue is in the tests that bear its row ids',
  }
}

import { connect } from 'node:net'
import { startBackEnd } from './back-end.ts'
import { createCaller, pause } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, type Gate, type Site } from './gate.ts'
import { createOperator, type Operator } from './operator.ts'
import { cpuOf, memoryOf } from './procfs.ts'
import { median } from './statistics.ts'
import { smallAttacks, worstBodies, type Attack } from './worst-requests.ts'

/** F15: nobody gets much work out of the gateway for little of their own. */
export const amplification: Figure = {
  id: 'F15',
  what: 'Amplification: the worst requests of at most 10 KiB, 1,000 times each; the worst bodies at the limit of 4 MiB',
  target:
    'less than 1 MiB and less than 100 times the CPU of its sender for each small one; the event loop held at most 50 ms by a large one',
  measure,
}

const CONNECTIONS = 20
const MOST_MIB = 1
const MOST_CPU = 100
const MOST_LOOP_MS = 50
const ROUNDS = 3
/** A request that is too dear to be sent so often is dear enough. */
const FLOOD_MS = 8_000

async function measure(context: Context): Promise<Measured> {
  const { stack, say } = context
  const times = paced(context, { quick: 200, usual: 1_000 })
  const backEnd = stack.use(await startBackEnd())
  const site = await createSite(context, { backEnd })
  const gate = stack.use(await site.start())
  const token = await site.token({ team: 'proof' })
  const caller = stack.use(createCaller(site, token, CONNECTIONS))
  for (let call = 0; call < 500; call += 1) await caller.tool('echo', { text: 'x' })
  const costs = []
  for (const attack of smallAttacks(token)) {
    await flood(site, attack, CONNECTIONS * 10) // code of its own is compiled, and the heap has the room it needs
    costs.push(await cost(site, gate, { attack, times }))
  }
  const dearest = costs.toSorted((a, b) => b.ratio - a.ratio)[0]
  const largest = costs.toSorted((a, b) => b.mebibytes - a.mebibytes)[0]
  const operator = await createOperator(site)
  const holds = []
  for (const attack of worstBodies(token)) holds.push(await hold(site, operator, attack))
  const longest = holds.toSorted((a, b) => b.ms - a.ms)[0]
  say(holds.map(({ name, ms }) => `${name} ${ms.toFixed(0)} ms`).join(', '))
  return {
    measured: `${costs.length} small requests: at most ${dearest?.ratio.toFixed(1)} times the CPU of the sender (${dearest?.name}, ${dearest?.micros.toFixed(0)} µs) and ${largest?.mebibytes.toFixed(2)} MiB (${largest?.name}); ${holds.length} large bodies: the loop held at most ${longest?.ms.toFixed(0)} ms (${longest?.name})`,
    missed: [
      ...costs.flatMap(({ name, ratio, mebibytes }) =>
        missedOf({
          [`${name}: ${ratio.toFixed(0)} times the CPU`]: ratio < MOST_CPU,
          [`${name}: ${mebibytes.toFixed(1)} MiB`]: mebibytes < MOST_MIB,
        }),
      ),
      ...holds.flatMap(({ name, ms }) => missedOf({ [`${name}: ${ms.toFixed(0)} ms`]: ms <= MOST_LOOP_MS })),
    ],
    note: `The sender is this program, which writes ready-made bytes over ${CONNECTIONS} connections; memory is the growth of the resident set over all ${times} divided by the ${CONNECTIONS} under way at a time; loop delay is the median of ${ROUNDS}, and on a shared machine holds what the others took`,
  }
}

interface Cost {
  readonly name: string
  readonly ratio: number
  readonly micros: number
  readonly mebibytes: number
}

async function cost(
  site: Site,
  gate: Gate,
  { attack, times }: { readonly attack: Attack; readonly times: number },
): Promise<Cost> {
  const before = memoryOf(gate.pids())
  const [theirs, ours] = [cpuOf(gate.pids()), process.cpuUsage()]
  const sent = await flood(site, attack, times)
  const { user, system } = process.cpuUsage(ours)
  const gatewayMicros = ((cpuOf(gate.pids()) - theirs) * 1_000) / sent
  const growth = Math.max(0, memoryOf(gate.pids()) - before)
  return {
    name: attack.name,
    ratio: gatewayMicros / ((user + system) / sent),
    micros: gatewayMicros,
    mebibytes: growth / CONNECTIONS,
  }
}

/** The longest the event loop was held while one large body was read, apart from what it is held without one. */
async function hold(site: Site, operator: Operator, attack: Attack): Promise<{ readonly name: string; readonly ms: number }> {
  const delays: number[] = []
  await flood(site, attack, 1)
  for (let round = 0; round < ROUNDS; round += 1) {
    await operator.loopDelayMs('1')
    await flood(site, attack, 1)
    await pause(50)
    delays.push(await operator.loopDelayMs('1'))
  }
  return { name: attack.name, ms: median(delays) }
}

/** Sends a request so often, over some connections at a time, unless that takes too long; each waits for an answer or the end. Returns how often. */
async function flood(site: Site, attack: Attack, times: number): Promise<number> {
  const end = performance.now() + FLOOD_MS
  let left = times
  const one = async (): Promise<void> => {
    while (left > 0 && performance.now() < end) {
      const most = Math.min(left, PER_CONNECTION)
      left -= most
      left += most - (await volley(site.port, attack.bytes, most))
    }
  }
  await Promise.all(Array.from({ length: Math.min(CONNECTIONS, times) }, one))
  return times - left
}

const PER_CONNECTION = 10
const PATIENCE_MS = 20_000

/** Up to so many requests on one connection, one after the other; how many were sent before it ended. */
function volley(port: number, bytes: Buffer, most: number): Promise<number> {
  return new Promise((resolve) => {
    let sent = 0
    const socket = connect(port, '127.0.0.1')
    const next = (): void => {
      if (sent >= most) return end()
      sent += 1
      socket.write(bytes)
    }
    const end = (): void => {
      socket.destroy()
      resolve(Math.max(1, sent))
    }
    socket.on('connect', next)
    socket.on('data', (chunk: Buffer) => {
      // Heads and bodies of these answers come in one piece; a second piece would only send the next request early.
      if (chunk.includes('HTTP/1.1')) next()
    })
    socket.on('error', end).on('close', end).setTimeout(PATIENCE_MS, end)
  })
}

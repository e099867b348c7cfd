import { INSPECTABLE } from '../../test/kit/inspector.ts'
import { startBackEnd } from './back-end.ts'
import { createCaller, holds, together, type Caller } from './caller.ts'
import { collect } from './collect.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, ROOMY } from './gate.ts'
import { createOperator, type Operator } from './operator.ts'
import { memoryOf } from './procfs.ts'

/** F16: sessions that nobody comes back to. */
export const sessionFlood: Figure = {
  id: 'F16',
  what: 'Session flood: 10,000 times initialize and never again; then 10,000 requests that are refused',
  target:
    'resident memory back within 10 % after the idle time of a session; no session and no upstream call by a refused request; over the cap 429',
  measure,
}

const IDLE_MS = 10_000
const CAP = 20
const AT_ONCE = 32
const BACK_WITHIN_MS = 30_000

async function measure(context: Context): Promise<Measured> {
  const { stack, say } = context
  const count = paced(context, { quick: 1_000, usual: 10_000 })
  const backEnd = stack.use(await startBackEnd())
  const bounds = { ...ROOMY, sessionsPerPrincipal: CAP, sessionIdleMs: IDLE_MS }
  const site = await createSite(context, { backEnd, file: { bounds } })
  const gate = stack.use(await site.start({ node: [INSPECTABLE] }))
  const operator = await createOperator(site)
  const principals = await Promise.all(
    Array.from({ length: count / CAP }, (_, index) => site.token({ team: 'proof', subject: `p${index}` })),
  )
  const callers = principals.map((token) => createCaller(site, token, 1))
  stack.defer(async () => void (await Promise.all(callers.map((caller) => caller[Symbol.asyncDispose]()))))
  const warm = stack.use(createCaller(site, await site.token({ team: 'proof', subject: 'warm' }), AT_ONCE))
  await each(count, async () => void (await warm.tool('echo', { text: 'x' }))) // code is compiled and heaps have grown before anything is compared
  await collect(site, gate)
  const before = memoryOf(gate.pids())
  let opened = 0
  await each(count, async (index) => void ((await initialize(callers[index % callers.length])) === 200 && (opened += 1)))
  const held = await sessions(operator)
  const most = memoryOf(gate.pids())
  const over = await initialize(callers[0])
  say(`${opened} opened, ${held} held, ${most.toFixed(0)} MiB`)
  const areGone = await holds(async () => (await sessions(operator)) === 0, IDLE_MS + BACK_WITHIN_MS)
  await collect(site, gate)
  await holds(() => memoryOf(gate.pids()) <= before * 1.1, BACK_WITHIN_MS)
  const after = memoryOf(gate.pids())
  const [calls, refused] = [backEnd.seen.calls, await refuse(warm, count)]
  const left = await sessions(operator)
  const reached = backEnd.seen.calls - calls
  return {
    measured: `${opened} sessions opened, ${held} held, the next one of a caller with ${CAP} got ${over}; resident ${before.toFixed(0)} MiB before, ${most.toFixed(0)} with them, ${after.toFixed(0)} after (${change(after / before)}); ${refused} of ${count} bad requests refused: ${left} sessions, ${reached} upstream calls`,
    missed: missedOf({
      [`${opened} of ${count} opened`]: opened === count,
      [`one over the cap got ${over}`]: over === 429,
      'sessions outlive their idle time': areGone,
      [`resident memory ${change(after / before)}`]: after <= before * 1.1,
      [`${count - refused} bad requests passed`]: refused === count,
      [`${left} sessions by refused requests`]: left === 0,
      [`${reached} upstream calls by refused requests`]: reached === 0,
    }),
    note: `The idle time is set to ${IDLE_MS / 1_000} s (900 s by default); memory before and after is taken after a collection, because V8 lets its own wait`,
  }
}

async function each(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  await together(AT_ONCE, async () => {
    const index = next++
    if (index >= count) return false
    await work(index)
    return true
  })
}

async function initialize(caller: Caller | undefined): Promise<number> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'flood', version: '1' } }
  return (await caller?.post('/mcp', JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params })))?.status ?? 0
}

/** Three ways to be refused, in turn. Returns how many were. */
async function refuse(caller: Caller, count: number): Promise<number> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25' } })
  const ways = [
    async () => await caller.post('/mcp', body, { host: 'evil.test' }),
    async () => await caller.post('/mcp', body, { authorization: 'Bearer wrong' }),
    async () => await caller.post('/mcp', body.slice(0, -1)),
  ]
  let refused = 0
  await each(count, async (index) => {
    const status = (await ways[index % ways.length]?.())?.status ?? 0
    if (status >= 400 && status < 500) refused += 1
  })
  return refused
}

async function sessions(operator: Operator): Promise<number> {
  return await operator.metric('tollgate_sessions')
}

function change(ratio: number): string {
  return `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`
}

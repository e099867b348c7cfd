// Kills a gateway under load, again and again, and compares what callers were answered with what its ledger says in the end. The journal of
// answers is kept on the side of the callers: an id is in it when its whole answer had arrived.
import { setTimeout as wait } from 'node:timers/promises'
import { join } from 'node:path'
import { developmentToken, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts'
import { readEntries } from './admin-side.ts'
import { createRandom } from './fault-proxy.ts'
import { checkLedger } from './ledger-check.ts'

/** What is run, and how it is killed. */
export interface CrashPlan {
  /** A folder with the files of an admin. */
  readonly folder: string
  readonly team: string
  readonly kills: number
  /** The same seed kills after the same times. */
  readonly seed: number
  readonly callers: number
  /** Shortest and longest life under load, in milliseconds. */
  readonly lifeMs: readonly [number, number]
  /** One call; answers its exchange id when its whole answer had come, undefined when it failed in good order. Throws when cut off. */
  call(gateway: GatewayProcess, headers: Readonly<Record<string, string>>): Promise<string | undefined>
}

/** What came of it. */
export interface CrashReport {
  readonly acknowledged: number
  /** Entries in the ledger, answered or not. */
  readonly recorded: number
  /** Answered, and not in the ledger. */
  readonly missing: readonly string[]
  /** In the ledger more than once under one attempt. */
  readonly twice: readonly string[]
  /** What else is wrong with the ledger. */
  readonly broken: readonly string[]
  /** How long each start took. */
  readonly readyMs: readonly number[]
}

/** Does it, starts the gateway a last time, and compares. */
export async function driveCrashes(plan: CrashPlan): Promise<CrashReport> {
  const random = createRandom(plan.seed)
  const acknowledged: string[] = []
  const readyMs: number[] = []
  let headers: Record<string, string> | undefined
  for (let kill = 0; kill < plan.kills; kill += 1) {
    const gateway = await startGatewayProcess(plan.folder)
    readyMs.push(gateway.readyMs)
    headers ??= { authorization: `Bearer ${await developmentToken(plan.folder, { team: plan.team })}` }
    const [shortest, longest] = plan.lifeMs
    await oneLife(plan, { gateway, headers, acknowledged, lifeMs: shortest + random() * (longest - shortest) })
  }
  const gateway = await startGatewayProcess(plan.folder)
  readyMs.push(gateway.readyMs)
  try {
    return { ...(await compare(plan, gateway, acknowledged)), readyMs }
  } finally {
    await gateway.kill('SIGTERM')
  }
}

interface Life {
  readonly gateway: GatewayProcess
  readonly headers: Readonly<Record<string, string>>
  readonly acknowledged: string[]
  readonly lifeMs: number
}

async function oneLife({ call, callers }: CrashPlan, { gateway, headers, acknowledged, lifeMs }: Life): Promise<void> {
  const stop = new AbortController()
  const caller = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const answered = await call(gateway, headers).catch(() => 'cut off' as const)
      if (answered === 'cut off') return
      if (answered !== undefined) acknowledged.push(answered)
    }
  }
  const load = Promise.all(Array.from({ length: callers }, caller))
  await wait(lifeMs)
  await gateway.kill('SIGKILL')
  stop.abort()
  await load
}

async function compare(
  { folder }: CrashPlan,
  { adminUrl }: GatewayProcess,
  acknowledged: readonly string[],
): Promise<Omit<CrashReport, 'readyMs'>> {
  const admin = { adminUrl, token: await developmentToken(folder, { roles: ['viewer'] }) }
  const entries = await readEntries(admin)
  const counts = new Map<string, number>()
  for (const { id, attempt } of entries) counts.set(`${id} ${attempt}`, (counts.get(`${id} ${attempt}`) ?? 0) + 1)
  const known = new Set(entries.map(({ id }) => id))
  return {
    acknowledged: acknowledged.length,
    recorded: entries.length,
    missing: acknowledged.filter((id) => !known.has(id)),
    twice: [...counts].flatMap(([key, count]) => (count > 1 ? [key] : [])),
    broken: await checkLedger({ ...admin, state: join(folder, '.tollgate') }),
  }
}

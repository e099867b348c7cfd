import { join } from 'node:path'
import type { Gateway } from './config/gateway.ts'
import type { ConfigFiles } from './config/load.ts'
import type { Report } from './core/events.ts'
import type { Snapshot } from './core/snapshot.ts'
import { adminSide } from './gateway/admin-side.ts'
import type { Callers } from './gateway/callers.ts'
import { followCertificates } from './gateway/certificates.ts'
import { type Doors, openDoors } from './gateway/doors.ts'
import { type Files, openFiles } from './gateway/files.ts'
import { healthChecks } from './gateway/health-checks.ts'
import { findLocalModels, withLocalModels } from './gateway/local-models.ts'
import type { Observing } from './gateway/observing.ts'
import type { GatewayOptions, Parts } from './gateway/parts.ts'
import { closePlane, drainPlane, followChanges, type Metering, openPlane } from './gateway/plane.ts'
import { createRegistrySide } from './gateway/registry-side.ts'
import { openServers } from './gateway/servers.ts'
import { adminOfAll, openWorkers, workerCount, type Workers } from './gateway/workers.ts'
import { createSharedClock } from './lib/shared-clock.ts'
import { createBudgets, type LiveBudgets } from './metering/budgets.ts'
import { allocateCounters, type Counters } from './metering/counters.ts'
import { listLanes, recoverLane } from './metering/lanes.ts'
import { createLimiter, type SharedLimiter } from './metering/limits.ts'
import { createLedger, type JournalLedger } from './metering/ledger.ts'
import { createTokenCounter } from './metering/token-count.ts'
import { createGossip, type PortGossip } from './workers/gossip.ts'
import { createMesh, type Mesh } from './workers/mesh.ts'
import { createOwnedSealer, createOwners } from './workers/owners.ts'
import type { WorkerThreads } from './workers/threads.ts'

/** A running gateway. */
export interface RunningGateway {
  readonly doors: Doors
  readonly callers: Callers
  readonly files: Files
  readonly observing: Observing
  /** Stops taking requests, lets those under way end within the drain bound, closes everything. Safe to call twice. */
  stop(): Promise<void>
}

const SETTLE_MS = 1_000
const monotonic = (): number => performance.now()

/** The plane of the main thread, and what it shares with the others. */
interface MainPlane {
  readonly parts: Parts
  readonly workers: number
  readonly counters: Counters
  readonly gossip: PortGossip
  /** The other workers, once they are started. */
  readonly others: { threads?: WorkerThreads; flush?: () => Promise<void> }
}

/** Makes every part from the files and lends it to whoever needs it; returns when the listeners are bound and the first lists are in. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const config = options.files.gateway?.value
  if (config === undefined) throw new Error('the configuration cannot be used')
  const plane = await openMainPlane(options, config)
  try {
    return await serve(plane)
  } catch (error) {
    await closePlane(plane.parts) // a port that is taken must not leave children and locks behind
    throw error
  }
}

async function serve(plane: MainPlane): Promise<RunningGateway> {
  const { parts, workers, counters, gossip, others } = plane
  const { options, config, files, servers, callers, facet, observing, life, sealer } = parts
  followChanges(parts)
  servers.apply(options.files.servers)
  await servers.settle(SETTLE_MS)
  files.publish()
  await files.settled() // before a caller can come: without catalogs everybody would be turned away
  const mesh = createMesh({ worker: 0, facet, owner: createOwners(sealer, workers) })
  const doors = await openMainDoors(plane, mesh)
  life.doors = doors
  await files.watch()
  const certificates = await followCertificates({
    folder: options.files.folder,
    config,
    doors,
    report: observing.report,
    changed: () => others.threads?.tell({ type: 'reload-tls' }),
  })
  life.ready = true
  const started = workers === 1 ? undefined : await openWorkers({ workers, parts, counters, mesh, gossip, doors })
  if (started !== undefined) Object.assign(others, { threads: started.threads, flush: started.flush })
  let stopping: Promise<void> | undefined
  const stopAll = async (): Promise<void> => {
    await stop(parts, doors, started)
    mesh.close()
    gossip.close()
    await certificates?.close()
  }
  return { doors, callers, files, observing, stop: () => (stopping ??= stopAll()) }
}

async function openMainDoors({ parts, workers, others }: MainPlane, mesh: Mesh): Promise<Doors> {
  const { options, config, files, callers, llm, observing, life } = parts
  const registry = createRegistrySide(files)
  const doors: Doors = await openDoors({
    folder: options.files.folder,
    config,
    ...(workers === 1 ? {} : { sharing: 'first' }),
    issuers: () => files.files().gateway?.value.identity.issuers ?? [],
    authenticator: callers.authenticator,
    facet: mesh.facet,
    models: llm,
    report: observing.report,
    draining: () => life.draining,
    registry: (visit) => registry(visit, doors.publicUrl),
    checks: () => healthChecks(parts, others.threads),
    admin: (adminUrl) => adminOfAll(adminSide(parts, adminUrl), () => others.threads),
  })
  return doors
}

async function openMainPlane(options: GatewayOptions, config: Gateway): Promise<MainPlane> {
  const workers = workerCount(config.workers)
  const counters = allocateCounters(workers)
  const limiter = createLimiter({ now: createSharedClock(), memory: counters.limiter, worker: 0 })
  const gossip = createGossip()
  const others: MainPlane['others'] = {}
  const parts = await openPlane(options, config, {
    openMetering: (state, report) =>
      openMetering(state, { config, counters, limiter, flush: async () => await others.flush?.() }, report),
    openServers,
    async openLocal(fetch) {
      if (config.mode !== 'development') return (given) => given
      const local = await findLocalModels(options.env, fetch)
      return (given: ConfigFiles) => withLocalModels(given, local)
    },
    openFiles,
    gossip,
    own: (sealer) => (workers === 1 ? sealer : createOwnedSealer(sealer, 0)),
    onChange: (change) => others.threads?.tell({ type: 'announced', change }),
  })
  await prepareBudgets(parts.budgets, parts.files)
  return { parts, workers, counters, gossip, others }
}

async function openMetering(
  directory: string,
  {
    config,
    counters,
    limiter,
    flush,
  }: { readonly config: Gateway; readonly counters: Counters; readonly limiter: SharedLimiter; flush(): Promise<void> },
  report: Report,
): Promise<Metering> {
  const { durability, spillBytes } = config.ledger
  const own = await createLedger({ directory, durability, spillBytes, report, now: monotonic })
  const ledger = ledgerOfAll(own, flush)
  for (const lane of listLanes(join(directory, 'ledger'))) {
    // What cannot be taken over now stays in its lane until the next start.
    await recoverLane(lane, (lines) => own.recordLines(lines)).catch((error: unknown) =>
      report({ type: 'internal-error', error }),
    )
  }
  const budgets = createBudgets({
    query: (query) => ledger.query(query),
    report,
    now: () => Date.now(),
    memory: counters.balances,
    worker: 0,
  })
  return { ledger, limiter, budgets, counter: createTokenCounter() }
}

/** The ledger of the main thread; its answers hold what all workers recorded. */
function ledgerOfAll(ledger: JournalLedger, flush: () => Promise<void>): JournalLedger {
  return {
    record: (entry) => ledger.record(entry),
    recordLines: (lines) => ledger.recordLines(lines),
    assertWritable: () => ledger.assertWritable(),
    status: () => ledger.status(),
    query: (query) => flush().then(() => ledger.query(query)),
    entries: (query) => flush().then(() => ledger.entries(query)),
    close: () => ledger.close(),
  }
}

/** Balances are read before anything is served, and whenever a reload brings a budget that is not known yet. */
async function prepareBudgets(budgets: LiveBudgets, { current }: Files): Promise<void> {
  const all = (snapshot: Snapshot) => [...snapshot.catalogs.values()].flatMap((catalog) => catalog.budgets)
  current.subscribe((next) => void budgets.prepare(all(next)))
  await budgets.prepare(all(current.get()))
}

const LAST_WORDS_MS = 1_000

async function stop(parts: Parts, doors: Doors, workers: Workers | undefined): Promise<void> {
  const { life, config, facet, llm } = parts
  const { lameDuckMs, drainMs } = config.bounds
  life.ready = false // readiness says no at once; load balancers need a moment to see it
  if (lameDuckMs > 0) await new Promise((resolve) => setTimeout(resolve, lameDuckMs))
  const deadline = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref())
  // The listeners stay until the last call is answered: a caller may still have to answer a question of its call.
  await Promise.race([Promise.all([drainPlane(parts), workers?.threads.drain()]), deadline])
  facet.close()
  llm.close()
  await workers?.close()
  // What was ended says so to its caller first, in the words of its dialect.
  const lastWords = new Promise<void>((resolve) => setTimeout(resolve, LAST_WORDS_MS).unref())
  await Promise.race([doors.data.drain(), lastWords])
  doors.data.destroy()
  await closePlane(parts)
  doors.admin.destroy()
  doors.health.destroy()
  await Promise.all([doors.admin.drain(), doors.health.drain()])
}

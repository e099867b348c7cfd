import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Gateway } from './config/gateway.ts'
import type { ConfigFiles } from './config/load.ts'
import type { Report } from './core/events.ts'
import type { Snapshot } from './core/snapshot.ts'
import { adminSide } from './gateway/admin-side.ts'
import { type Callers, openCallers } from './gateway/callers.ts'
import { followCertificates } from './gateway/certificates.ts'
import { type Doors, openDoors } from './gateway/doors.ts'
import { openEgress } from './gateway/egress.ts'
import { openFacets } from './gateway/facets.ts'
import { type Files, openFiles } from './gateway/files.ts'
import { type Observing, openObserving } from './gateway/observing.ts'
import { type GatewayOptions, type Life, NAME, type Parts } from './gateway/parts.ts'
import { healthChecks } from './gateway/health-checks.ts'
import { readings, transportOf, urlOf } from './gateway/readings.ts'
import { createRegistrySide } from './gateway/registry-side.ts'
import { openGuards } from './gateway/guards.ts'
import { findLocalModels, withLocalModels } from './gateway/local-models.ts'
import { openModels } from './gateway/models.ts'
import { openServers } from './gateway/servers.ts'
import { openSealer, openState } from './gateway/state.ts'
import { createSecrets } from './lib/secrets.ts'
import { createSharedClock } from './lib/shared-clock.ts'
import { createBudgets, type LiveBudgets } from './metering/budgets.ts'
import { allocateCounters } from './metering/counters.ts'
import { createLimiter } from './metering/limits.ts'
import { createLedger } from './metering/ledger.ts'
import { createTokenCounter } from './metering/token-count.ts'

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
const IDLE_POLL_MS = 20
const CLOSE_MS = 2_000
const monotonic = (): number => performance.now()

/** Makes every part from the files and lends it to whoever needs it; returns when the listeners are bound and the first lists are in. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const config = options.files.gateway?.value
  if (config === undefined) throw new Error('the configuration cannot be used')
  const parts = await openParts(options, config)
  try {
    return await serve(parts)
  } catch (error) {
    await closeParts(parts) // a port that is taken must not leave children and locks behind
    throw error
  }
}

async function serve(parts: Parts): Promise<RunningGateway> {
  const { options, config, files, servers, callers, facet, llm, models, observing, life } = parts
  files.current.subscribe((next, previous) => {
    facet.snapshotChanged(next, previous)
    models.router.retain(next)
  })
  callers.authenticator.onRevoked(() => {
    for (const one of [facet, llm]) one.checkIdentities((identity) => callers.authenticator.isRevoked(identity))
  })
  servers.apply(options.files.servers)
  await servers.settle(SETTLE_MS)
  files.publish()
  const registry = createRegistrySide(files)
  const doors: Doors = await openDoors({
    folder: options.files.folder,
    config,
    issuers: () => files.files().gateway?.value.identity.issuers ?? [],
    authenticator: callers.authenticator,
    facet,
    models: llm,
    report: observing.report,
    draining: () => life.draining,
    registry: (visit) => registry(visit, doors.publicUrl),
    checks: () => healthChecks(parts),
    admin: (adminUrl) => adminSide(parts, adminUrl),
  })
  life.doors = doors
  await files.watch()
  const certificates = await followCertificates({ folder: options.files.folder, config, doors, report: observing.report })
  life.ready = true
  let stopping: Promise<void> | undefined
  return { doors, callers, files, observing, stop: () => (stopping ??= stop(parts, doors).then(() => certificates?.close())) }
}

async function openParts(options: GatewayOptions, config: Gateway): Promise<Parts> {
  const { folder } = options.files
  const state = join(folder, config.state)
  const secrets = createSecrets(options.env, folder)
  const life: Life = { startedAt: Date.now(), instance: randomUUID(), ready: false, draining: false, doors: undefined }
  openState(state)
  // Telemetry comes first and reads parts that come later: it asks only when somebody scrapes.
  const late: Partial<Parts> = {}
  const observing = await openObserving({
    config,
    version: options.version,
    stream: options.log,
    secrets,
    read: () => readings(late, life),
    transportOf: (id) => transportOf(late.files?.files(), id),
    urlOf: (id) => urlOf(late.files?.files(), id),
  })
  const { report } = observing
  const metering = await openMetering(state, config, report)
  const guards = openGuards(report)
  const egress = openEgress(config.egress, secrets)
  const callers = await openCallers({ folder, config, revocations: options.files.revocations, fetch: egress.fetch, report })
  const servers = openServers({
    folder,
    env: options.env,
    secrets,
    egress,
    report,
    info: { name: NAME, version: options.version },
    graceMs: config.bounds.drainMs,
    onChange(change) {
      late.files?.publish()
      late.facet?.upstreamChanged(change)
    },
  })
  const models = openModels({ secrets, egress, report, files: () => late.files?.files() ?? options.files })
  const apply = async (next: ConfigFiles): Promise<void> => {
    callers.update(next.gateway?.value ?? config, next.revocations)
    await models.apply(next)
    await guards.apply(next.gateway?.value.guards ?? {})
  }
  const local = config.mode === 'development' ? await findLocalModels(options.env, egress.fetch) : { providers: {}, routes: {} }
  const amend = (given: ConfigFiles): ConfigFiles => withLocalModels(given, local)
  await apply(amend(options.files))
  const files = openFiles(options.files, { env: options.env, servers, report, apply, amend })
  await prepareBudgets(metering.budgets, files)
  const sealer = await openSealer(config.seal, state, secrets)
  const before = { options, config, secrets, egress, observing, callers, servers, files, ...metering, guards, models, life }
  return Object.assign(late, before, openFacets(before, sealer))
}

/** What counts: entries, calls, money, tokens. */
async function openMetering(
  directory: string,
  { ledger: { durability, spillBytes } }: Gateway,
  report: Report,
): Promise<Pick<Parts, 'ledger' | 'limiter' | 'budgets' | 'counter'>> {
  const counters = allocateCounters(1)
  const ledger = await createLedger({ directory, durability, spillBytes, report, now: monotonic })
  return {
    ledger,
    limiter: createLimiter({ now: createSharedClock(), memory: counters.limiter, worker: 0 }),
    budgets: createBudgets({
      query: (query) => ledger.query(query),
      report,
      now: () => Date.now(),
      memory: counters.balances,
      worker: 0,
    }),
    counter: createTokenCounter(),
  }
}

/** Balances are read before anything is served, and whenever a reload brings a budget that is not known yet. */
async function prepareBudgets(budgets: LiveBudgets, { current }: Files): Promise<void> {
  const all = (snapshot: Snapshot) => [...snapshot.catalogs.values()].flatMap((catalog) => catalog.budgets)
  current.subscribe((next) => void budgets.prepare(all(next)))
  await budgets.prepare(all(current.get()))
}

/** Resolves when no exchange is under way. */
async function idle(doors: Doors): Promise<void> {
  while (doors.inFlight() > 0) await new Promise((resolve) => setTimeout(resolve, IDLE_POLL_MS))
}

async function stop(parts: Parts, doors: Doors): Promise<void> {
  const { life, config, facet, llm } = parts
  const { lameDuckMs, drainMs } = config.bounds
  life.ready = false // readiness says no at once; load balancers need a moment to see it
  if (lameDuckMs > 0) await new Promise((resolve) => setTimeout(resolve, lameDuckMs))
  life.draining = true
  const deadline = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref())
  // The listener stays until the last call is answered: a caller may still have to answer a question of its call.
  await Promise.race([Promise.all([facet.drain(), llm.drain()]).then(() => idle(doors)), deadline])
  facet.close()
  llm.close()
  await Promise.race([doors.data.drain(), deadline])
  doors.data.destroy()
  await closeParts(parts)
  doors.admin.destroy()
  doors.health.destroy()
  await Promise.all([doors.admin.drain(), doors.health.drain()])
}

async function closeParts({
  config,
  facet,
  llm,
  models,
  counter,
  files,
  servers,
  callers,
  ledger,
  egress,
  observing,
}: Parts): Promise<void> {
  facet.close()
  llm.close()
  await files.close()
  await servers.close(Math.min(config.bounds.drainMs, CLOSE_MS))
  callers.close()
  await models.close()
  await counter.close()
  await ledger.close()
  await egress.close()
  await observing.close()
}

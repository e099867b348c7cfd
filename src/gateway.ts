import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { assertSendable, rewriteArguments } from './catalog/arguments.ts'
import type { Gateway } from './config/gateway.ts'
import { adminSide } from './gateway/admin-side.ts'
import { type Callers, openCallers } from './gateway/callers.ts'
import { followCertificates } from './gateway/certificates.ts'
import { type Doors, openDoors } from './gateway/doors.ts'
import { type Files, openFiles } from './gateway/files.ts'
import { type Observing, openObserving } from './gateway/observing.ts'
import { type GatewayOptions, type Life, NAME, type Parts } from './gateway/parts.ts'
import { healthChecks } from './gateway/health-checks.ts'
import { readings, transportOf, urlOf } from './gateway/readings.ts'
import { createRegistrySide } from './gateway/registry-side.ts'
import { openServers } from './gateway/servers.ts'
import { openSealer, openState } from './gateway/state.ts'
import { createGuard } from './guard/chain.ts'
import { sessionOf } from './identity/session.ts'
import { digestOf } from './lib/canonical-json.ts'
import { createEgress } from './lib/egress.ts'
import { createSecrets } from './lib/secrets.ts'
import { traceOfMeta } from './lib/trace-context.ts'
import type { McpFacet } from './mcp/contract.ts'
import { createMcpFacet } from './mcp/facet.ts'
import { limitRules } from './metering/limit-rules.ts'
import { createLimiter } from './metering/limits.ts'
import { createLedger } from './metering/ledger.ts'
import { govern } from './pipeline/govern.ts'
import { decide, eligible, visible } from './policy/decide.ts'

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
  const { options, config, files, servers, callers, facet, observing, life } = parts
  files.current.subscribe((next, previous) => facet.snapshotChanged(next, previous))
  callers.authenticator.onRevoked(() => facet.checkIdentities((identity) => callers.authenticator.isRevoked(identity)))
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
  const ledger = await createLedger({ directory: state, durability: config.ledger.durability, report, now: monotonic })
  const limiter = createLimiter({ now: monotonic })
  const egress = createEgress({ allow: config.egress.allow })
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
  const files = openFiles(options.files, {
    env: options.env,
    servers,
    report,
    apply: (next) => callers.update(next.gateway?.value ?? config, next.revocations),
  })
  const sealer = await openSealer(config.seal, state, secrets)
  const before = { options, config, secrets, egress, observing, callers, servers, files, ledger, limiter, life }
  const facet = openFacet(before, sealer)
  return Object.assign(late, before, { facet })
}

function openFacet(parts: Omit<Parts, 'facet'>, sealer: Parameters<typeof createMcpFacet>[0]['sealer']): McpFacet {
  const { files, servers, observing, ledger, limiter, config, options } = parts
  const { report } = observing
  const guard = createGuard([], monotonic)
  const road: Parameters<typeof govern>[0] = {
    ledger,
    limiter,
    guard,
    monotonic,
    report,
    digest: digestOf,
    limitRules: (exchange, { item }) =>
      limitRules({
        item,
        catalog: item === undefined ? undefined : exchange.snapshot.catalogs.get(item.catalog),
        identity: exchange.identity,
        session: exchange.session,
        defaults: files.files().gateway?.value.limits,
      }),
    ended: observing.ended,
  }
  return createMcpFacet({
    snapshot: () => files.current.get(),
    upstream: (id) => servers.get(id),
    policy: { eligible, visible, decide },
    govern: (exchange, call) => govern(road, exchange, call),
    arguments: { rewrite: rewriteArguments, refuse: assertSendable },
    sealer,
    bounds: config.bounds,
    info: { name: NAME, version: options.version },
    now: () => new Date(),
    monotonic,
    report,
    sessionOf,
    traceOf: traceOfMeta,
  })
}

/** Resolves when no exchange is under way. */
async function idle(doors: Doors): Promise<void> {
  while (doors.inFlight() > 0) await new Promise((resolve) => setTimeout(resolve, IDLE_POLL_MS))
}

async function stop(parts: Parts, doors: Doors): Promise<void> {
  const { life, config, facet } = parts
  const { lameDuckMs, drainMs } = config.bounds
  life.ready = false // readiness says no at once; load balancers need a moment to see it
  if (lameDuckMs > 0) await new Promise((resolve) => setTimeout(resolve, lameDuckMs))
  life.draining = true
  const deadline = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref())
  // The listener stays until the last call is answered: a caller may still have to answer a question of its call.
  await Promise.race([facet.drain().then(() => idle(doors)), deadline])
  facet.close()
  await Promise.race([doors.data.drain(), deadline])
  doors.data.destroy()
  await closeParts(parts)
  doors.admin.destroy()
  doors.health.destroy()
  await Promise.all([doors.admin.drain(), doors.health.drain()])
}

async function closeParts({ config, facet, files, servers, callers, ledger, egress, observing }: Parts): Promise<void> {
  facet.close()
  await files.close()
  await servers.close(Math.min(config.bounds.drainMs, CLOSE_MS))
  callers.close()
  await ledger.close()
  await egress.close()
  await observing.close()
}

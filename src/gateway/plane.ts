import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Gateway } from '../config/gateway.ts'
import type { ConfigFiles } from '../config/load.ts'
import type { Report } from '../core/events.ts'
import type { BoundedFetch } from '../lib/egress.ts'
import type { Gossip } from '../lib/gossip.ts'
import type { Sealer } from '../lib/seal.ts'
import { createSecrets } from '../lib/secrets.ts'
import type { UpstreamChange } from '../mcp/upstream/contract.ts'
import type { UpstreamSet } from '../mcp/upstream/set.ts'
import { openCallers } from './callers.ts'
import { openEgress } from './egress.ts'
import { openFacets } from './facets.ts'
import type { Files, FilesDeps } from './files.ts'
import { openGuards } from './guards.ts'
import { openModels } from './models.ts'
import { openObserving } from './observing.ts'
import { type GatewayOptions, type Life, NAME, type Parts } from './parts.ts'
import { readings, transportOf, urlOf } from './readings.ts'
import type { ServersDeps } from './servers.ts'
import { CROWDED } from './session-places.ts'
import { openSealer, openState } from './state.ts'

/** What counts: entries, calls, money, tokens. */
export type Metering = Pick<Parts, 'ledger' | 'limiter' | 'budgets' | 'counter'>

/** What differs between the main thread and the other workers. */
export interface PlaneSources {
  openMetering(state: string, report: Report): Promise<Metering>
  openServers(deps: ServersDeps): UpstreamSet
  /** Adds what this machine offers beside the files. */
  openLocal(fetch: BoundedFetch): Promise<(files: ConfigFiles) => ConfigFiles>
  openFiles(initial: ConfigFiles, deps: FilesDeps): Files
  /** Makes the sealer of this worker from the one all share. */
  own(sealer: Sealer): Sealer
  readonly gossip: Gossip
  onChange(change: UpstreamChange): void
}

/** Makes every part of one data plane: all that serves calls, but for listeners. Every worker has one. */
export async function openPlane(options: GatewayOptions, config: Gateway, sources: PlaneSources): Promise<Parts> {
  const { folder } = options.files
  const state = join(folder, config.state)
  const secrets = createSecrets(options.env, folder)
  const life: Life = { startedAt: Date.now(), instance: randomUUID(), ready: false, draining: false, doors: undefined }
  openState(state)
  // Telemetry comes first and reads parts that come later: it asks only when somebody scrapes.
  const late: Partial<Parts> = {}
  const observing = await observe(options, { config, secrets, life, late })
  const { report } = observing
  const metering = await sources.openMetering(state, report)
  const guards = openGuards(report)
  const egress = openEgress(config.egress, secrets)
  const callers = await openCallers({ folder, config, revocations: options.files.revocations, fetch: egress.fetch, report })
  const servers = sources.openServers({
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
      sources.onChange(change)
    },
  })
  const models = openModels({ secrets, egress, report, files: () => late.files?.files() ?? options.files })
  const apply = async (next: ConfigFiles): Promise<void> => {
    callers.update(next.gateway?.value ?? config, next.revocations)
    await models.apply(next)
    await guards.apply(next.gateway?.value.guards ?? {})
  }
  const amend = await sources.openLocal(egress.fetch)
  await apply(amend(options.files))
  const files = sources.openFiles(options.files, { env: options.env, servers, report, apply, amend })
  const sealer = await openSealer(config.seal, state, secrets)
  const before = {
    options,
    config,
    secrets,
    egress,
    observing,
    callers,
    servers,
    files,
    ...metering,
    guards,
    models,
    life,
    sealer,
    gossip: sources.gossip,
  }
  return Object.assign(late, before, openFacets(before, sources.own(sealer)))
}

function observe(
  { version, log }: GatewayOptions,
  { config, secrets, life, late }: Pick<Parts, 'config' | 'secrets' | 'life'> & { readonly late: Partial<Parts> },
): Promise<Parts['observing']> {
  return openObserving({
    config,
    version,
    stream: log,
    secrets,
    read: () => readings(late, life),
    transportOf: (id) => transportOf(late.files?.files(), id),
    urlOf: (id) => urlOf(late.files?.files(), id),
  })
}

/** Lets a plane follow its files, and end what a revoked caller runs. */
export function followChanges({ files, callers, facet, llm, models, gossip }: Parts): void {
  gossip.hear(CROWDED, (key) => facet.yieldPlace(key))
  files.current.subscribe((next, previous) => {
    facet.snapshotChanged(next, previous)
    models.router.retain(next)
  })
  callers.authenticator.onRevoked(() => {
    for (const one of [facet, llm]) one.checkIdentities((identity) => callers.authenticator.isRevoked(identity))
  })
}

const IDLE_POLL_MS = 20
const CLOSE_MS = 2_000

/** Refuses new work and resolves when no exchange is under way. */
export async function drainPlane({ life, facet, llm }: Parts): Promise<void> {
  life.draining = true
  await Promise.all([facet.drain(), llm.drain()])
  while ((life.doors?.inFlight() ?? 0) > 0) await new Promise((resolve) => setTimeout(resolve, IDLE_POLL_MS))
}

/** Closes every part of a plane. */
export async function closePlane(parts: Parts): Promise<void> {
  const { config, facet, llm, models, counter, files, servers, callers, ledger, egress, observing } = parts
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

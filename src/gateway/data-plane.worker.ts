// A worker of the gateway: a data plane of its own on the port all workers share. What must be one is with the main thread: files, children and
// server sessions, the ledger's journal, the admin and health listeners.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Gateway } from '../config/gateway.ts'
import { fromPortable } from '../config/portable.ts'
import type { Report } from '../core/events.ts'
import type { Listener } from '../edge/listener.ts'
import { createSharedClock } from '../lib/shared-clock.ts'
import { createBudgets } from '../metering/budgets.ts'
import { encodeEntry } from '../metering/journal-line.ts'
import { laneFolder, openLane } from '../metering/lanes.ts'
import { createLimiter } from '../metering/limits.ts'
import { createTokenCounter } from '../metering/token-count.ts'
import type { FromWorker, ToWorker, WorkerBoot } from '../workers/control-messages.ts'
import { createGossip, type PortGossip } from '../workers/gossip.ts'
import { LaneLedger } from '../workers/ledger-port.ts'
import { createMesh, type Mesh } from '../workers/mesh.ts'
import { createOwnedSealer, createOwners } from '../workers/owners.ts'
import { RemoteUpstreams } from '../workers/remote-upstreams.ts'
import { createWorkerUpstreams, type WorkerUpstreams } from '../workers/worker-upstreams.ts'
import { openData } from './doors.ts'
import type { GatewayOptions, Parts } from './parts.ts'
import { closePlane, drainPlane, followChanges, type Metering, openPlane } from './plane.ts'
import { createRegistrySide } from './registry-side.ts'
import { knownServers, openReplicaFiles, type ReplicaFiles } from './replica-files.ts'
import { createOwnUpstreams, type ServersDeps } from './servers.ts'

const FIGURES_MS = 250

type Tell = (message: FromWorker) => void

/** A plane, with the parts of it that take what the main thread says. */
interface Plane {
  readonly gossip: PortGossip
  readonly parts: Parts
  readonly files: ReplicaFiles
}

/** A plane behind its listener. */
interface Serving extends Plane {
  readonly mesh: Mesh
  readonly listener: Listener
  readonly figures: NodeJS.Timeout
}

if (parentPort !== null) {
  // The only maker of this thread is gateway/workers.ts, which passes exactly this.
  await run(workerData as WorkerBoot, parentPort)
}

async function run(boot: WorkerBoot, control: MessagePort): Promise<void> {
  const tell: Tell = (message) => control.postMessage(message)
  // What comes while the parts are made waits for them.
  const { promise: made, resolve: isMade } = Promise.withResolvers<Serving>()
  control.on('message', (message: ToWorker) => void made.then((serving) => take(serving, message, { tell, control })))
  const plane = await openWorkerPlane(boot, tell)
  isMade(await serve(boot, plane, tell))
  tell({ type: 'ready' })
}

async function openWorkerPlane(boot: WorkerBoot, tell: Tell): Promise<Plane> {
  const { worker, state, env, version } = boot
  const files = fromPortable(state.files)
  const options: GatewayOptions = { files, env, version, log: process.stdout }
  const remote = new RemoteUpstreams(boot.upstreams)
  const gossip = createGossip()
  const late: { servers?: WorkerUpstreams; files?: ReplicaFiles } = {}
  const config = configOf(boot, files.gateway?.value)
  const parts = await openPlane(options, config, {
    openMetering: (folder, report) => Promise.resolve(openMetering(boot, { folder, report, tell, config })),
    openServers: (deps) => (late.servers = openServers(boot, remote, deps)),
    openLocal: () => Promise.resolve((given) => given),
    openFiles(initial, deps) {
      if (late.servers === undefined) throw new Error('servers come before files')
      late.files = openReplicaFiles(initial, deps, { servers: late.servers, generation: state.generation })
      return late.files
    },
    own: (sealer) => createOwnedSealer(sealer, worker),
    gossip,
    onChange: () => undefined,
  })
  if (late.files === undefined) throw new Error('a plane has files')
  return { parts, files: late.files, gossip }
}

/** The settings all workers share, with the port and the address that the main thread came to have. */
function configOf({ port, publicUrl }: WorkerBoot, config: Gateway | undefined): Gateway {
  if (config === undefined) throw new Error('the configuration cannot be used')
  return { ...config, publicUrl, data: { ...config.data, port } }
}

function openMetering(
  { worker, counters, ledger, writable }: WorkerBoot,
  {
    folder,
    report,
    tell,
    config,
  }: { readonly folder: string; readonly report: Report; readonly tell: Tell; readonly config: Gateway },
): Metering {
  const directory = laneFolder(folder, worker)
  return {
    ledger: new LaneLedger({
      directory,
      port: ledger,
      writable,
      encode: encodeEntry,
      open: (onWritten) =>
        openLane(directory, {
          ...config.ledger,
          monotonic: () => performance.now(),
          onWritten,
          onFailure: (error) => report({ type: 'ledger-unavailable', reason: error.message }),
        }),
    }),
    limiter: createLimiter({ now: createSharedClock(), memory: counters.limiter, worker }),
    budgets: createBudgets({
      query: () => Promise.reject(new Error('balances are read by the main thread')),
      report,
      now: () => Date.now(),
      memory: counters.balances,
      worker,
      unread: () => tell({ type: 'unread' }),
    }),
    counter: createTokenCounter(),
  }
}

function openServers({ state }: WorkerBoot, remote: RemoteUpstreams, deps: ServersDeps): WorkerUpstreams {
  const create = createOwnUpstreams(deps)
  const servers = createWorkerUpstreams({ remote, create, graceMs: deps.graceMs })
  servers.learn(knownServers(state, new Map()))
  servers.apply(fromPortable(state.files).servers)
  return servers
}

async function serve(boot: WorkerBoot, plane: Plane, tell: Tell): Promise<Serving> {
  const { parts, files } = plane
  const { config, callers, observing, life, facet, llm, sealer } = parts
  followChanges(parts)
  const mesh = createMesh({ worker: boot.worker, facet, owner: createOwners(sealer, boot.workers) })
  const registry = createRegistrySide(files)
  const data = await openData({
    folder: files.files().folder,
    config,
    sharing: 'joining',
    issuers: () => files.files().gateway?.value.identity.issuers ?? [],
    authenticator: callers.authenticator,
    facet: mesh.facet,
    models: llm,
    report: observing.report,
    draining: () => life.draining,
    registry: (visit) => registry(visit, boot.publicUrl),
  })
  life.doors = data
  life.ready = true
  const figures = setInterval(
    () => tell({ type: 'figures', figures: { ...facet.stats(), inFlight: data.inFlight() } }),
    FIGURES_MS,
  )
  return { ...plane, mesh, listener: data.listener, figures }
}

async function take(serving: Serving, message: ToWorker, { tell, control }: { tell: Tell; control: MessagePort }): Promise<void> {
  const { parts, files, mesh, gossip, listener } = serving
  if (message.type === 'peer') {
    mesh.connect(message.worker, message.requests)
    gossip.connect(message.worker, message.gossip)
  } else if (message.type === 'state') {
    await files.take(message.state)
    tell({ type: 'applied', generation: message.state.generation })
  } else if (message.type === 'announced') parts.facet.upstreamChanged(message.change)
  else if (message.type === 'reload-tls') listener.reloadTls()
  else if (message.type === 'ask') tell({ type: 'answer', id: message.id, answer: await answerTo(parts, message.question) })
  else if (message.type === 'drain') {
    await drainPlane(parts)
    tell({ type: 'idle' })
  } else {
    await close(serving)
    control.close()
  }
}

async function answerTo({ observing, models, files }: Parts, question: Extract<ToWorker, { type: 'ask' }>['question']) {
  return question === 'metrics' ? (await observing.metrics.expose()).body : models.router.states(files.current.get())
}

async function close({ parts, mesh, gossip, listener, figures }: Serving): Promise<void> {
  clearInterval(figures)
  parts.facet.close()
  parts.llm.close()
  void listener.drain()
  listener.destroy()
  mesh.close()
  gossip.close()
  await closePlane(parts)
}

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import type { AdminDeps } from '../admin/app.ts'
import type { TargetReading } from '../admin/targets.ts'
import type { Gateway } from '../config/gateway.ts'
import type { ConfigFiles } from '../config/load.ts'
import { toPortable } from '../config/portable.ts'
import type { Inventory } from '../core/snapshot.ts'
import type { Counters } from '../metering/counters.ts'
import { laneFolder, recoverLane } from '../metering/lanes.ts'
import type { WorkerBoot, WorkerState } from '../workers/control-messages.ts'
import { allocateWritable, type ServedLane, serveLane, tellWritable } from '../workers/ledger-port.ts'
import type { PortGossip } from '../workers/gossip.ts'
import type { Mesh } from '../workers/mesh.ts'
import { sumMetrics } from '../workers/metrics-sum.ts'
import { serveUpstreams } from '../workers/serve-upstreams.ts'
import { sumTargets } from '../workers/targets-sum.ts'
import { WorkerThreads } from '../workers/threads.ts'
import type { Doors } from './doors.ts'
import type { Parts } from './parts.ts'

/** What the main thread lends to the other workers. */
export interface WorkersDeps {
  readonly workers: number
  readonly parts: Parts
  readonly counters: Counters
  readonly mesh: Mesh
  readonly gossip: PortGossip
  readonly doors: Doors
}

const WRITABLE_MS = 50

/** How many workers serve, the main thread among them. Where a port cannot be shared, one does. */
export function workerCount(wanted: Gateway['workers']): number {
  if (process.platform !== 'linux') return 1
  return wanted === 'auto' ? availableParallelism() : wanted
}

/** The workers besides the main thread, kept in step with it. */
export interface Workers {
  readonly threads: WorkerThreads
  /** Resolves when the ledger has all that was recorded anywhere until now. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Starts the other workers; resolves when all of them serve. */
export async function openWorkers(deps: WorkersDeps): Promise<Workers> {
  const { parts, mesh, gossip, workers } = deps
  const { files, budgets, limiter, ledger, options, observing } = parts
  const state = join(options.files.folder, parts.config.state)
  const writable = allocateWritable()
  const watch = setInterval(() => tellWritable(writable, ledger.status().writable), WRITABLE_MS).unref()
  const lanes = new Map<number, ServedLane>()
  const threads: WorkerThreads = new WorkerThreads({
    workers,
    entry: new URL('./data-plane.worker.ts', import.meta.url),
    boot: (worker) => bootOf(deps, worker, { writable, lanes }),
    connect(worker, ports) {
      mesh.connect(worker, ports.requests)
      gossip.connect(worker, ports.gossip)
    },
    async ended(worker) {
      lanes.delete(worker)
      limiter.forget(worker)
      budgets.forget(worker)
      await recoverLane(laneFolder(state, worker), (lines) => ledger.recordLines(lines))
    },
    unread: () => budgets.retry(),
    log: options.log,
    report: observing.report,
  })
  let told = tellingOf(parts)
  const stop = files.current.subscribe(() => {
    const next = tellingOf(parts)
    threads.tell({ type: 'state', state: changesOf(told, next) })
    told = next
  })
  await threads.start()
  return {
    threads,
    flush: async () => void (await Promise.all([...lanes.values()].map((lane) => lane.flush()))),
    async close() {
      stop()
      await threads.close()
      clearInterval(watch)
    },
  }
}

/** The admin side over all workers. */
export function adminOfAll(side: AdminDeps, threads: () => WorkerThreads | undefined): AdminDeps {
  return {
    ...side,
    facts() {
      const all = threads()
      const facts = side.facts()
      return all === undefined ? facts : { ...facts, ...sumFacts(facts, all) }
    },
    async targets() {
      const others = (await threads()?.ask('targets')) ?? []
      // A worker answers this question with its targets.
      return sumTargets([await side.targets(), ...(others as readonly (readonly TargetReading[])[])])
    },
    async metrics() {
      const { contentType, body } = await side.metrics()
      const others = (await threads()?.ask('metrics')) ?? []
      if (others.length === 0) return { contentType, body }
      return {
        contentType,
        body: sumMetrics(
          body,
          others.filter((page) => typeof page === 'string'),
        ),
      }
    },
    async reload() {
      const reloaded = await side.reload()
      await threads()?.applied(reloaded.generation)
      return reloaded
    },
  }
}

function sumFacts({ mcp, inFlight }: ReturnType<AdminDeps['facts']>, threads: WorkerThreads) {
  const { inFlight: elsewhere, ...others } = threads.figures()
  const own = mcp as typeof others // adminSide puts the figures of the facet there
  return {
    inFlight: Number(inFlight) + elsewhere,
    mcp: {
      sessions: own.sessions + others.sessions,
      streams: own.streams + others.streams,
      parked: own.parked + others.parked,
    },
    workers: threads.serving + 1,
  }
}

function bootOf({ parts, counters, doors, workers }: WorkersDeps, worker: number, { writable, lanes }: Lanes): WorkerBoot {
  const { ledger, servers, options } = parts
  const [lines, calls] = [new MessageChannel(), new MessageChannel()]
  lanes.set(worker, serveLane(lines.port1, ledger))
  serveUpstreams(calls.port1, (id) => servers.get(id))
  const state = tellingOf(parts)
  return {
    worker,
    workers,
    state: { ...changesOf(undefined, state), files: toPortable(state.files) },
    env: options.env,
    version: options.version,
    counters,
    writable,
    port: doors.data.port,
    publicUrl: doors.publicUrl,
    ledger: lines.port2,
    upstreams: calls.port2,
  }
}

interface Lanes {
  readonly writable: SharedArrayBuffer
  readonly lanes: Map<number, ServedLane>
}

/** What is in force now. */
interface Telling {
  readonly generation: number
  readonly files: ConfigFiles
  readonly servers: ReturnType<Parts['servers']['states']>
}

function tellingOf({ files, servers }: Parts): Telling {
  return { generation: files.current.get().generation, files: files.files(), servers: servers.states() }
}

function changesOf(told: Telling | undefined, next: Telling): WorkerState {
  return {
    generation: next.generation,
    ...(told?.files === next.files ? {} : { files: toPortable(next.files) }),
    servers: [...next.servers].map(([id, { status, inventory }]) => {
      const known: Inventory | undefined = told?.servers.get(id)?.inventory
      if (inventory === undefined) return { id, status }
      return { id, status, inventory: inventory === known ? 'same' : inventory }
    }),
  }
}

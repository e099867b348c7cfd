import { createCurrent } from '../catalog/current.ts'
import { createPublisher } from '../catalog/publish.ts'
import { buildSnapshot, snapshotSteps, type SnapshotInput } from '../catalog/snapshot.ts'
import type { ConfigFiles } from '../config/load.ts'
import { fromPortable } from '../config/portable.ts'
import type { WorkerState } from '../workers/control-messages.ts'
import type { KnownServer, WorkerUpstreams } from '../workers/worker-upstreams.ts'
import type { Files, FilesDeps } from './files.ts'

/** The files of a worker that reads none: what the main thread says is in force. */
export interface ReplicaFiles extends Files {
  /** Puts in force what the main thread says, one state after the other. Resolves when it is. */
  take(state: WorkerState): Promise<void>
}

/** Files that follow the main thread. */
export function openReplicaFiles(
  initial: ConfigFiles,
  { apply, report }: FilesDeps,
  { servers, generation: first }: { readonly servers: WorkerUpstreams; readonly generation: number },
): ReplicaFiles {
  let files = initial
  let generation = first
  const known = (): SnapshotInput => ({ files, servers: servers.states(), generation, now: Date.now() })
  const current = createCurrent(buildSnapshot(known()))
  const publisher = createPublisher({
    begin: () => snapshotSteps(known()),
    swap: (next) => current.swap(next),
    failed: (error) => report({ type: 'internal-error', error }),
    monotonic: () => performance.now(),
  })
  let last: Promise<void> = Promise.resolve()
  const takeOne = async (state: WorkerState): Promise<void> => {
    const next = state.files === undefined ? undefined : fromPortable(state.files)
    if (next !== undefined) await apply(next)
    files = next ?? files
    generation = state.generation
    servers.learn(knownServers(state, servers.states()))
    servers.apply(files.servers)
    publisher.publish()
    await publisher.settled()
  }
  return {
    current,
    files: () => files,
    publish: () => undefined,
    settled: publisher.settled,
    reload: () => Promise.reject(new Error('files are read by the main thread')),
    watch: () => Promise.resolve(),
    take(state) {
      last = last.then(() => takeOne(state)).catch((error: unknown) => report({ type: 'internal-error', error }))
      return last
    },
    async close() {
      publisher.close()
      await last
    },
  }
}

/** Servers of a state; lists that did not change are those of the state before. */
export function knownServers(
  { servers }: WorkerState,
  before: ReadonlyMap<string, KnownServer>,
): ReadonlyMap<string, KnownServer> {
  return new Map(
    servers.map(({ id, status, inventory: told }) => {
      const inventory = told === 'same' ? before.get(id)?.inventory : told
      return [id, { status, ...(inventory === undefined ? {} : { inventory }) }]
    }),
  )
}

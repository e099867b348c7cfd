import { resolve } from 'node:path'
import { createCurrent, type Current } from '../catalog/current.ts'
import { readConfig } from '../catalog/read.ts'
import { createPublisher } from '../catalog/publish.ts'
import { mergeReload } from '../catalog/reload.ts'
import { buildSnapshot, snapshotSteps, type SnapshotInput } from '../catalog/snapshot.ts'
import { watchConfig, type ConfigWatch } from '../catalog/watch.ts'
import type { ConfigFiles } from '../config/load.ts'
import type { Report } from '../core/events.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { UpstreamSet } from '../mcp/upstream/set.ts'
import { proveGuards } from './guards.ts'
import { restartNeeded } from './restart.ts'

/** What keeps files, upstreams and the snapshot in step. */
export interface FilesDeps {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly servers: UpstreamSet
  readonly report: Report
  /** Takes a new configuration into use; throws when it cannot work, and then nothing changes. */
  apply(files: ConfigFiles): Promise<void>
  /** Adds what this machine offers beside the files. */
  amend(files: ConfigFiles): ConfigFiles
}

/** What a reload led to. */
interface Reloaded {
  readonly generation: number
  readonly problems: Snapshot['problems']
}

/** The files in force and the snapshot made from them. */
export interface Files {
  readonly current: Current
  files(): ConfigFiles
  /** Puts a new snapshot in force, made from what is known now: at once where that is little, else a few turns later. */
  publish(): void
  /** Resolves when what was published is in force. */
  settled(): Promise<void>
  reload(): Promise<Reloaded>
  watch(): Promise<void>
  close(): Promise<void>
}

/** Puts files in force and makes the first snapshot. */
export function openFiles(initial: ConfigFiles, deps: FilesDeps): Files {
  let files = deps.amend(initial)
  let watcher: ConfigWatch | undefined
  const known = (generation: number): SnapshotInput => {
    return { files, servers: deps.servers.states(), generation, now: Date.now() }
  }
  const current = createCurrent(buildSnapshot(known(1)))
  const publisher = createPublisher({
    begin: () => snapshotSteps(known(current.get().generation + 1)),
    swap: (next) => current.swap(next),
    failed: (error) => deps.report({ type: 'internal-error', error }),
    monotonic: () => performance.now(),
  })

  const reloadOnce = async (): Promise<Reloaded> => {
    const fresh = await proveGuards(await readConfig(initial.configFile, deps.env))
    const merged = deps.amend(mergeReload(files, fresh))
    const late = restartNeeded(initial, merged)
    let isTaken = fresh.problems.length === 0
    try {
      await deps.apply(merged)
      files = { ...merged, problems: [...merged.problems, ...late] }
      deps.servers.apply(merged.servers)
    } catch (error) {
      files = { ...files, problems: [...fresh.problems, toProblem(initial, error)] }
      isTaken = false
    }
    publisher.publish()
    await publisher.settled()
    const snapshot = current.get()
    tellOf(snapshot, isTaken, deps.report)
    if (late.length > 0) deps.report({ type: 'restart-needed', settings: late.map(({ path }) => path) })
    return { generation: snapshot.generation, problems: snapshot.problems }
  }

  const reload = oneAtATime(reloadOnce)

  return {
    current,
    files: () => files,
    publish: publisher.publish,
    settled: publisher.settled,
    reload,
    async watch() {
      watcher = await watchConfig({
        paths: () => watchedPaths(files),
        onChange: async () => {
          await reload()
        },
        onError: (error) => deps.report({ type: 'internal-error', error }),
      })
      await reload() // what changed since the first reading, which nobody watched
    },
    async close() {
      await watcher?.close()
      publisher.close()
    },
  }
}

/** Hints about arguments are in the snapshot too; only a file that was not taken is a rejection. */
function tellOf({ generation, revision, problems }: Snapshot, isTaken: boolean, report: Report): void {
  report(isTaken ? { type: 'config-reloaded', generation, revision } : { type: 'config-rejected', problems })
}

/** The watcher and the admin API may ask together. */
function oneAtATime<T>(run: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return () => {
    const next = last.then(run)
    last = next.catch(() => undefined)
    return next
  }
}

/** Everything a reload reads; which folders and key files that is stands in tollgate.json itself. */
function watchedPaths({ configFile, folder, sources, gateway }: ConfigFiles): string[] {
  const keyFiles = (gateway?.value.identity.issuers ?? []).flatMap(({ jwks }) =>
    'file' in jwks ? [resolve(folder, jwks.file)] : [],
  )
  return [configFile, sources.servers, sources.catalogs, sources.revocations, ...sources.prices, ...keyFiles]
}

function toProblem(files: ConfigFiles, error: unknown): ConfigFiles['problems'][number] {
  const message = `the new configuration cannot be used, the old one stays: ${error instanceof Error ? error.message : String(error)}`
  return { file: files.gateway?.file ?? 'tollgate.json', line: 1, column: 1, path: '$', message }
}

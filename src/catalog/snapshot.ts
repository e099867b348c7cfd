import type { ConfigFiles } from '../config/load.ts'
import type { Problem } from '../config/problem.ts'
import type { Catalog, CatalogView, Inventory, ServerState, ServerStatus, Snapshot, SnapshotProblem } from '../core/snapshot.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { resolveCatalog, type ResolvedCatalog } from './resolve.ts'
import { resolveRoutes } from './routes.ts'
import { compare } from './select.ts'
import { mergeView } from './view.ts'

/** What is known of one upstream when a snapshot is built; `inventory` is the last good one, also while the server is down. */
export interface ServerKnowledge {
  readonly status: ServerStatus
  readonly inventory?: Inventory | undefined
}

/** Everything a snapshot is made of. */
export interface SnapshotInput {
  readonly files: ConfigFiles
  readonly servers: ReadonlyMap<string, ServerKnowledge>
  readonly generation: number
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Builds the immutable state exchanges decide on. Pure: equal files and inventories give equal bytes, whatever order they come in. */
export function buildSnapshot(input: SnapshotInput): Snapshot {
  const steps = snapshotSteps(input)
  while (true) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same in steps of one catalog, for whoever has other things to do in between. */
export function* snapshotSteps(input: SnapshotInput): Generator<undefined, Snapshot> {
  const servers = serverStates(input)
  const routes = resolveRoutes(input.files.gateway)
  const resolved: ResolvedCatalog[] = []
  for (const [id, file] of [...input.files.catalogs].toSorted(([a], [b]) => compare(a, b))) {
    resolved.push(resolveCatalog(id, file, { servers, routes }))
    yield
  }
  const catalogs = new Map(resolved.map(({ catalog }) => [catalog.id, catalog]))
  return {
    // Not over health: a server that is down changes no rule.
    revision: digestOf(resolved.map(({ revision }) => revision)),
    generation: input.generation,
    createdAt: input.now,
    catalogs,
    servers,
    routes: new Map([...routes].map(([id, { route }]) => [id, route])),
    problems: [...input.files.problems.map(toSnapshotProblem), ...resolved.flatMap(({ problems }) => problems)],
    view: createViews(catalogs),
  }
}

function serverStates({ files, servers, now }: SnapshotInput): ReadonlyMap<string, ServerState> {
  const ids = [...new Set([...files.servers.keys(), ...files.quarantined.keys()])].toSorted(compare)
  return new Map(
    ids.map((id) => {
      const file = files.servers.get(id)?.value
      const known = servers.get(id)
      const state: ServerState = {
        id,
        ...(file?.title === undefined ? {} : { title: file.title }),
        labels: file?.labels ?? {},
        status: statusOf(
          known?.status ?? { state: 'starting', since: now, circuit: 'closed' },
          files.quarantined.get(id),
          file?.enabled,
        ),
        ...(known?.inventory === undefined ? {} : { inventory: known.inventory }),
      }
      return [id, state]
    }),
  )
}

function statusOf(status: ServerStatus, problems: readonly Problem[] | undefined, enabled: boolean | undefined): ServerStatus {
  const [first] = problems ?? []
  if (first !== undefined)
    return { ...status, state: 'quarantined', reason: `${first.file}:${first.line}:${first.column} ${first.message}` }
  return enabled === false ? { ...status, state: 'disabled', reason: 'its file says "enabled": false' } : status
}

function createViews(catalogs: ReadonlyMap<string, Catalog>): Snapshot['view'] {
  const views = new Map<string, CatalogView>()
  return (ids) => {
    const asked = views.get(ids.join('+')) // nearly always sorted and known, so this is the key
    if (asked !== undefined) return asked
    const known = [...new Set(ids)].toSorted(compare).flatMap((id) => catalogs.get(id) ?? [])
    const key = known.map((catalog) => catalog.id).join('+')
    const view = views.get(key) ?? mergeView(known)
    views.set(key, view)
    return view
  }
}

function toSnapshotProblem({ file, line, column, path, message }: Problem): SnapshotProblem {
  return { file, line, column, path, message }
}

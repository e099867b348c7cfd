import type { RequestHandler } from 'express'
import type { Snapshot } from '../core/snapshot.ts'

/** What `GET /admin/v1/status` borrows. */
export interface StatusDeps {
  snapshot(): Snapshot
  readonly about: { readonly name: string; readonly version: string; readonly startedAt: number; readonly instance: string }
  /** Facts of other rooms: issuers, sessions, streams, ledger. */
  facts(): Readonly<Record<string, unknown>>
}

/** The state of this process: files, catalogs, servers, issuers. It names the instance, since another replica may differ. */
export function statusRoute(deps: StatusDeps): RequestHandler {
  return (_request, response) => {
    const snapshot = deps.snapshot()
    response.json({
      ...deps.about,
      node: process.version,
      revision: snapshot.revision,
      generation: snapshot.generation,
      problems: snapshot.problems,
      servers: [...snapshot.servers.values()].map((server) => ({
        id: server.id,
        title: server.title,
        labels: server.labels,
        ...server.status,
        protocolVersion: server.inventory?.protocolVersion,
        fetchedAt: server.inventory?.fetchedAt,
        offers: server.inventory === undefined ? undefined : count(server.inventory.definitions),
        dropped: server.inventory?.dropped ?? [],
      })),
      catalogs: [...snapshot.catalogs.values()].map((catalog) => ({
        id: catalog.id,
        title: catalog.title,
        file: catalog.file,
        digest: catalog.digest,
        shows: count(catalog.items),
        withheld: catalog.withheld.length,
      })),
      routes: [...snapshot.routes.values()].map(({ id, enabled, strategy, targets }) => ({
        id,
        enabled,
        strategy,
        targets: targets.map(({ key }) => key),
      })),
      ...deps.facts(),
    })
  }
}

function count(lists: Readonly<Record<string, readonly unknown[]>>): Record<string, number> {
  return Object.fromEntries(Object.entries(lists).map(([kind, list]) => [kind, list.length]))
}

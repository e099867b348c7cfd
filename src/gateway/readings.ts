import type { ConfigFiles } from '../config/load.ts'
import type { MetricReadings } from '../telemetry/metrics.ts'
import type { Life, Parts } from './parts.ts'

/** What gauges show now. Parts that are not made yet read as zero. */
export function readings({ files, facet, ledger }: Partial<Parts>, life: Life): MetricReadings {
  const snapshot = files?.current.get()
  const stats = facet?.stats() ?? { sessions: 0, streams: 0, parked: 0 }
  return {
    generation: snapshot?.generation ?? 0,
    inFlight: life.doors?.inFlight() ?? 0,
    ...stats,
    ledger: ledger?.status() ?? { writable: true, queuedBytes: 0, backlogBytes: 0, lagMs: 0, corruptLines: 0 },
    servers: [...(snapshot?.servers.values() ?? [])].map(({ id, status }) => ({
      id,
      isUp: status.state === 'ready',
      circuit: status.circuit,
    })),
  }
}

/** How a registered server is reached, for `network.transport`. */
export function transportOf(files: ConfigFiles | undefined, id: string): 'tcp' | 'pipe' | undefined {
  const server = files?.servers.get(id)?.value
  if (server === undefined) return undefined
  return server.type === 'stdio' ? 'pipe' : 'tcp'
}

/** Where a registered remote server is. */
export function urlOf(files: ConfigFiles | undefined, id: string): URL | undefined {
  const server = files?.servers.get(id)?.value
  return server === undefined || server.type === 'stdio' ? undefined : new URL(server.url)
}

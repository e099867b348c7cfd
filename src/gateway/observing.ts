import type { Gateway } from '../config/gateway.ts'
import type { Entry } from '../core/entry.ts'
import type { Report } from '../core/events.ts'
import type { Exchange } from '../core/exchange.ts'
import type { Secrets } from '../lib/secrets.ts'
import { createReport } from '../telemetry/events.ts'
import { createLineWriter } from '../telemetry/line-writer.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { createMetrics, type MetricReadings, type Metrics } from '../telemetry/metrics.ts'
import type { SpanFacts } from '../telemetry/spans.ts'
import { createTracing, NO_TRACING } from '../telemetry/tracing.ts'

/** What the telemetry side borrows; the readings are asked for only when somebody scrapes. */
export interface ObservingDeps {
  readonly config: Gateway
  readonly version: string
  readonly stream: NodeJS.WritableStream
  readonly secrets: Secrets
  read(): MetricReadings
  transportOf(server: string): 'tcp' | 'pipe' | undefined
  urlOf(server: string): URL | undefined
}

/** Logs, metrics and traces of one process. */
export interface Observing {
  readonly report: Report
  readonly logger: Logger
  readonly metrics: Metrics
  ended(exchange: Exchange, entry: Entry): void
  close(): Promise<void>
}

/** Opens telemetry. Tracing is loaded only when a collector is configured. */
export async function openObserving(deps: ObservingDeps): Promise<Observing> {
  const { telemetry, bounds } = deps.config
  const now = (): number => Date.now()
  const logger = createLogger({ level: telemetry.level, stream: deps.stream, now })
  const lines = createLineWriter(deps.stream)
  const metrics = createMetrics({
    version: deps.version,
    maxSeries: bounds.metricSeries,
    read: deps.read,
    transportOf: deps.transportOf,
    droppedLogLines: () => lines.dropped,
  })
  const report = createReport({ logger, lines, metrics, exchanges: telemetry.exchanges, now })
  const { otlp } = telemetry
  const tracing =
    otlp === undefined
      ? NO_TRACING
      : await createTracing({
          url: otlp.url,
          headers: Object.fromEntries(
            Object.entries(otlp.headers).map(([name, reference]) => [name, deps.secrets.read(reference)]),
          ),
          serviceName: otlp.serviceName,
          version: deps.version,
          logger,
        })
  return {
    report,
    logger,
    metrics,
    ended(exchange, entry) {
      report({ type: 'exchange-end', entry, protocolVersion: exchange.protocolVersion })
      if (tracing !== NO_TRACING) tracing.exchange(exchange.trace, entry, spanFacts(deps, exchange, entry))
    },
    async close() {
      await tracing.close()
      lines.flush()
    },
  }
}

function spanFacts(deps: ObservingDeps, exchange: Exchange, entry: Entry): SpanFacts {
  const { protocolVersion, requestId, mcpSession } = exchange
  const caller = {
    protocolVersion,
    ...(requestId === undefined ? {} : { requestId }),
    ...(mcpSession === undefined ? {} : { mcpSession }),
  }
  const transport = entry.server === null ? undefined : deps.transportOf(entry.server)
  if (entry.server === null || transport === undefined) return caller
  const url = deps.urlOf(entry.server)
  const where =
    url === undefined ? {} : { address: url.hostname, port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) }
  return { ...caller, upstream: { transport, ...where } }
}

import type { Tracer } from '@opentelemetry/api'
import type { Entry } from '../core/entry.ts'
import type { Logger } from './logger.ts'
import { planSpans, type SpanFacts, type SpanPlan, type TracedBy } from './spans.ts'

/** Spans of exchanges, sent to an OTLP collector. Never throws, never waits. */
export interface Tracing {
  /** Called when an exchange is over. */
  exchange(trace: TracedBy, entry: Entry, facts: SpanFacts): void
  /** Sends what is kept and stops. */
  close(): Promise<void>
}

/** Where spans go; headers are resolved secrets. */
export interface TracingOptions {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly serviceName: string
  readonly version: string
  readonly logger: Logger
}

const CLOSE_MS = 2_000

/** Tracing for a gateway without a collector. */
export const NO_TRACING: Tracing = { exchange: () => undefined, close: () => Promise.resolve() }

/** Starts tracing; OpenTelemetry is loaded only now, because it costs memory. */
export async function createTracing(options: TracingOptions): Promise<Tracing> {
  const { newSpanId, emit, shutdown } = await openSdk(options)
  return {
    exchange(trace, entry, facts) {
      if (!trace.sampled) return
      try {
        for (const plan of planSpans(trace, entry, facts, newSpanId)) emit(trace.traceId, plan)
      } catch (error) {
        options.logger.debug('span not made', { 'exception.message': error instanceof Error ? error.message : 'unknown' })
      }
    },
    close: () => Promise.race([shutdown(), late(CLOSE_MS)]),
  }
}

/** The ids of spans were chosen when the exchange began, so that they could travel; the SDK is made to use them. */
async function openSdk(options: TracingOptions) {
  const [api, sdk, { resourceFromAttributes }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
  ])
  const random = new sdk.RandomIdGenerator()
  const next = { traceId: '', spanId: '' }
  const exporter = heard(new OTLPTraceExporter({ url: options.url, headers: { ...options.headers } }), options.logger)
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName, 'service.version': options.version }),
    idGenerator: { generateTraceId: () => next.traceId, generateSpanId: () => next.spanId },
    sampler: new sdk.AlwaysOnSampler(),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, maxQueueSize: 4_096 })],
  })
  const tracer: Tracer = provider.getTracer('tollgate', options.version)
  const remote = (traceId: string, spanId: string) => ({ traceId, spanId, traceFlags: api.TraceFlags.SAMPLED, isRemote: true })
  return {
    newSpanId: () => random.generateSpanId(),
    emit(traceId: string, plan: SpanPlan) {
      Object.assign(next, { traceId, spanId: plan.spanId })
      const { parentSpanId, link, attributes, start: startTime } = plan
      const kind = plan.kind === 'server' ? api.SpanKind.SERVER : api.SpanKind.CLIENT
      const links = link === undefined ? [] : [{ context: remote(link.traceId, link.spanId) }]
      const root = api.ROOT_CONTEXT
      const parent = parentSpanId === undefined ? root : api.trace.setSpanContext(root, remote(traceId, parentSpanId))
      const span = tracer.startSpan(plan.name, { kind, attributes, links, startTime }, parent)
      if (plan.isError) span.setStatus({ code: api.SpanStatusCode.ERROR })
      span.end(plan.end)
    },
    // A collector that is gone at the end was reported when sending failed.
    shutdown: () => provider.shutdown().catch(() => undefined),
  }
}

interface Exporter<Spans, Result> {
  export(spans: Spans, done: (result: Result) => void): void
}

/** Says once when spans cannot be sent, and once when they can again. */
function heard<Spans, Result extends { readonly code: number; readonly error?: Error }, Kind extends Exporter<Spans, Result>>(
  exporter: Kind & Exporter<Spans, Result>,
  logger: Logger,
): Kind {
  let isFailing = false
  const send = exporter.export.bind(exporter)
  exporter.export = (spans: Spans, done: (result: Result) => void) =>
    send(spans, (result: Result) => {
      const fails = result.code !== 0
      if (fails && !isFailing) logger.warn('spans cannot be sent', { 'exception.message': result.error?.message })
      if (!fails && isFailing) logger.info('spans are sent again')
      isFailing = fails
      done(result)
    })
  return exporter
}

function late(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
}

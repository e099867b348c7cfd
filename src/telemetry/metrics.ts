import { type Metric, Registry } from 'prom-client'
import type { Entry } from '../core/entry.ts'
import { errorTypeOf, inputOf, outputOf } from './exchange-line.ts'
import { processGauges } from './process-gauges.ts'
import { Counter, type Family, Gauge, Histogram, type SeriesBudget } from './series.ts'

/** What is read when somebody scrapes; lent by gateway.ts from the parts that know. */
export interface MetricReadings {
  readonly generation: number
  readonly inFlight: number
  readonly sessions: number
  readonly streams: number
  readonly parked: number
  readonly ledger: {
    readonly writable: boolean
    readonly queuedBytes: number
    readonly backlogBytes: number
    readonly lagMs: number
    readonly corruptLines: number
  }
  readonly servers: Iterable<{ readonly id: string; readonly isUp: boolean; readonly circuit: 'closed' | 'half-open' | 'open' }>
}

/** What the metrics borrow. */
export interface MetricsOptions {
  readonly version: string
  /** `bounds.metricSeries`. */
  readonly maxSeries: number
  read(): MetricReadings
  /** How an upstream is reached, for `network.transport`. */
  transportOf(server: string): 'tcp' | 'pipe' | undefined
  /** Log lines let go so far. */
  droppedLogLines(): number
}

/** The metrics of one process. Every method takes facts and returns at once. */
export interface Metrics {
  exchange(entry: Entry, protocolVersion?: string): void
  request(method: string, httpStatus: number): void
  authDenied(reason: string): void
  configRejected(): void
  definitionDropped(server: string): void
  definitionChanged(server: string): void
  sessionHijack(): void
  internalError(): void
  /** An event that could not be reported. */
  telemetryFailed(): void
  /** A legacy session that is over. */
  sessionEnd(durationMs: number, protocolVersion: string): void
  expose(): Promise<{ contentType: string; body: string }>
}

/** Bucket bounds of the MCP conventions, in seconds. */
const OPERATION_SECONDS: readonly number[] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

const OPERATION_LABELS = [
  'mcp_method_name',
  'gen_ai_tool_name',
  'error_type',
  'network_transport',
  'mcp_protocol_version',
] as const
const MODEL_LABELS = ['gen_ai_provider_name', 'gen_ai_request_model', 'error_type'] as const
const CIRCUITS = { closed: 0, 'half-open': 1, open: 2 } as const
const HTTP_METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PUT', 'PATCH'])

/** Makes the metrics. Names follow the OpenTelemetry conventions with Prometheus suffixes; ours begin with `tollgate_`. */
export function createMetrics(options: MetricsOptions): Metrics {
  const budget: SeriesBudget = { left: options.maxSeries, folded: 0 }
  const hot = createFamilies(budget)
  const registry = new Registry()
  const families: Family[] = [...Object.values(hot), ...readGauges(options, budget), ...processGauges()]
  // The registry asks a metric only for its name and its `get`, which every Family has.
  for (const family of families) registry.registerMetric(family as unknown as Metric)
  return {
    exchange: (entry, protocolVersion) =>
      countExchange(hot, options, { entry, protocolVersion: protocolVersion ?? versionOf(entry) }),
    request: (method, httpStatus) => hot.requests.add([HTTP_METHODS.has(method) ? method : 'other', String(httpStatus)]),
    authDenied: (reason) => hot.denials.add([reason]),
    configRejected: () => hot.reloadFailures.add([]),
    definitionDropped: (server) => hot.dropped.add([server]),
    definitionChanged: (server) => hot.changed.add([server]),
    sessionHijack: () => hot.hijacks.add([]),
    internalError: () => hot.internalErrors.add([]),
    telemetryFailed: () => hot.telemetryFailures.add([]),
    sessionEnd: (durationMs, protocolVersion) => hot.sessionSeconds.observe(['tcp', protocolVersion], durationMs / 1_000),
    expose: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  }
}

function createFamilies(budget: SeriesBudget) {
  const counter = (name: string, help: string, labels: readonly string[] = []) => new Counter({ name, help, labels }, budget)
  const seconds = (name: string, help: string, labels: readonly string[]) =>
    new Histogram({ name, help, labels }, OPERATION_SECONDS, budget)
  return {
    serverSeconds: seconds(
      'mcp_server_operation_duration_seconds',
      'Duration of requests of callers, as the gateway saw them.',
      OPERATION_LABELS,
    ),
    clientSeconds: seconds('mcp_client_operation_duration_seconds', 'Duration of requests to upstreams.', [
      ...OPERATION_LABELS,
      'server',
    ]),
    modelSeconds: seconds('gen_ai_client_operation_duration_seconds', 'Duration of attempts at providers.', MODEL_LABELS),
    firstTokenSeconds: seconds(
      'gen_ai_client_operation_time_to_first_chunk_seconds',
      'Time from the request to the first content of a streamed answer.',
      MODEL_LABELS,
    ),
    modelTokens: counter('tollgate_model_tokens_total', 'Tokens of model calls, by kind and by who counted them.', [
      ...MODEL_LABELS,
      'gen_ai_token_type',
      'source',
    ]),
    modelNanoUsd: counter('tollgate_model_nano_usd_total', 'Cost of model calls, in nano-dollars.', [...MODEL_LABELS, 'team']),
    unpriced: counter('tollgate_model_unpriced_total', 'Attempts at models whose price is not known.', MODEL_LABELS),
    sessionSeconds: seconds('mcp_server_session_duration_seconds', 'Duration of sessions of callers (legacy era).', [
      'network_transport',
      'mcp_protocol_version',
    ]),
    calls: counter('tollgate_calls_total', 'Exchanges with a ledger entry.', ['catalog', 'server', 'team', 'status']),
    decisions: counter('tollgate_decisions_total', 'Decisions on calls.', ['decision', 'reason']),
    limits: counter('tollgate_limit_rejections_total', 'Calls refused by a limit.', ['limit']),
    requests: counter('tollgate_http_requests_total', 'HTTP requests of callers.', ['method', 'status']),
    denials: counter('tollgate_auth_denied_total', 'Credentials that were refused.', ['reason']),
    reloadFailures: counter('tollgate_config_reload_failures_total', 'Reloads that changed nothing because a file was bad.'),
    dropped: counter('tollgate_definitions_dropped_total', 'Definitions of upstreams that were refused on arrival.', ['server']),
    changed: counter('tollgate_definitions_changed_total', 'Definitions that changed at their upstream.', ['server']),
    hijacks: counter('tollgate_session_hijacks_total', 'Sessions presented by somebody else than their owner.'),
    internalErrors: counter('tollgate_internal_errors_total', 'Errors nobody expected.'),
    telemetryFailures: counter('tollgate_telemetry_failures_total', 'Events that could not be reported.'),
  }
}

function countExchange(
  hot: ReturnType<typeof createFamilies>,
  options: MetricsOptions,
  { entry, protocolVersion }: { readonly entry: Entry; readonly protocolVersion: string },
): void {
  if (entry.kind === 'model') return countModel(hot, entry)
  // Names of tools that no catalog shows are a caller's words, and no labels.
  const tool = entry.kind !== 'tool' ? '' : entry.server === null ? 'unknown' : entry.target
  const error = errorTypeOf(entry) ?? ''
  hot.serverSeconds.observe([entry.method, tool, error, 'tcp', protocolVersion], entry.durationMs / 1_000)
  hot.calls.add([entry.catalog ?? '', entry.server ?? '', entry.team ?? '', entry.status])
  hot.decisions.add([entry.decision, entry.reason])
  if (entry.status === 'limited') hot.limits.add([entry.error ?? ''])
  if (entry.server === null || entry.upstreamMs <= 0) return
  const transport = options.transportOf(entry.server) ?? ''
  hot.clientSeconds.observe(
    [entry.method, entry.upstreamTarget ?? tool, error, transport, '', entry.server],
    entry.upstreamMs / 1_000,
  )
}

function countModel(hot: ReturnType<typeof createFamilies>, entry: Entry): void {
  hot.calls.add([entry.catalog ?? '', entry.provider ?? '', entry.team ?? '', entry.status])
  if (entry.status !== 'retried') hot.decisions.add([entry.decision, entry.reason])
  if (entry.status === 'limited') hot.limits.add([entry.error ?? ''])
  if (entry.provider === null) return
  // The name of the route: behind a wildcard the model asked for is a caller's word.
  const labels = [entry.provider, entry.upstreamTarget ?? '', errorTypeOf(entry) ?? '']
  hot.modelSeconds.observe(labels, entry.upstreamMs / 1_000)
  if (entry.stream === 1 && entry.firstTokenMs !== null) hot.firstTokenSeconds.observe(labels, entry.firstTokenMs / 1_000)
  const source = entry.usageSource ?? ''
  const [input, output] = [inputOf(entry), outputOf(entry)]
  if (input !== null) hot.modelTokens.add([...labels, 'input', source], input)
  if (output !== null) hot.modelTokens.add([...labels, 'output', source], output)
  if (entry.nanoUsd !== null && entry.nanoUsd > 0) hot.modelNanoUsd.add([...labels, entry.team ?? ''], entry.nanoUsd)
  if (entry.flags?.includes('unpriced') === true) hot.unpriced.add(labels)
}

/** An entry knows its era; only the modern one is a single version. */
function versionOf(entry: Entry): string {
  return entry.era === 'modern' ? '2026-07-28' : ''
}

function readGauges(options: MetricsOptions, budget: SeriesBudget): Gauge[] {
  const gauge = (name: string, help: string, read: (readings: MetricReadings) => number) =>
    new Gauge({ name, help, labels: [] }, () => [[[], read(options.read())]])
  const perServer = (name: string, help: string, value: (server: { isUp: boolean; circuit: keyof typeof CIRCUITS }) => number) =>
    new Gauge({ name, help, labels: ['server'] }, () =>
      Array.from(options.read().servers, (server) => [[server.id], value(server)] as const),
    )
  return [
    new Gauge({ name: 'tollgate_build_info', help: 'Version of the gateway.', labels: ['version', 'node'] }, () => [
      [[options.version, process.version], 1],
    ]),
    gauge('tollgate_config_generation', 'Counts up by one with each configuration in use.', ({ generation }) => generation),
    gauge('tollgate_in_flight', 'Exchanges under way.', ({ inFlight }) => inFlight),
    gauge('tollgate_sessions', 'Sessions of callers (legacy era).', ({ sessions }) => sessions),
    gauge('tollgate_streams', 'Open event streams to callers.', ({ streams }) => streams),
    gauge('tollgate_parked_calls', 'Calls that wait for an answer of their caller.', ({ parked }) => parked),
    gauge('tollgate_ledger_writable', '1 while the ledger takes entries.', ({ ledger }) => (ledger.writable ? 1 : 0)),
    gauge('tollgate_ledger_queue_bytes', 'Entries in memory that are not durable yet.', ({ ledger }) => ledger.queuedBytes),
    gauge('tollgate_ledger_backlog_bytes', 'Durable entries that are not indexed yet.', ({ ledger }) => ledger.backlogBytes),
    gauge(
      'tollgate_ledger_lag_seconds',
      'For how long the index has been behind the journal.',
      ({ ledger }) => ledger.lagMs / 1_000,
    ),
    gauge(
      'tollgate_ledger_corrupt_lines',
      'Journal lines kept aside because they were no entries.',
      ({ ledger }) => ledger.corruptLines,
    ),
    gauge(
      'tollgate_metric_sets_folded',
      'Label sets counted under "other" because the cap on series was reached.',
      () => budget.folded,
    ),
    gauge('tollgate_log_lines_dropped', 'Log lines let go because nobody read them.', () => options.droppedLogLines()),
    perServer('tollgate_upstream_up', '1 while an upstream answers.', ({ isUp }) => (isUp ? 1 : 0)),
    perServer(
      'tollgate_upstream_circuit_state',
      'Circuit breaker: 0 closed, 1 half open, 2 open.',
      ({ circuit }) => CIRCUITS[circuit],
    ),
  ]
}

import type { GatewayEvent, Report } from '../core/events.ts'
import { toExchangeLine, toRequestLine } from './exchange-line.ts'
import type { LineWriter } from './line-writer.ts'
import { type LogFields, type LogLevel, toLogLine } from './log-line.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** What reporting borrows. */
export interface ReportDeps {
  readonly logger: Logger
  /** Takes the lines that come with every exchange. */
  readonly lines: LineWriter
  readonly metrics: Metrics
  /** `telemetry.exchanges`: one log line per exchange. */
  readonly exchanges: boolean
  /** Milliseconds since the epoch. */
  now(): number
}

type Handlers = { readonly [Type in GatewayEvent['type']]: (event: Extract<GatewayEvent, { type: Type }>) => void }

const MAX_PROBLEMS = 20
/** Exchanges whose HTTP request has not ended yet; far above what is in flight at one time. */
const MAX_ENDED = 10_000

/** The one place where events become log lines and metrics. Never throws: what cannot be reported is counted. */
export function createReport(deps: ReportDeps): Report {
  const handlers: Handlers = {
    ...exchangeHandlers(deps),
    ...catalogHandlers(deps),
    ...modelHandlers(deps),
    ...troubleHandlers(deps),
  }
  return (event) => {
    try {
      // Each handler takes the events of its own type.
      const handle = handlers[event.type] as (event: GatewayEvent) => void
      handle(event)
    } catch {
      deps.metrics.telemetryFailed()
    }
  }
}

/** What happens with every request goes through the buffered writer. */
function exchangeHandlers({
  logger,
  lines,
  metrics,
  exchanges,
  now,
}: ReportDeps): Pick<Handlers, 'exchange-end' | 'session-end' | 'request-end' | 'auth-denied'> {
  const ended = new Set<string>()
  const write = (level: LogLevel, message: string, fields: LogFields) => {
    if (logger.enabled(level)) lines.write(toLogLine(level, message, fields, now()))
  }
  return {
    'session-end': ({ durationMs, protocolVersion }) => metrics.sessionEnd(durationMs, protocolVersion),
    'exchange-end': ({ entry, protocolVersion }) => {
      metrics.exchange(entry, protocolVersion)
      if (ended.size >= MAX_ENDED) ended.clear()
      ended.add(entry.id)
      if (exchanges && logger.enabled('info')) lines.write(toExchangeLine(entry, now()))
    },
    // A request whose exchange has its line already does not get a second one.
    'request-end': (event) => {
      metrics.request(event.method, event.httpStatus)
      if (!ended.delete(event.exchange) && exchanges && logger.enabled('info')) lines.write(toRequestLine(event, now()))
    },
    'auth-denied': ({ reason, issuer, route }) => {
      metrics.authDenied(reason)
      write('warn', 'credential refused', { 'tollgate.reason': reason, 'tollgate.issuer': issuer, 'http.route': route })
    },
  }
}

function catalogHandlers({
  logger,
  metrics,
}: ReportDeps): Pick<
  Handlers,
  'config-reloaded' | 'config-rejected' | 'restart-needed' | 'server-state' | 'definition-dropped' | 'definition-changed'
> {
  return {
    'config-reloaded': ({ generation, revision }) =>
      logger.info('configuration in use', { 'tollgate.generation': generation, 'tollgate.revision': revision }),
    'config-rejected': ({ problems }) => {
      metrics.configRejected()
      for (const { file, line, column, path, message } of problems.slice(0, MAX_PROBLEMS)) {
        const fields = { 'code.file.path': file, 'code.line.number': line, 'code.column.number': column, 'tollgate.path': path }
        logger.error('configuration problem', { ...fields, 'tollgate.problem': message })
      }
      logger.error('configuration rejected; the one in use stays', { 'tollgate.problems': problems.length })
    },
    'restart-needed': ({ settings }) =>
      logger.warn('settings changed that need a restart; the rest is in use', { 'tollgate.settings': settings.join(', ') }),
    'server-state': ({ server, state, circuit, reason }) => {
      const fields = {
        'tollgate.server': server,
        'tollgate.state': state,
        'tollgate.circuit': circuit,
        'tollgate.reason': reason,
      }
      const isFine = (state === 'ready' && circuit === 'closed') || state === 'starting' || state === 'disabled'
      if (isFine) logger.info('upstream state', fields)
      else logger.warn('upstream state', fields)
    },
    'definition-dropped': ({ server, kind, name, reason }) => {
      metrics.definitionDropped(server)
      logger.warn('definition dropped', {
        'tollgate.server': server,
        'tollgate.kind': kind,
        'tollgate.name': name,
        'tollgate.reason': reason,
      })
    },
    'definition-changed': ({ server, kind, name, before, after }) => {
      metrics.definitionChanged(server)
      const digests = { 'tollgate.digest_before': before, 'tollgate.digest_after': after }
      logger.warn('definition changed', { 'tollgate.server': server, 'tollgate.kind': kind, 'tollgate.name': name, ...digests })
    },
  }
}

function modelHandlers({ logger }: ReportDeps): Pick<Handlers, 'target-state' | 'budget-soft' | 'guard-inert'> {
  return {
    'target-state': ({ target, provider, circuit, reason }) => {
      const fields = {
        'tollgate.target': target,
        'gen_ai.provider.name': provider,
        'tollgate.circuit': circuit,
        'tollgate.reason': reason,
      }
      // A closed circuit may still have a clock: a limit, a bill, a credential.
      if (circuit === 'closed' && !/ for \d+ s$/.test(reason)) logger.info('target state', fields)
      else logger.warn('target state', fields)
    },
    'budget-soft': ({ budget, spentNanoUsd, nanoUsd }) =>
      logger.warn('a budget is nearly spent', {
        'tollgate.budget': budget,
        'tollgate.spent_nano_usd': spentNanoUsd,
        'tollgate.nano_usd': nanoUsd,
      }),
    'guard-inert': ({ findings }) => logger.error('a guard does not act', { 'tollgate.findings': findings.join('; ') }),
  }
}

function troubleHandlers({
  logger,
  metrics,
}: ReportDeps): Pick<Handlers, 'child-stderr' | 'session-hijack' | 'ledger-unavailable' | 'internal-error'> {
  return {
    'child-stderr': ({ server, text, droppedBytes }) =>
      logger.info('upstream said on stderr', {
        'tollgate.server': server,
        'tollgate.text': text,
        'tollgate.dropped_bytes': droppedBytes || undefined,
      }),
    'session-hijack': ({ reason }) => {
      metrics.sessionHijack()
      logger.warn('session refused', { 'tollgate.reason': reason })
    },
    'ledger-unavailable': ({ reason }) => logger.error('ledger unavailable', { 'tollgate.reason': reason }),
    'internal-error': ({ exchange, error }) => {
      metrics.internalError()
      logger.error('internal error', { request_id: exchange, ...factsOf(error) })
    },
  }
}

/** Type, message, stack and causes of anything thrown. */
function factsOf(error: unknown): LogFields {
  if (!(error instanceof Error)) return { 'exception.message': wordsOf(error) }
  const causes: string[] = []
  for (
    let { cause } = error;
    cause !== undefined && causes.length < 5;
    cause = cause instanceof Error ? cause.cause : undefined
  ) {
    causes.push(wordsOf(cause))
  }
  return {
    'exception.type': error.name,
    'exception.message': error.message,
    'exception.stacktrace': error.stack,
    'exception.causes': causes.length === 0 ? undefined : causes.join(' <- '),
  }
}

function wordsOf(thrown: unknown): string {
  if (thrown instanceof Error) return `${thrown.name}: ${thrown.message}`
  return typeof thrown === 'string' ? thrown : `a thrown ${typeof thrown}`
}

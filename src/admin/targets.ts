import type { RequestHandler } from 'express'
import { GatewayError } from '../core/errors.ts'
import { printable } from '../lib/printable.ts'

/** What is known of one target of the routes. */
export interface TargetReading {
  /** `provider/model`, with `@region` where it has one. */
  readonly key: string
  readonly routes: readonly string[]
  readonly enabled: boolean
  readonly circuit: 'closed' | 'open' | 'half-open'
  /** Seconds until it takes requests again; 0 when it does. */
  readonly retryInSeconds: number
  readonly reason?: string
  readonly inFlight: number
  readonly requests: number
  readonly failures: number
  /** Moving average of milliseconds to the first content. */
  readonly firstTokenMs?: number
}

/** What `GET /admin/v1/targets` borrows. */
export interface TargetsDeps {
  targets(): readonly TargetReading[] | Promise<readonly TargetReading[]>
  now(): Date
}

const FORMATS = ['json', 'text'] as const

/** The state of every target of this process: `?format=text` for one page a person can read. */
export function targetsRoute(deps: TargetsDeps): RequestHandler {
  return async (request, response) => {
    const asked = new URL(request.originalUrl, 'http://gateway.invalid').searchParams.get('format') ?? 'json'
    const format = FORMATS.find((known) => known === asked)
    if (format === undefined) throw new GatewayError('invalid_request', `format must be one of ${FORMATS.join(', ')}`)
    const at = deps.now().toISOString()
    const targets = await deps.targets()
    if (format === 'json') response.json({ at, targets })
    else response.type('text/plain').send(renderTargets(targets, at))
  }
}

/** The page: a line for each target, those in trouble first. */
export function renderTargets(targets: readonly TargetReading[], at: string): string {
  const rows = targets.toSorted((a, b) => Number(isWell(a)) - Number(isWell(b))).map(toRow)
  const lines = [['TARGET', 'STATE', 'IN FLIGHT', 'REQUESTS', 'FAILURES', 'FIRST CONTENT', 'ROUTES'], ...rows]
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const table = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const well = targets.filter(isWell).length
  return `${[`${targets.length} targets, ${well} take requests, at ${at}`, '', ...table].join('\n')}\n`
}

function isWell({ enabled, retryInSeconds }: TargetReading): boolean {
  return enabled && retryInSeconds === 0
}

function toRow(target: TargetReading): string[] {
  const { key, routes, inFlight, requests, failures, firstTokenMs } = target
  const latency = firstTokenMs === undefined ? '-' : `${Math.round(firstTokenMs)} ms`
  return [key, stateOf(target), String(inFlight), String(requests), String(failures), latency, routes.join(', ')].map(printable)
}

function stateOf({ enabled, circuit, retryInSeconds, reason }: TargetReading): string {
  if (!enabled) return 'switched off'
  if (retryInSeconds > 0) return reason ?? `out for ${retryInSeconds} s`
  return circuit === 'closed' ? 'ok' : 'next request is a probe'
}

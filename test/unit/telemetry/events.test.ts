import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { GatewayEvent } from '../../../src/core/events.ts'
import { createReport } from '../../../src/telemetry/events.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { entry } from '../metering/entry-fixture.ts'

function reporting(options: { exchanges?: boolean; level?: 'error' | 'info' | 'debug' } = {}) {
  const said: string[] = []
  const stream = new PassThrough()
  stream.on('data', (chunk: Buffer) => said.push(...chunk.toString().trim().split('\n')))
  const buffered: string[] = []
  const metrics = createMetrics({
    version: '0',
    maxSeries: 1_000,
    read: () => ({
      generation: 0,
      inFlight: 0,
      sessions: 0,
      streams: 0,
      parked: 0,
      ledger: { writable: true, queuedBytes: 0, backlogBytes: 0, lagMs: 0, corruptLines: 0 },
      servers: [],
    }),
    transportOf: () => undefined,
    droppedLogLines: () => 0,
  })
  const logger = createLogger({ level: options.level ?? 'info', stream, now: () => 0 })
  const lines = { write: (line: string) => void buffered.push(line), flush: () => undefined, dropped: 0 }
  const report = createReport({ logger, lines, metrics, exchanges: options.exchanges ?? true, now: () => 0 })
  const count = async (name: string) =>
    Number(
      (await metrics.expose()).body
        .split('\n')
        .find((line) => line.startsWith(name))
        ?.split(' ')
        .at(-1),
    )
  return { report, metrics, count, said, buffered: () => buffered.map((line) => JSON.parse(line)) }
}

test('an exchange has one line, also when its HTTP request ends later; a request without an exchange has one too', async () => {
  const { report, buffered, count } = reporting()

  report({ type: 'exchange-end', entry: entry({ id: 'x1' }), protocolVersion: '2025-11-25' })
  report({ type: 'request-end', method: 'POST', httpStatus: 200, durationMs: 1, exchange: 'x1' })
  report({ type: 'request-end', method: 'POST', httpStatus: 202, durationMs: 1.23456, exchange: 'x2' })

  expect(buffered().map((line) => [line.message, line.request_id])).toEqual([
    ['exchange', 'x1'],
    ['request', 'x2'],
  ])
  expect(await count('tollgate_http_requests_total{method="POST",status="200"}')).toBe(1)
})

test('without exchange lines the metrics still move', async () => {
  const { report, buffered, count } = reporting({ exchanges: false })

  report({ type: 'exchange-end', entry: entry(), protocolVersion: '2025-11-25' })
  report({ type: 'request-end', method: 'POST', httpStatus: 200, durationMs: 1, exchange: 'x9' })

  expect(buffered()).toEqual([])
  expect(await count('tollgate_calls_total')).toBe(1)
})

describe('each event has its line and its metric', () => {
  const EVENTS: readonly { event: GatewayEvent; level: string; message: string; metric?: string }[] = [
    { event: { type: 'config-reloaded', generation: 2, revision: 'sha256:1' }, level: 'info', message: 'configuration in use' },
    {
      event: { type: 'restart-needed', settings: ['$.data'] },
      level: 'warn',
      message: 'settings changed that need a restart; the rest is in use',
    },
    {
      event: { type: 'config-rejected', problems: [{ file: 'catalogs/a.json', line: 3, message: 'unknown key' }] },
      level: 'error',
      message: 'configuration problem',
      metric: 'tollgate_config_reload_failures_total',
    },
    {
      event: { type: 'server-state', server: 'notes', state: 'ready', circuit: 'closed' },
      level: 'info',
      message: 'upstream state',
    },
    {
      event: { type: 'server-state', server: 'notes', state: 'down', circuit: 'open', reason: 'refused' },
      level: 'warn',
      message: 'upstream state',
    },
    {
      event: { type: 'definition-dropped', server: 'notes', kind: 'tool', name: 'x', reason: 'no schema' },
      level: 'warn',
      message: 'definition dropped',
      metric: 'tollgate_definitions_dropped_total',
    },
    {
      event: { type: 'definition-changed', server: 'notes', kind: 'tool', name: 'x', before: 'sha256:1', after: 'sha256:2' },
      level: 'warn',
      message: 'definition changed',
      metric: 'tollgate_definitions_changed_total',
    },
    {
      event: { type: 'child-stderr', server: 'notes', text: 'started', droppedBytes: 0 },
      level: 'info',
      message: 'upstream said on stderr',
    },
    {
      event: { type: 'session-hijack', reason: 'another principal' },
      level: 'warn',
      message: 'session refused',
      metric: 'tollgate_session_hijacks_total',
    },
    { event: { type: 'ledger-unavailable', reason: 'ENOSPC' }, level: 'error', message: 'ledger unavailable' },
    {
      event: { type: 'internal-error', error: new Error('boom') },
      level: 'error',
      message: 'internal error',
      metric: 'tollgate_internal_errors_total',
    },
  ]

  test.each(EVENTS)('$event.type: $message', async ({ event, level, message, metric }) => {
    const { report, said, count } = reporting()

    report(event)
    await expect.poll(() => said.length).toBeGreaterThan(0)

    expect(JSON.parse(said[0]!)).toMatchObject({ level, message })
    if (metric !== undefined) expect(await count(metric)).toBe(1)
  })

  test('a refused credential goes through the buffered writer, because anybody can cause many', async () => {
    const { report, buffered, count } = reporting()

    report({ type: 'auth-denied', reason: 'expired', route: '/mcp', issuer: 'https://i' })

    expect(buffered()).toMatchObject([
      { level: 'warn', message: 'credential refused', 'tollgate.reason': 'expired', 'http.route': '/mcp' },
    ])
    expect(await count('tollgate_auth_denied_total{reason="expired"}')).toBe(1)
  })
})

test('an unexpected error is logged with its causes and without what they carry', async () => {
  const { report, said } = reporting()
  const cause = new Error('connect to https://alice:wonder@host failed')

  report({ type: 'internal-error', exchange: 'x1', error: new Error('outer', { cause }) })
  await expect.poll(() => said.length).toBe(1)

  expect(said[0]).not.toContain('wonder')
  expect(JSON.parse(said[0]!)).toMatchObject({ request_id: 'x1', 'exception.type': 'Error', 'exception.message': 'outer' })
  expect(JSON.parse(said[0]!)['exception.causes']).toMatch(/^Error: connect to https:\/\/\[redacted\]@host failed/)
})

test('whatever is reported, nothing is thrown into an exchange', async () => {
  const { report, count } = reporting()
  const hostile = { type: 'exchange-end', entry: entry(), protocolVersion: '2025-11-25' } as const
  const broken = new Proxy(hostile.entry, {
    get: () => {
      throw new Error('no')
    },
  })

  expect(() => report({ ...hostile, entry: broken })).not.toThrow()
  expect(() => report({ type: 'nobody-knows' } as unknown as GatewayEvent)).not.toThrow()
  expect(() => report({ type: 'internal-error', error: Object.create(null) })).not.toThrow()
  expect(await count('tollgate_telemetry_failures_total')).toBe(2)
})

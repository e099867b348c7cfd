import { describe, expect, test } from 'vitest'
import { createMetrics, type MetricReadings, type MetricsOptions } from '../../../src/telemetry/metrics.ts'
import { entry } from '../metering/entry-fixture.ts'

const readings: MetricReadings = {
  generation: 3,
  inFlight: 1,
  sessions: 2,
  streams: 4,
  parked: 0,
  ledger: { writable: true, queuedBytes: 10, backlogBytes: 20, lagMs: 1_500, corruptLines: 0 },
  servers: [
    { id: 'notes', isUp: true, circuit: 'closed' },
    { id: 'github', isUp: false, circuit: 'open' },
  ],
}

function metrics(options: Partial<MetricsOptions> = {}) {
  return createMetrics({
    version: '1.2.3',
    maxSeries: 10_000,
    read: () => readings,
    transportOf: () => 'tcp',
    droppedLogLines: () => 0,
    ...options,
  })
}

async function linesOf(made: ReturnType<typeof metrics>): Promise<string[]> {
  return (await made.expose()).body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

test('the names of all metrics are these', async () => {
  const { contentType, body } = await metrics().expose()

  expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(body.match(/^# TYPE .*$/gm)?.map((line) => line.slice(7))).toEqual([
    'mcp_server_operation_duration_seconds histogram',
    'mcp_client_operation_duration_seconds histogram',
    'gen_ai_client_operation_duration_seconds histogram',
    'gen_ai_client_operation_time_to_first_chunk_seconds histogram',
    'tollgate_model_tokens_total counter',
    'tollgate_model_nano_usd_total counter',
    'tollgate_model_unpriced_total counter',
    'mcp_server_session_duration_seconds histogram',
    'tollgate_calls_total counter',
    'tollgate_decisions_total counter',
    'tollgate_limit_rejections_total counter',
    'tollgate_http_requests_total counter',
    'tollgate_auth_denied_total counter',
    'tollgate_config_reload_failures_total counter',
    'tollgate_definitions_dropped_total counter',
    'tollgate_definitions_changed_total counter',
    'tollgate_session_hijacks_total counter',
    'tollgate_internal_errors_total counter',
    'tollgate_telemetry_failures_total counter',
    'tollgate_build_info gauge',
    'tollgate_config_generation gauge',
    'tollgate_in_flight gauge',
    'tollgate_sessions gauge',
    'tollgate_streams gauge',
    'tollgate_parked_calls gauge',
    'tollgate_ledger_writable gauge',
    'tollgate_ledger_queue_bytes gauge',
    'tollgate_ledger_backlog_bytes gauge',
    'tollgate_ledger_lag_seconds gauge',
    'tollgate_ledger_corrupt_lines gauge',
    'tollgate_metric_sets_folded gauge',
    'tollgate_log_lines_dropped gauge',
    'tollgate_upstream_up gauge',
    'tollgate_upstream_circuit_state gauge',
    'process_cpu_seconds_total gauge',
    'process_resident_memory_bytes gauge',
    'process_start_time_seconds gauge',
    'nodejs_heap_size_used_bytes gauge',
    'nodejs_external_memory_bytes gauge',
    'tollgate_event_loop_delay_seconds gauge',
  ])
})

test('an exchange moves the MCP histograms under the labels dashboards expect, with the buckets of the conventions', async () => {
  const made = metrics()

  made.exchange(entry({ durationMs: 40, upstreamMs: 30 }), '2025-11-25')
  made.exchange(entry({ durationMs: 4_000, upstreamMs: 0, status: 'tool_error' }), '2025-11-25')
  const lines = await linesOf(made)

  const labels =
    'mcp_method_name="tools/call",gen_ai_tool_name="search_notes",error_type="",network_transport="tcp",mcp_protocol_version="2025-11-25"'
  expect(lines.filter((line) => line.includes(labels))).toEqual([
    ...['0.01', '0.02'].map((le) => `mcp_server_operation_duration_seconds_bucket{le="${le}",${labels}} 0`),
    ...['0.05', '0.1', '0.2', '0.5', '1', '2', '5', '10', '30', '60', '120', '300', '+Inf'].map(
      (le) => `mcp_server_operation_duration_seconds_bucket{le="${le}",${labels}} 1`,
    ),
    `mcp_server_operation_duration_seconds_sum{${labels}} 0.04`,
    `mcp_server_operation_duration_seconds_count{${labels}} 1`,
  ])
  expect(lines.filter((line) => line.includes('error_type="tool_error"') && line.includes('_count'))).toHaveLength(1)
  expect(lines).toContain(
    'mcp_client_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="search",error_type="",network_transport="tcp",mcp_protocol_version="",server="notes"} 1',
  )
  expect(lines).toContain('tollgate_calls_total{catalog="research",server="notes",team="research",status="ok"} 1')
  expect(lines).toContain('tollgate_decisions_total{decision="allow",reason="allowed"} 2')
})

test('readings are taken when somebody scrapes', async () => {
  const lines = await linesOf(metrics())

  expect(lines).toEqual(
    expect.arrayContaining([
      `tollgate_build_info{version="1.2.3",node="${process.version}"} 1`,
      'tollgate_config_generation 3',
      'tollgate_ledger_lag_seconds 1.5',
      'tollgate_upstream_up{server="github"} 0',
      'tollgate_upstream_circuit_state{server="github"} 2',
      'tollgate_config_reload_failures_total 0',
    ]),
  )
})

describe('callers cannot make series', () => {
  test('names of tools that do not exist share one', async () => {
    const made = metrics()
    for (let number = 0; number < 100; number += 1)
      made.exchange(
        entry({ server: null, upstreamTarget: null, target: `invented-${number}`, status: 'denied', error: 'unknown-target' }),
      )

    const lines = await linesOf(made)
    expect(lines.some((line) => line.includes('invented'))).toBe(false)
    expect(lines.find((line) => line.startsWith('mcp_server_operation_duration_seconds_count'))).toMatch(
      /gen_ai_tool_name="unknown".* 100$/,
    )
  })

  test('past the cap new label sets are counted under other, and nothing is lost from the sums', async () => {
    const made = metrics({ maxSeries: 100 })
    for (let number = 0; number < 5_000; number += 1) made.exchange(entry({ target: `tool-${number}`, team: `team-${number}` }))

    const lines = (await linesOf(made)).filter((line) => !/^(process|nodejs|tollgate_event)/.test(line))
    expect(lines.length).toBeLessThan(220)
    const calls = lines.filter((line) => line.startsWith('tollgate_calls_total'))
    expect(calls.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)).toBe(5_000)
    expect(calls.some((line) => line.includes('team="other"'))).toBe(true)
    expect(Number(lines.find((line) => line.startsWith('tollgate_metric_sets_folded'))?.split(' ')[1])).toBeGreaterThan(4_000)
  })

  test('a user, an agent or a session is never a label', async () => {
    const made = metrics()
    made.exchange(entry({ user: 'user-x', agent: 'agent-x', session: 'session-x', subject: 'subject-x', id: 'id-x' }))

    expect((await made.expose()).body).not.toMatch(/(user|agent|session|subject|id)-x/)
  })

  test('quotes, line breaks and invisible characters in a label stay inside it', async () => {
    const made = metrics()
    made.exchange(entry({ team: 'a"} 1\nevil_total 5\u202E' }))

    const lines = await linesOf(made)
    expect(lines.filter((line) => line.startsWith('evil'))).toEqual([])
    expect(lines.some((line) => line.includes('\u202E'))).toBe(false)
  })
})

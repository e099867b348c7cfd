import { expect, test } from 'vitest'
import type { TargetReading } from '../../../src/admin/targets.ts'
import { sumMetrics } from '../../../src/workers/metrics-sum.ts'
import { sumTargets } from '../../../src/workers/targets-sum.ts'

const page = (calls: number, inFlight: number, writable: number) => `# HELP tollgate_calls_total Calls.
# TYPE tollgate_calls_total counter
tollgate_calls_total{team="a b",status="ok"} ${calls}

# HELP seconds Time.
# TYPE seconds histogram
seconds_bucket{le="0.1"} ${calls}
seconds_sum 0.5
seconds_count ${calls}

# HELP tollgate_in_flight Now.
# TYPE tollgate_in_flight gauge
tollgate_in_flight ${inFlight}

# HELP tollgate_ledger_writable Writable.
# TYPE tollgate_ledger_writable gauge
tollgate_ledger_writable ${writable}
`

test('counters and histograms are added, and of gauges only those of what is under way', () => {
  const other = `${page(3, 2, 0)}\n# HELP only_here Here.\n# TYPE only_here counter\nonly_here 4\n`

  const lines = sumMetrics(page(2, 1, 1), [other]).split('\n')

  expect(lines).toContain('tollgate_calls_total{team="a b",status="ok"} 5')
  expect(lines).toContain('seconds_bucket{le="0.1"} 5')
  expect(lines).toContain('seconds_sum 1')
  expect(lines).toContain('tollgate_in_flight 3')
  expect(lines).toContain('tollgate_ledger_writable 1')
  expect(lines).toContain('only_here 4')
})

test('a page that is alone stays as it is', () => {
  expect(sumMetrics(page(2, 1, 1), [])).toBe(page(2, 1, 1))
})

test('of a target the worst breaker is shown, and its counts are added', () => {
  const target: TargetReading = {
    key: 'openai/x',
    routes: ['small'],
    enabled: true,
    circuit: 'closed',
    retryInSeconds: 0,
    inFlight: 1,
    requests: 10,
    failures: 0,
    firstTokenMs: 20,
  }
  const broken: TargetReading = { ...target, circuit: 'open', retryInSeconds: 5, reason: 'out', failures: 6, firstTokenMs: 80 }

  const sums = sumTargets([[target], [broken, { ...target, key: 'openai/y' }]])

  expect(sums).toEqual([
    { ...target, circuit: 'open', retryInSeconds: 5, reason: 'out', inFlight: 2, requests: 20, failures: 6, firstTokenMs: 80 },
    { ...target, key: 'openai/y' },
  ])
})

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Family, Gauge } from './series.ts'

/** Figures of this process under their usual Prometheus names, read when somebody scrapes. The event loop is watched from now on. */
export function processGauges(): Family[] {
  // Every 20 ms: precise enough for percentiles, and cheap.
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  const started = Date.now() / 1_000 - process.uptime()
  const gauge = (name: string, help: string, read: () => number) => new Gauge({ name, help, labels: [] }, () => [[[], read()]])
  return [
    gauge('process_cpu_seconds_total', 'Processor time of the process.', () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1_000_000
    }),
    gauge('process_resident_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss()),
    gauge('process_start_time_seconds', 'When the process started, in seconds since the epoch.', () => started),
    gauge('nodejs_heap_size_used_bytes', 'Used heap of the main thread.', () => process.memoryUsage().heapUsed),
    gauge('nodejs_external_memory_bytes', 'Memory of buffers and other external objects.', () => process.memoryUsage().external),
    new Gauge(
      { name: 'tollgate_event_loop_delay_seconds', help: 'Delay of the event loop since the last scrape.', labels: ['quantile'] },
      () => {
        const values = [50, 99, 100].map((percent) => [[String(percent / 100)], seconds(delay.percentile(percent))] as const)
        delay.reset()
        return values
      },
    ),
  ]
}

/** Nanoseconds over the sampling interval as seconds; without a sample there was no delay. */
function seconds(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - 0.02) : 0
}

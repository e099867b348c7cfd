// What must hold after any attack. `watch` takes the figures of a quiet gateway, `check` compares: a violation is a sentence, and a good
// attack has none. Memory and the like may take a moment to come back, so those are asked again until they do or the time is over.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { GatewayProcess } from '../support/gateway-process.ts'
import { askAdmin, readMetrics } from './admin-side.ts'
import { collectGarbage } from './inspector.ts'
import { checkLedger } from './ledger-check.ts'
import type { Probe } from './probe.ts'
import { readFigures, type ProcessFigures } from './process-figures.ts'

/** What is watched. */
export interface Watched {
  /** Started with INSPECTABLE. */
  readonly gateway: GatewayProcess
  readonly state: string
  /** A token for the admin API. */
  readonly adminToken: string
  readonly probe: Probe
  /** Secrets that must not be anywhere. */
  readonly canaries: readonly string[]
  /** What callers were answered, as far as the attack kept it. */
  heard(): string
}

/** How near to its beginning a gateway must come back. */
export interface Slack {
  readonly residentBytes: number
  readonly heapBytes: number
  readonly descriptors: number
  readonly withinMs: number
}

/** Figures before an attack, and the question after it. */
export interface Watch {
  /** What does not hold, in words. */
  check(slack?: Partial<Slack>): Promise<readonly string[]>
}

const SLACK: Slack = { residentBytes: 67_108_864, heapBytes: 8_388_608, descriptors: 6, withinMs: 10_000 }
const GAUGES = ['tollgate_in_flight', 'tollgate_sessions', 'tollgate_streams', 'tollgate_parked_calls'] as const
const COUNTERS = ['tollgate_internal_errors_total', 'tollgate_telemetry_failures_total', 'tollgate_ledger_corrupt_lines'] as const
const HEAP = 'nodejs_heap_size_used_bytes'

interface Figures {
  readonly process: ProcessFigures
  readonly metrics: ReadonlyMap<string, number>
}

/** Takes the figures of a quiet gateway. */
export async function watch(watched: Watched): Promise<Watch> {
  const noticed = watched.probe.report().failures.length
  const before = await readAll(watched)
  return {
    async check(over = {}) {
      const slack = { ...SLACK, ...over }
      await watched.probe.rounds(2)
      const settled = await settle(watched, before, slack)
      return [
        ...settled,
        ...(await checkHealth(watched)),
        ...watched.probe
          .report()
          .failures.slice(noticed)
          .map((failure) => `the probe noticed: ${failure}`),
        ...(await checkLedger({ ...adminOf(watched), state: watched.state }, watched.probe.report().answered)),
        ...(await checkCanaries(watched)),
      ]
    },
  }
}

function adminOf({ gateway, adminToken }: Watched): { adminUrl: string; token: string } {
  return { adminUrl: gateway.adminUrl, token: adminToken }
}

async function readAll(watched: Watched): Promise<Figures> {
  await collectGarbage(watched.gateway)
  return { metrics: await readMetrics(adminOf(watched)), process: readFigures(watched.gateway.child.pid ?? 0) }
}

/** Asks until everything is back, and tells what is not when the time is over. */
async function settle(watched: Watched, before: Figures, slack: Slack): Promise<string[]> {
  const { child, output } = watched.gateway
  const deadline = performance.now() + slack.withinMs
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      return [`the gateway ended with ${child.exitCode ?? child.signalCode}: ${output().slice(-2_000)}`]
    const wrong = compare(before, await readAll(watched), slack)
    if (wrong.length === 0 || performance.now() > deadline) return wrong
    await wait(200)
  }
}

function compare(before: Figures, after: Figures, slack: Slack): string[] {
  const value = ({ metrics }: Figures, name: string): number => metrics.get(name) ?? 0
  const grown = (name: string, from: number, to: number, allowed: number): string[] =>
    to - from <= allowed ? [] : [`${name} went from ${from} to ${to}`]
  return [
    ...(before.process.startedAt === after.process.startedAt ? [] : ['it is another process']),
    ...grown('resident memory', before.process.residentBytes, after.process.residentBytes, slack.residentBytes),
    ...grown('the heap', value(before, HEAP), value(after, HEAP), slack.heapBytes),
    ...grown('open descriptors', before.process.descriptors, after.process.descriptors, slack.descriptors),
    ...grown('children', before.process.descendants.length, after.process.descendants.length, 0),
    ...after.process.zombies.map((pid) => `child ${pid} is a zombie`),
    // The probe may be in the middle of a call at either moment.
    ...GAUGES.flatMap((name) => grown(name, value(before, name), value(after, name), name === 'tollgate_in_flight' ? 1 : 0)),
    ...COUNTERS.flatMap((name) => grown(name, value(before, name), value(after, name), 0)),
    ...(value(after, 'tollgate_ledger_writable') === 1 ? [] : ['the ledger is not writable']),
  ]
}

async function checkHealth({ gateway }: Watched): Promise<string[]> {
  const began = performance.now()
  const { status } = await fetch(`${gateway.healthUrl}/readyz`)
  const ms = performance.now() - began
  return [...(status === 200 ? [] : [`/readyz answers ${status}`]), ...(ms < 3_000 ? [] : [`/readyz took ${Math.round(ms)} ms`])]
}

/** Whatever can be read by somebody else than the owner of the secrets. */
async function checkCanaries(watched: Watched): Promise<string[]> {
  const { gateway, state, canaries, heard } = watched
  const admin = adminOf(watched)
  const asked = [
    '/admin/v1/status',
    '/admin/v1/entries?limit=10000',
    '/admin/v1/usage?by=target',
    '/admin/v1/targets',
    '/metrics',
  ]
  const sinks: [string, string][] = [
    ['the output', gateway.output()],
    ['answers to callers', heard()],
    ...(await Promise.all(asked.map(async (path): Promise<[string, string]> => [path, await askAdmin(admin, path)]))),
    ...readdirSync(join(state, 'ledger'), { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file): [string, string] => [file.name, readFileSync(join(file.parentPath, file.name), 'latin1')]),
  ]
  return sinks.flatMap(([name, text]) =>
    canaries.flatMap((canary, index) => (text.includes(canary) ? [`canary ${index} is in ${name}`] : [])),
  )
}

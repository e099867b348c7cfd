import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'

/** How one check of a scenario ended. */
export type Status = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'

/** One check as the suite writes it; the suite may add fields. */
export type Check = { readonly id: string; readonly status: Status; readonly errorMessage?: string }

/** The checks of a run by scenario. */
export type Scenarios = ReadonlyMap<string, readonly Check[]>

/** One check id of one scenario that ended differently through the gateway than directly. */
export type Difference = { readonly scenario: string; readonly check: string; readonly direct: string; readonly through: string }

const CHECKS_FILE = 'checks.json'
const TIMESTAMP = /-\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}-\d{3}Z$/
// Traffic records and remarks are INFO; they differ from run to run and decide nothing.
const DECISIVE: readonly Status[] = ['SUCCESS', 'FAILURE', 'WARNING']

/** Reads what the suite wrote below a folder: one folder per scenario, named after it and the time. */
export async function loadScenarios(folder: string): Promise<Scenarios> {
  const entries = await readdir(folder, { recursive: true })
  const found = new Map<string, readonly Check[]>()
  for (const entry of entries.filter((name) => name.endsWith(CHECKS_FILE)).toSorted()) {
    const file = join(folder, entry)
    const checks: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (!Array.isArray(checks)) throw new Error(`${file} holds no list of checks`)
    found.set(scenarioOf(relative(folder, dirname(file))), checks.filter(isCheck))
  }
  return found
}

/** Counts the checks that ended in one way. */
export function count(scenarios: Scenarios, status: Status): number {
  return Array.from(scenarios.values()).reduce((sum, checks) => sum + checks.filter((check) => check.status === status).length, 0)
}

/** Says what differs per scenario and per check id; an empty list means the gateway is invisible to the suite. */
export function compare(direct: Scenarios, through: Scenarios): readonly Difference[] {
  const scenarios = new Set([...direct.keys(), ...through.keys()])
  return Array.from(scenarios)
    .toSorted()
    .flatMap((scenario) => {
      const before = tally(direct.get(scenario))
      const after = tally(through.get(scenario))
      return Array.from(new Set([...before.keys(), ...after.keys()]))
        .map((check) => ({ scenario, check, direct: before.get(check) ?? 'absent', through: after.get(check) ?? 'absent' }))
        .filter((one) => one.direct !== one.through)
    })
}

/** Names the checks that failed, with the reason the suite gives. */
export function failures(scenarios: Scenarios): readonly string[] {
  return Array.from(scenarios).flatMap(([scenario, checks]) =>
    checks
      .filter((check) => check.status === 'FAILURE')
      .map((check) => `${scenario}: ${check.id}: ${(check.errorMessage ?? 'no reason given').slice(0, 300)}`),
  )
}

/** How often each check id ended in which way, as text that can be compared and shown. */
function tally(checks: readonly Check[] = []): ReadonlyMap<string, string> {
  const byCheck = new Map<string, Map<Status, number>>()
  for (const { id, status } of checks) {
    if (!DECISIVE.includes(status)) continue
    const counts = byCheck.get(id) ?? new Map<Status, number>()
    byCheck.set(id, counts.set(status, (counts.get(status) ?? 0) + 1))
  }
  return new Map(
    Array.from(byCheck, ([id, counts]) => [
      id,
      DECISIVE.filter((status) => counts.has(status))
        .map((status) => `${status} x${counts.get(status)}`)
        .join(', '),
    ]),
  )
}

function scenarioOf(folder: string): string {
  return folder
    .split(sep)
    .join('/')
    .replace(TIMESTAMP, '')
    .replace(/^server-(?=.)/, '')
}

function isCheck(value: unknown): value is Check {
  return typeof value === 'object' && value !== null && 'id' in value && 'status' in value
}

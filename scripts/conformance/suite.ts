import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runNode, type Finished } from './child.ts'
import { count, failures, loadScenarios, type Scenarios } from './results.ts'

/** The revisions the suite can speak; each has its own wire. */
export type Revision = '2025-11-25' | '2026-07-28'

/** One run of the suite: what it counted, and every check by scenario. */
export type Run = {
  readonly name: string
  readonly passed: number
  readonly failed: number
  readonly ok: boolean
  readonly scenarios: Scenarios
  readonly remarks: readonly string[]
}

/** Both revisions, in the order the runs are printed. */
export const REVISIONS: readonly Revision[] = ['2025-11-25', '2026-07-28']

// What a server that passes every check reaches with `--suite all`.
const FULL_MARKS: Readonly<Record<Revision, number>> = { '2025-11-25': 84, '2026-07-28': 152 }

// What the official SDK client reaches in the client suite; ours may not be worse.
const CLIENT_MARKS = { atLeastPassed: 473, atMostFailed: 9 } as const

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SUITE = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'))
const RESULTS = join(ROOT, '.conformance')
const SERVER_RUN_MS = 5 * 60_000
const CLIENT_RUN_MS = 10 * 60_000
// All client scenarios start at once, so each must wait for its turn on a small machine.
const CLIENT_SCENARIO_MS = 4 * 60_000
const TOTAL = /^Total: (\d+) passed, (\d+) failed/m

/** Runs every server scenario of a revision; it is good when nothing failed and nothing is missing. */
export async function runServerSuite(name: string, url: string, specVersion: Revision): Promise<Run> {
  const args = ['server', '--url', url, '--suite', 'all', '--spec-version', specVersion]
  const run = await runSuite(name, args, SERVER_RUN_MS)
  return { ...run, ok: run.ok && run.failed === 0 && run.passed === FULL_MARKS[specVersion] }
}

/** Runs the frozen set of scenarios a revision requires; the suite itself decides which of them are scored. */
export async function runRequirements(name: string, url: string, revision: Revision): Promise<Run> {
  return runSuite(name, ['server', '--url', url, '--requirements', revision], SERVER_RUN_MS)
}

/** Runs every client scenario against a command, which gets the URL as its last argument. */
export async function runClientSuite(name: string, command: string): Promise<Run> {
  const args = ['client', '--command', command, '--suite', 'all', '--timeout', String(CLIENT_SCENARIO_MS)]
  const run = await runSuite(name, args, CLIENT_RUN_MS)
  return { ...run, ok: run.passed >= CLIENT_MARKS.atLeastPassed && run.failed <= CLIENT_MARKS.atMostFailed }
}

async function runSuite(name: string, args: readonly string[], timeoutMs: number): Promise<Run> {
  const folder = join(RESULTS, name.replaceAll(/[^a-z0-9.-]+/gi, '-'))
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const finished = await runNode([SUITE, ...args, '-o', folder], timeoutMs)
  const scenarios = await loadScenarios(folder)
  const total = TOTAL.exec(finished.stdout)
  const passed = Number(total?.[1] ?? count(scenarios, 'SUCCESS'))
  const failed = Number(total?.[2] ?? count(scenarios, 'FAILURE'))
  const ended = total !== null && !finished.timedOut
  return { name, passed, failed, ok: ended && finished.code === 0, scenarios, remarks: remarksOf(finished, ended, scenarios) }
}

function remarksOf(finished: Finished, ended: boolean, scenarios: Scenarios): readonly string[] {
  const remarks = failures(scenarios)
  if (ended) return remarks
  const reason = finished.timedOut ? 'the suite did not end in time' : `the suite ended with code ${finished.code} and no total`
  return [`${reason}: ${finished.stderr.slice(-500)}`, ...remarks]
}

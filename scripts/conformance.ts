// Runs the MCP conformance suite: against the "everything" fixture directly, through the gateway, and against our upstream connector.
// All legs run unless some are named: node scripts/conformance.ts --leg direct --leg requirements
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { startServer, type RunningServer } from './conformance/child.ts'
import { startGateway } from './conformance/gateway.ts'
import { compare } from './conformance/results.ts'
import { REVISIONS, runClientSuite, runRequirements, runServerSuite, type Revision, type Run } from './conformance/suite.ts'

const LEGS = ['direct', 'gateway', 'requirements', 'client'] as const
type Leg = (typeof LEGS)[number]

const FIXTURE = fileURLToPath(new URL('../test/fixtures/everything/main.ts', import.meta.url))
const CLIENT = fileURLToPath(new URL('./conformance/client.ts', import.meta.url))
const START_MS = 20_000
const SHOWN_REMARKS = 40

const { values } = parseArgs({
  options: {
    leg: { type: 'string', multiple: true, default: [...LEGS] },
    client: { type: 'string', default: `${process.execPath} ${CLIENT}` },
  },
})
const unknown = values.leg.filter((leg) => !LEGS.some((known) => known === leg))

if (unknown.length > 0) {
  say(`unknown leg "${unknown.join(', ')}"; known: ${LEGS.join(', ')}`)
  process.exitCode = 2
} else {
  const runs = await runLegs(new Set(LEGS.filter((leg) => values.leg.includes(leg))), values.client)
  const failed = runs.filter((run) => !run.ok).length
  say(`${runs.length - failed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

async function runLegs(legs: ReadonlySet<Leg>, client: string): Promise<readonly Run[]> {
  const runs: Run[] = []
  const report = (run: Run): Run => {
    runs.push(show(run))
    return run
  }

  if (legs.has('direct') || legs.has('gateway') || legs.has('requirements')) {
    const fixture = await startServer([FIXTURE, '--port', '0'], /(http:\S+)/, START_MS)
    try {
      await runServerLegs(legs, fixture, report)
    } finally {
      await fixture.close()
    }
  }
  if (legs.has('client')) report(await runClientSuite('client', client))
  return runs
}

async function runServerLegs(legs: ReadonlySet<Leg>, fixture: RunningServer, report: (run: Run) => Run): Promise<void> {
  const direct = new Map<Revision, Run>()
  for (const revision of REVISIONS) {
    direct.set(revision, report(await runServerSuite(`direct ${revision}`, fixture.url, revision)))
  }
  if (legs.has('requirements')) await runFrozen('direct', fixture.url, report)
  if (!legs.has('gateway')) return

  const gateway = await tryGateway(fixture.url, report)
  if (gateway === undefined) return
  try {
    for (const revision of REVISIONS) {
      const through = await runServerSuite(`gateway ${revision}`, gateway.url, revision)
      report(withDifferences(through, direct.get(revision)))
    }
    if (legs.has('requirements')) await runFrozen('gateway', gateway.url, report)
  } finally {
    await gateway.close()
  }
}

async function runFrozen(name: string, url: string, report: (run: Run) => Run): Promise<void> {
  for (const revision of REVISIONS) report(await runRequirements(`${name} requirements ${revision}`, url, revision))
}

async function tryGateway(upstreamUrl: string, report: (run: Run) => Run): Promise<RunningServer | undefined> {
  try {
    return await startGateway(upstreamUrl)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    report({ name: 'gateway', passed: 0, failed: 0, ok: false, scenarios: new Map(), remarks: [`it did not start: ${reason}`] })
    return undefined
  }
}

/** Through the gateway every check must end as it ends directly, not only as many of them. */
function withDifferences(through: Run, direct: Run | undefined): Run {
  const differences = compare(direct?.scenarios ?? new Map(), through.scenarios)
  const remarks = differences.map((one) => `${one.scenario}: ${one.check}: direct ${one.direct}, through ${one.through}`)
  return { ...through, ok: through.ok && differences.length === 0, remarks: [...through.remarks, ...remarks] }
}

function show(run: Run): Run {
  say(`${run.ok ? 'ok  ' : 'FAIL'} ${run.name}: ${run.passed} passed, ${run.failed} failed`)
  if (!run.ok) for (const remark of run.remarks.slice(0, SHOWN_REMARKS)) say(`       ${remark}`)
  return run
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

import { readConfig } from '../catalog/read.ts'
import { describe } from './bridge/flight.ts'
import { openAdminClient, type AdminClient } from './admin-client.ts'
import { checkChallenge, checkClock, checkIssuer, checkProbe, checkResourceMetadata, type Finding } from './doctor-checks.ts'
import { mcpUrl } from './connect.ts'
import { configPath, readGatewayFile, type GatewayFile } from './gateway-file.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'

/** Options of `tollgate doctor`. */
export interface DoctorOptions {
  /** Public URL of a gateway elsewhere: only what a client can see is checked. */
  readonly url?: string
  readonly json?: boolean
  readonly config?: string
}

/** `tollgate doctor`: one line per check, with the fix. Exit 1 when one failed. */
export async function doctor(options: DoctorOptions, io: CliIo, lent: Pick<Lent, 'development' | 'prove'>): Promise<number> {
  const findings: Finding[] = []
  const show = (finding: Finding): void => {
    findings.push(finding)
    if (options.json !== true) io.out(renderFinding(finding))
  }
  show(checkNode(process.versions.node))
  if (options.url === undefined) await checkLocal(options, io, lent, show)
  else for (const finding of await checkPublic(new URL(options.url).origin, io, true)) show(finding)
  if (options.json === true) io.out(`${JSON.stringify(findings, null, 2)}\n`)
  return findings.some(({ outcome }) => outcome === 'fail') ? EXIT.failure : EXIT.ok
}

/** One line for a finding, and one for its fix. */
function renderFinding({ outcome, check, message, fix }: Finding): string {
  return `${outcome.padEnd(4)}  ${check.padEnd(10)}  ${message}\n${fix === undefined ? '' : `      fix: ${fix}\n`}`
}

/** Tells whether this Node runs Tollgate. */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNewEnough = major > 24 || (major === 24 && minor >= 15)
  if (isNewEnough) return { check: 'node', outcome: 'ok', message: `v${version}` }
  return {
    check: 'node',
    outcome: 'fail',
    message: `v${version} is older than 24.15`,
    fix: 'start by "npm start" or bin/tollgate.mjs, which find the pinned Node, or install Node 24',
  }
}

async function checkLocal(
  options: DoctorOptions,
  io: CliIo,
  lent: Pick<Lent, 'development' | 'prove'>,
  show: (finding: Finding) => void,
): Promise<void> {
  const path = configPath(options.config, io)
  const file = await readFile(path, io)
  if ('check' in file) return show(file)
  show(await checkFiles(file, io, lent))
  const live = await checkProbe('alive', new URL(`${file.healthUrl}/livez`), io.signal)
  show(live)
  for (const issuer of file.gateway.identity.issuers) show(await checkIssuer(issuer, io))
  if (live.outcome === 'fail') return
  show(await checkProbe('ready', new URL(`${file.healthUrl}/readyz`), io.signal))
  for (const finding of await checkPublic(file.publicUrl, io, file.gateway.identity.anonymous === undefined)) show(finding)
  for (const finding of await checkServers(options, io, lent)) show(finding)
}

/** All files together: what "tollgate validate" would find. */
async function checkFiles({ path, gateway }: GatewayFile, io: CliIo, lent: Pick<Lent, 'prove'>): Promise<Finding> {
  const { problems, servers, catalogs } = await lent.prove(await readConfig(path, io.env))
  const check = 'config'
  const [first] = problems
  if (first === undefined)
    return { check, outcome: 'ok', message: `${path}: mode ${gateway.mode}, ${servers.size} servers, ${catalogs.size} catalogs` }
  const place = `${first.file}:${first.line}:${first.column}: ${first.message}`
  return {
    check,
    outcome: 'fail',
    message: `${problems.length} problem${problems.length === 1 ? '' : 's'}; the first is ${place}`,
    fix: 'run "tollgate validate"',
  }
}

async function readFile(path: string, io: CliIo): Promise<GatewayFile | Finding> {
  try {
    return await readGatewayFile(path, io)
  } catch (error) {
    return { check: 'config', outcome: 'fail', message: describe(error).split('\n')[0] ?? '', fix: 'run "tollgate validate"' }
  }
}

/** What any client sees: the door, the challenge, the metadata it points to, the clock. */
async function checkPublic(publicUrl: string, io: CliIo, wantsChallenge: boolean): Promise<Finding[]> {
  const endpoint = mcpUrl(publicUrl, undefined)
  const { finding, answer } = await checkChallenge(endpoint, io.signal, wantsChallenge)
  if (answer === undefined) return [finding]
  const clock = checkClock(answer.headers.date, io.now())
  return wantsChallenge ? [finding, await checkResourceMetadata(endpoint, io.signal), clock] : [finding, clock]
}

/** The state of every upstream server, from the admin API. */
async function checkServers(options: DoctorOptions, io: CliIo, lent: Pick<Lent, 'development'>): Promise<Finding[]> {
  let client: AdminClient | undefined
  try {
    client = await openAdminClient(options, io, lent)
    const { status, body } = await client.get('/admin/v1/status')
    if (status !== 200) throw new Error(`/admin/v1/status answers HTTP ${status}`)
    return readServers(JSON.parse(body)).map(serverFinding)
  } catch (error) {
    return [
      {
        check: 'servers',
        outcome: 'warn',
        message: describe(error),
        fix: 'see that the admin listener is reachable and TOLLGATE_ADMIN_TOKEN is set',
      },
    ]
  }
}

interface ServerFacts {
  readonly id: string
  readonly state: string
  readonly reason?: string
}

function serverFinding({ id, state, reason }: ServerFacts): Finding {
  const message = `${id} is ${state}${reason === undefined ? '' : `: ${reason}`}`
  if (state === 'ready' || state === 'disabled') return { check: 'server', outcome: 'ok', message }
  if (state === 'starting') return { check: 'server', outcome: 'warn', message, fix: 'ask again in a moment' }
  const fix =
    state === 'quarantined'
      ? `mend servers/${id}.json; "tollgate validate" says where`
      : `see that the server runs and that servers/${id}.json names it rightly`
  return { check: 'server', outcome: 'fail', message, fix }
}

/** Reads the servers out of the answer of `GET /admin/v1/status`. */
function readServers(value: unknown): ServerFacts[] {
  const list = isObject(value) ? value['servers'] : undefined
  if (!Array.isArray(list)) throw new Error('/admin/v1/status names no servers')
  return list.filter(isObject).map(({ id, state, reason }) => ({
    id: String(id),
    state: String(state),
    ...(typeof reason === 'string' ? { reason } : {}),
  }))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

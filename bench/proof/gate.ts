import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pickPort } from './ports.ts'
import type { BackEnd } from './back-end.ts'
import type { Context } from './figure.ts'
import { createIssuer, type Bearer } from './issuer.ts'
import { gatewayOf } from './procfs.ts'
import { adopt, endProcess } from './adopted.ts'

/** The folder of a gateway under proof, and how to start it. */
export interface Site {
  readonly folder: string
  readonly url: string
  readonly adminUrl: string
  readonly healthUrl: string
  readonly port: number
  /** Writes a file of the admin; values become JSON. */
  write(path: string, value: unknown): void
  token(bearer: Bearer): Promise<string>
  /** Starts the gateway; resolves when it is ready. */
  start(options?: StartOptions): Promise<Gate>
}

/** How the program is started. */
export interface StartOptions {
  /** A program that runs it, with arguments: `taskset -c 0`. */
  readonly prefix?: readonly string[]
  /** Options of Node. */
  readonly node?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly patienceMs?: number
}

/** A running gateway. */
export interface Gate extends AsyncDisposable {
  readonly child: ChildProcess
  readonly pid: number
  /** Milliseconds from its start until readiness said yes. */
  readonly readyMs: number
  /** Processes of the gateway itself. */
  pids(): readonly number[]
  isRunning(): boolean
  /** What it wrote to its two outputs so far, over all starts of this site. */
  output(): string
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** What stands in the files of a site. */
export interface SitePlan {
  readonly backEnd?: BackEnd
  /** Laid over `tollgate.json`. */
  readonly file?: Readonly<Record<string, unknown>>
  /** Further files by path. */
  readonly files?: Readonly<Record<string, unknown>>
  /** A catalog each, with the tools and the model of the back end. */
  readonly teams?: readonly string[]
  /** Laid over each catalog. */
  readonly catalog?: Readonly<Record<string, unknown>>
}

/** Enough for one address to bring the load of many; every check still runs. */
export const ROOMY = {
  sessionsPerPrincipal: 20_000,
  sessions: 100_000,
  connections: 100_000,
  connectionsPerAddress: 100_000,
  inFlight: 2_000,
}
const GENEROUS = { callsPerMinute: 1_000_000, concurrent: 50_000, tokensPerMinute: 1_000_000_000 }
const PATIENCE_MS = 30_000
const POLL_MS = 5
const ANSWER_MS = 1_000
const END_MS = 45_000

/** Writes the files of a gateway before a back end: an issuer, a catalog per team, limits that nobody meets. */
export async function createSite({ folder, program }: Pick<Context, 'folder' | 'program'>, plan: SitePlan): Promise<Site> {
  const [port, admin, health] = [await pickPort(), await pickPort(), await pickPort()]
  const issuer = await createIssuer()
  const write = (path: string, value: unknown): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), typeof value === 'string' ? value : JSON.stringify(value, undefined, 2))
  }
  const { backEnd, teams = ['proof'] } = plan
  const models = {
    providers: { main: { type: 'openai_compatible', baseUrl: backEnd?.modelUrl } },
    routes: { chat: { targets: [{ provider: 'main', model: 'chat' }] } },
  }
  write('tollgate.json', {
    data: { port },
    admin: { port: admin },
    health: { port: health },
    identity: { issuers: [issuer.file] },
    bounds: ROOMY,
    ...(backEnd === undefined ? {} : models),
    ...plan.file,
  })
  if (backEnd !== undefined)
    write('servers/back.json', { type: 'http', url: backEnd.mcpUrl, concurrency: { max: 10_000, queue: 10_000 } })
  for (const team of teams) {
    const offers = backEnd === undefined ? {} : { tools: [{ server: 'back', allow: ['*'] }], models: [{ route: 'chat' }] }
    write(`catalogs/${team}.json`, { title: team, for: { teams: [team] }, ...offers, limits: GENEROUS, ...plan.catalog })
  }
  for (const [path, value] of Object.entries(plan.files ?? {})) write(path, value)
  const site: Site = {
    folder,
    url: `http://127.0.0.1:${port}`,
    adminUrl: `http://127.0.0.1:${admin}`,
    healthUrl: `http://127.0.0.1:${health}`,
    port,
    write,
    token: issuer.token,
    start: (options = {}) => start(site, program, options),
  }
  return site
}

async function start(
  site: Site,
  program: string,
  { prefix = [], node = [], env = {}, patienceMs = PATIENCE_MS }: StartOptions,
): Promise<Gate> {
  const log = join(site.folder, 'output.log')
  const descriptor = openSync(log, 'a')
  const [command, ...args] = [
    ...prefix,
    process.execPath,
    ...node,
    program,
    'start',
    '--config',
    join(site.folder, 'tollgate.json'),
  ]
  const begun = performance.now()
  const child = adopt(
    spawn(command, args, { cwd: site.folder, stdio: ['ignore', descriptor, descriptor], env: { ...process.env, ...env } }),
  )
  closeSync(descriptor)
  const output = (): string => readFileSync(log, 'utf8')
  while (!(await isReady(site.healthUrl))) {
    if (child.exitCode === null && child.signalCode === null && performance.now() - begun < patienceMs) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      continue
    }
    child.kill('SIGKILL')
    throw new Error(`the gateway did not become ready: ${output().slice(-2_000)}`)
  }
  const pid = child.pid ?? 0
  return {
    child,
    pid,
    readyMs: performance.now() - begun,
    pids: () => gatewayOf(pid),
    isRunning: () => child.exitCode === null && child.signalCode === null,
    output,
    end: (signal) => endProcess(child, signal, END_MS),
    async [Symbol.asyncDispose]() {
      await endProcess(child, 'SIGTERM', END_MS)
    },
  }
}

/** Whether the gateway says that it is ready; degraded is ready too. */
export async function isReady(healthUrl: string): Promise<boolean> {
  try {
    const answer = await fetch(`${healthUrl}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) })
    await answer.text()
    return answer.status === 200
  } catch (error) {
    // Nobody listens yet, or does not answer.
    if (error instanceof Error && (error instanceof TypeError || error.name === 'TimeoutError')) return false
    throw error
  }
}

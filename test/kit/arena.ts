// A gateway as its own process, the probe tenant beside it, and whatever a test lets loose on it. `attack` runs something between two looks
// at the invariants.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gatewayFile } from '../support/gateway.ts'
import { developmentToken, startGatewayProcess, writeFiles, type GatewayProcess } from '../support/gateway-process.ts'
import { modernRequest, type RawAnswer } from '../support/raw-mcp.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import type { AdminSide } from './admin-side.ts'
import { INSPECTABLE } from './inspector.ts'
import { watch, type Slack } from './invariants.ts'
import { startProbe, startProbeSide } from './probe.ts'

/** Parts of the admin's files to lay beside the probe's. */
export interface ArenaOptions {
  /** `servers/<id>.json`; all their tools are granted to the team `arena`. */
  readonly servers?: Readonly<Record<string, unknown>>
  readonly providers?: Readonly<Record<string, unknown>>
  /** Routes, granted to the team `arena`. */
  readonly routes?: Readonly<Record<string, unknown>>
  /** Members of `tollgate.json` to lay over the usual ones. */
  readonly file?: Readonly<Record<string, unknown>>
  /** Further files, as text. */
  readonly files?: Readonly<Record<string, string>>
  /** Secrets that must not show up anywhere. */
  readonly canaries?: readonly string[]
}

/** A gateway under attack. */
export interface Arena extends AsyncDisposable {
  readonly gateway: GatewayProcess
  readonly folder: string
  readonly admin: AdminSide
  /** The token of the caller from team `arena`. */
  readonly token: string
  /** Runs an attack and answers which invariants it broke. */
  attack(run: () => Promise<void>, slack?: Partial<Slack>): Promise<readonly string[]>
  /** One tool call of the team under attack; what it is answered is searched for canaries. */
  call(name: string, args?: Readonly<Record<string, unknown>>): Promise<RawAnswer>
  /** One model request of the team under attack; likewise. */
  ask(path: string, body: unknown): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }>
  /** Polls until the gateway offers this tool to the team. */
  offers(name: string): Promise<void>
}

/** Starts it. */
export async function startArena(options: ArenaOptions = {}): Promise<Arena> {
  await using stack = new AsyncDisposableStack()
  const side = stack.use(await startProbeSide())
  const folder = stack.use(await temporaryFolder())
  const routes = options.routes ?? {}
  writeFiles(folder.path, {
    'tollgate.json': gatewayFile({
      providers: { ...side.providers, ...options.providers },
      routes: { ...side.routes, ...routes },
      telemetry: { exchanges: false },
      ...options.file,
    }),
    ...side.files,
    ...Object.fromEntries(Object.entries(options.servers ?? {}).map(([id, file]) => [`servers/${id}.json`, file])),
    'catalogs/arena.json': {
      title: 'Arena',
      for: { teams: ['arena'] },
      tools: Object.keys(options.servers ?? {}).map((server) => ({ server, allow: ['*'] })),
      models: Object.keys(routes).map((route) => ({ route })),
    },
  })
  for (const [path, text] of Object.entries({ ...side.secrets, ...options.files })) writeFileSync(join(folder.path, path), text)
  const gateway = await startGatewayProcess(folder.path, [INSPECTABLE])
  stack.defer(async () => void (await gateway.kill('SIGKILL')))
  const [token, adminToken, probeToken] = await Promise.all([
    developmentToken(folder.path, { team: 'arena' }),
    developmentToken(folder.path, { roles: ['admin'] }),
    developmentToken(folder.path, { team: side.team }),
  ])
  const probe = stack.use(startProbe({ url: gateway.url, token: probeToken }))
  await probe.rounds(10)
  const heard: string[] = []
  const headers = { authorization: `Bearer ${token}` }
  const state = join(folder.path, '.tollgate')
  const canaries = [...(options.canaries ?? []), 'sk-probe-0123456789', token, adminToken, probeToken]
  const resources = stack.move()
  const arena: Arena = {
    gateway,
    folder: folder.path,
    admin: { adminUrl: gateway.adminUrl, token: adminToken },
    token,
    async attack(run, slack) {
      const watching = await watch({ gateway, state, adminToken, probe, canaries, heard: () => heard.join('\n') })
      await run()
      return await watching.check(slack)
    },
    async call(name, args = {}) {
      const answer = await modernRequest(`${gateway.url}/mcp`, 'tools/call', { name, arguments: args }, { headers })
      heard.push(answer.text)
      return answer
    },
    async ask(path, body) {
      const response = await fetch(gateway.url + path, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const text = await response.text()
      heard.push(text)
      return { status: response.status, headers: response.headers, text }
    },
    async offers(name) {
      const deadline = performance.now() + 10_000
      for (;;) {
        const list = await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers })
        if (list.text.includes(`"name":"${name}"`)) return
        if (performance.now() > deadline) throw new Error(`no tool ${name}: ${list.text.slice(0, 500)}\n${gateway.output()}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
  return arena
}

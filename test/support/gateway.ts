import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { readConfig } from '../../src/catalog/read.ts'
import { startGateway, type RunningGateway } from '../../src/gateway.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Files of an admin by path; values are written as JSON. */
export type AdminFiles = Readonly<Record<string, unknown>>

/** A real gateway in this process on ports of its own. */
export interface TestGateway extends AsyncDisposable {
  readonly url: string
  readonly adminUrl: string
  readonly healthUrl: string
  readonly folder: string
  readonly running: RunningGateway
  /** Log lines so far, parsed. */
  logs(): readonly Record<string, unknown>[]
  /** A development token. */
  token(
    team: string,
    options?: { readonly subject?: string; readonly roles?: readonly string[]; readonly ttlSeconds?: number },
  ): Promise<string>
  /** Writes one file of the admin, as an editor would. */
  write(path: string, value: unknown): void
  /** Resolves when the next snapshot for which `holds` is in force. */
  until(holds: (snapshot: ReturnType<RunningGateway['files']['current']['get']>) => boolean, withinMs?: number): Promise<void>
}

/** A development gateway's own file, with ports chosen by the system; parts are merged over it. */
export function gatewayFile(over: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { mode: 'development', data: { port: 0 }, admin: { port: 0 }, health: { port: 0 }, ...over }
}

/** Keys of the machine the tests run on must not bring models into them. */
const NO_KEYS = { OPENAI_API_KEY: '', ANTHROPIC_API_KEY: '', GEMINI_API_KEY: '' }

/** Starts a gateway over these files; `tollgate.json` is made when they have none. */
export async function startTestGateway(files: AdminFiles, env: Readonly<Record<string, string>> = {}): Promise<TestGateway> {
  const folder = await temporaryFolder()
  const write = (path: string, value: unknown): void => {
    const file = join(folder.path, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value, null, 2))
  }
  for (const [path, value] of Object.entries({ 'tollgate.json': gatewayFile(), ...files })) write(path, value)
  const lines: string[] = []
  const log = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(...chunk.toString().split('\n').filter(Boolean))
      done()
    },
  })
  const read = await readConfig(join(folder.path, 'tollgate.json'), process.env)
  if (read.gateway === undefined) throw new Error(JSON.stringify(read.problems))
  const running = await startGateway({ files: read, env: { ...process.env, ...NO_KEYS, ...env }, version: '0.0.0-test', log })
  return {
    url: running.doors.publicUrl,
    adminUrl: running.doors.admin.url,
    healthUrl: running.doors.health.url,
    folder: folder.path,
    running,
    write,
    logs: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    async token(team, { subject, roles = [], ttlSeconds = 3_600 } = {}) {
      const { development } = running.callers
      if (development === undefined) throw new Error('not a development gateway')
      return await development.mint({ team, roles, ttlSeconds, ...(subject === undefined ? {} : { subject }) })
    },
    until: (holds, withinMs = 5_000) => until(running, holds, withinMs),
    async [Symbol.asyncDispose]() {
      await running.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

function until(running: RunningGateway, holds: Parameters<TestGateway['until']>[0], withinMs: number): Promise<void> {
  const { current } = running.files
  if (holds(current.get())) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop()
      reject(new Error(`not within ${withinMs} ms`))
    }, withinMs)
    const stop = current.subscribe((next) => {
      if (!holds(next)) return
      clearTimeout(timer)
      stop()
      resolve()
    })
  })
}

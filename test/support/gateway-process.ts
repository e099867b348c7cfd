import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { openDevelopmentIssuer } from '../../src/identity/development.ts'

/** A gateway as its own process, as `npm start` runs it. */
export interface GatewayProcess {
  readonly child: ChildProcess
  readonly url: string
  readonly adminUrl: string
  readonly healthUrl: string
  /** Milliseconds from spawn until it said where it is. */
  readonly readyMs: number
  output(): string
  kill(signal: NodeJS.Signals): Promise<number | null>
}

const main = join(import.meta.dirname, '../../src/main.ts')

/** Writes the files of an admin below a folder. */
export function writeFiles(folder: string, files: Readonly<Record<string, unknown>>): void {
  for (const [path, value] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), JSON.stringify(value))
  }
}

/** Starts the gateway of a folder, with flags for Node; resolves when it serves. Rejects with its output when it ends instead. */
export async function startGatewayProcess(folder: string, nodeFlags: readonly string[] = []): Promise<GatewayProcess> {
  const started = performance.now()
  const child = spawn(process.execPath, [...nodeFlags, main, 'start', '--config', join(folder, 'tollgate.json')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const found = { mcp: '', admin: '', health: '' }
  const ready = new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}:\n${lines.join('\n')}`)))
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        const [, name = '', url = ''] = /^\s+(MCP|admin|health)\s+(http\S+?:\d+)/.exec(line) ?? []
        if (name !== '') found[name.toLowerCase() as keyof typeof found] = url // the pattern names the keys
        if (name === 'health') resolve()
      })
    }
  })
  await ready
  return {
    child,
    url: found.mcp,
    adminUrl: found.admin,
    healthUrl: found.health,
    readyMs: performance.now() - started,
    output: () => lines.join('\n'),
    async kill(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const exited = once(child, 'exit')
      child.kill(signal)
      const [code] = await exited
      return code as number | null // node:child_process: code, or null after a signal
    },
  }
}

/** A development token of the gateway in a folder. */
export async function developmentToken(folder: string, options: { team?: string; roles?: string[] }): Promise<string> {
  const issuer = await openDevelopmentIssuer(join(folder, '.tollgate'), () => Date.now())
  return await issuer.mint({ ...options, ttlSeconds: 3_600 })
}

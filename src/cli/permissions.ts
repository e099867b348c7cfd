import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readConfig } from '../catalog/read.ts'
import { ConfigError } from './gateway-file.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'
import { grantsOf, type Grant } from './permission-grants.ts'

/** Options of the verb; `config` is an absolute path. */
export interface PermissionsOptions {
  readonly config: string
  readonly json: boolean
}

/** Prints the flags of Node that give the gateway of this configuration what it needs and nothing else. */
export async function permissions({ config, json }: PermissionsOptions, io: CliIo): Promise<number> {
  const grants = await readGrants(config, io)
  if (json) io.out(`${JSON.stringify({ flags: grants.map(({ flag }) => flag), grants }, null, 2)}\n`)
  else io.out(grants.map(({ flag, why }) => `${flag}  # ${why}\n`).join(''))
  return EXIT.ok
}

/** Becomes the gateway of this configuration under those flags: same process id, same streams. Returns only when it cannot. */
export async function startRestricted(config: string, io: CliIo, lent: Lent): Promise<number> {
  // Other than its type says, it is not there when the model is off.
  const permission: typeof process.permission | undefined = process.permission
  if (permission !== undefined) return await lent.start({ config })
  // Other than its type says, Windows has none.
  const replace: typeof process.execve | undefined = process.execve
  if (replace === undefined || process.platform === 'win32') {
    io.err('tollgate: this system cannot replace a process; start node with the flags that "tollgate permissions" prints\n')
    return EXIT.failure
  }
  const flags = (await readGrants(config, io)).map(({ flag }) => flag)
  const words = process.argv.slice(1).filter((word) => word !== '--restricted')
  const environment = Object.fromEntries(
    Object.entries(io.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  return replace(process.execPath, [process.execPath, ...process.execArgv, ...flags, ...words], environment)
}

async function readGrants(config: string, io: CliIo): Promise<readonly Grant[]> {
  const files = await readConfig(config, io.env)
  if (files.gateway === undefined) throw new ConfigError(`${config} cannot be used; "tollgate validate" says why`)
  const folder = dirname(dirname(fileURLToPath(import.meta.url)))
  const knows = (flag: string): boolean => process.allowedNodeEnvironmentFlags.has(flag)
  return grantsOf(files, { root: dirname(folder), folder, knows })
}

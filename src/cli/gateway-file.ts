import { basename, resolve } from 'node:path'
import { Gateway } from '../config/gateway.ts'
import { readConfigFile } from '../config/read-file.ts'
import type { CliIo } from './io.ts'

/** The verb cannot work with the configuration it was given; the message says what to do. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

/** What client-side verbs need of `tollgate.json`: the mode and where the listeners are. */
export interface GatewayFile {
  /** Absolute path. */
  readonly path: string
  readonly gateway: Gateway
  /** Where callers reach it, without a trailing slash. */
  readonly publicUrl: string
  readonly adminUrl: string
  readonly healthUrl: string
}

/** The configuration file a verb works on: `--config`, else `TOLLGATE_CONFIG`, else `./tollgate.json`. Absolute. */
export function configPath(option: string | undefined, io: CliIo): string {
  return resolve(io.cwd, option ?? (io.env['TOLLGATE_CONFIG'] || 'tollgate.json'))
}

/** Reads `tollgate.json` alone: enough to find a gateway that runs, whatever its catalogs look like. Throws a ConfigError. */
export async function readGatewayFile(path: string, io: CliIo): Promise<GatewayFile> {
  const { located, problems, absent } = await readConfigFile({ path, file: basename(path), schema: Gateway, env: io.env })
  if (absent) throw new ConfigError(`${path}: there is no such file; name the configuration with --config or TOLLGATE_CONFIG`)
  if (located === undefined) {
    const [first] = problems
    const place = first === undefined ? '' : `:${first.line}:${first.column}: ${first.message}`
    throw new ConfigError(`${path}${place}; "tollgate validate" lists everything`)
  }
  const { data, admin, health, publicUrl } = located.value
  return {
    path,
    gateway: located.value,
    publicUrl: publicUrl?.replace(/\/+$/, '') ?? origin(data),
    adminUrl: origin(admin),
    healthUrl: origin(health),
  }
}

function origin(listener: { readonly host: string; readonly port: number; readonly tls?: unknown }): string {
  // An unspecified address is where one listens, not where one connects.
  const host = { '0.0.0.0': '127.0.0.1', '::': '[::1]', '[::]': '[::1]' }[listener.host] ?? listener.host
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return `${listener.tls === undefined ? 'http' : 'https'}://${bracketed}:${listener.port}`
}

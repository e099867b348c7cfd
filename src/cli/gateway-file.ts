import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { Gateway } from '../config/gateway.ts'
import type { CliIo } from './io.ts'

/** The verb cannot work with the configuration it was given; the message says what to do. */
export class ConfigError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
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
  return resolve(io.cwd, option ?? io.env['TOLLGATE_CONFIG'] ?? 'tollgate.json')
}

/** Reads `tollgate.json` alone: enough to find a gateway that runs, whatever its catalogs look like. */
export function readGatewayFile(path: string, io: CliIo): GatewayFile {
  const parsed = Gateway.safeParse(interpolate(parseFile(path), io.env))
  if (!parsed.success) {
    throw new ConfigError(`${path} is not valid: ${z.prettifyError(parsed.error)}\nRun "tollgate validate" for the whole list.`)
  }
  const { data, admin, health, publicUrl } = parsed.data
  return {
    path,
    gateway: parsed.data,
    publicUrl: publicUrl?.replace(/\/+$/, '') ?? origin(data),
    adminUrl: origin(admin),
    healthUrl: origin(health),
  }
}

function parseFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    const reason = missing ? 'there is no such file' : String(error instanceof Error ? error.message : error)
    throw new ConfigError(`${path}: ${reason}; name the configuration with --config or TOLLGATE_CONFIG`, error)
  }
}

/** `${VAR}` and `${VAR:-default}` in string values, as the loader of the gateway reads them; `$${` stays a literal `${`. */
function interpolate(value: unknown, env: CliIo['env']): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(/\$?\$\{([A-Za-z_]\w*)(:-[^}]*)?(?::\?[^}]*)?\}/g, (whole, name: string, fallback?: string) => {
      if (whole.startsWith('$$')) return whole.slice(1)
      return env[name] || (fallback?.slice(2) ?? whole)
    })
  }
  if (Array.isArray(value)) return value.map((part) => interpolate(part, env))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, interpolate(part, env)]))
}

function origin(listener: { readonly host: string; readonly port: number; readonly tls?: unknown }): string {
  // An unspecified address is where one listens, not where one connects.
  const host = { '0.0.0.0': '127.0.0.1', '::': '[::1]', '[::]': '[::1]' }[listener.host] ?? listener.host
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return `${listener.tls === undefined ? 'http' : 'https'}://${bracketed}:${listener.port}`
}

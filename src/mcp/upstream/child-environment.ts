import { delimiter, dirname, isAbsolute } from 'node:path'
import type { StdioServer } from '../../config/server.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Secrets } from '../../lib/secrets.ts'

/** An environment as lent by main.ts. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What a child may see of the world, and which of its values are secret. */
export interface ChildEnvironment {
  readonly env: Readonly<Record<string, string>>
  /** Values resolved from references: they are taken out of whatever the child writes to stderr. */
  readonly secrets: readonly string[]
}

const ALWAYS = ['HOME', 'LANG', 'TZ', 'TMPDIR']
// Windows programs do not start without these; none of them is secret.
const ALWAYS_ON_WINDOWS = ['SystemRoot', 'ComSpec', 'PATHEXT', 'TEMP', 'TMP', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA']
const DEFAULT_PATH = ['/usr/local/bin', '/usr/bin', '/bin'].join(delimiter)
// These change which code a child runs, or are the gateway's own.
const NEVER =
  /^(NODE_OPTIONS|NODE_PATH|NODE_EXTRA_CA_CERTS|BASH_ENV|ENV|PYTHONSTARTUP|PERL5OPT|RUBYOPT|LD_.*|DYLD_.*|TOLLGATE_.*)$/

/** Builds a child's environment from nothing: a PATH that begins with our own Node, a few harmless names, and what the file grants. */
export function toChildEnvironment(config: StdioServer, gateway: Environment, secrets: Secrets): ChildEnvironment {
  const refused = [...config.inherit, ...Object.keys(config.env)].find((name) => NEVER.test(name))
  if (refused !== undefined) throw new GatewayError('upstream_unavailable', `${refused} may not be given to a child process`)

  const env: Record<string, string> = {}
  for (const name of [...ALWAYS, ...(process.platform === 'win32' ? ALWAYS_ON_WINDOWS : []), ...config.inherit]) {
    const value = gateway[name]
    if (value !== undefined) env[name] = value
  }
  const resolved: string[] = []
  for (const [name, value] of Object.entries(config.env)) {
    const isReference = /^(env|file):/.test(value)
    env[name] = isReference ? readSecret(secrets, value) : value
    if (isReference) resolved.push(env[name])
  }
  env['PATH'] = toPath(env['PATH'] ?? gateway['PATH'] ?? DEFAULT_PATH)
  return { env, secrets: resolved }
}

/** Our own Node first, so that "node" and "npx" of a file mean it. An empty or relative entry would mean the child's own folder. */
function toPath(path: string): string {
  const folders = [dirname(process.execPath), ...path.split(delimiter)].filter((folder) => isAbsolute(folder))
  return [...new Set(folders)].join(delimiter)
}

function readSecret(secrets: Secrets, reference: string): string {
  try {
    return secrets.read(reference)
  } catch (cause) {
    throw new GatewayError('upstream_unavailable', `secret ${reference} cannot be read`, { cause })
  }
}

import { statSync } from 'node:fs'
import { basename, delimiter, resolve } from 'node:path'
import type { Fault } from './explain-issues.ts'
import type { Environment } from './interpolate.ts'
import { valueAt } from './schema-walk.ts'
import { findExecutable, resolveCommand } from './resolve-command.ts'
import { isSecretHeader, isSecretParameter, isSecretValue, isSecretVariable } from './secret-shapes.ts'
import type { Sandbox, Server, StdioServer } from './server.ts'

/** Where a registration is read: the folder relative paths start from, and the environment. `raw` is the file before interpolation. */
export interface ServerContext {
  readonly folder: string
  readonly env: Environment
  readonly raw: unknown
}

/** Checks what a schema cannot say of a registration, and makes its command and folder absolute. */
export function checkServer(server: Server, context: ServerContext): { value: Server; faults: readonly Fault[] } {
  if (server.type !== 'stdio')
    return {
      value: server,
      faults: [...urlFaults(server.url, ['url']), ...headerFaults(server.headers), ...credentialFaults(server)],
    }
  const searchPath = context.env['PATH'] ?? `/usr/local/bin${delimiter}/usr/bin${delimiter}/bin`
  const command = resolveCommand({ ...server, searchPath })
  const cwd = resolve(context.folder, server.cwd ?? '.')
  const { sandbox, faults: sandboxFaults } = checkSandbox(server, context.folder, searchPath)
  const faults = [...folderFaults(cwd), ...sandboxFaults, ...variableFaults(server, context.raw)]
  if ('path' in command) return { value: { ...server, command: command.path, cwd, ...sandbox }, faults }
  const path = command.argument === undefined ? ['command'] : ['args', command.argument]
  return { value: server, faults: [{ path, message: command.fault }, ...faults] }
}

function folderFaults(cwd: string): Fault[] {
  // Under the permission model the gateway need not see where a child runs; a folder that is not there then fails its start.
  if (isHidden(cwd)) return []
  const isFolder = statSync(cwd, { throwIfNoEntry: false })?.isDirectory() === true
  return isFolder ? [] : [{ path: ['cwd'], message: `there is no folder ${cwd}` }]
}

/** Tells whether the permission model of Node keeps a path from this process. */
function isHidden(path: string): boolean {
  // Other than its type says, it is not there when the model is off.
  const permission: typeof process.permission | undefined = process.permission
  return permission !== undefined && !permission.has('fs.read', path)
}

/** Makes the paths of a sandbox absolute, and checks that it fits the command. */
function checkSandbox(
  { sandbox, command }: StdioServer,
  folder: string,
  searchPath: string,
): { readonly sandbox: { readonly sandbox?: Sandbox }; readonly faults: readonly Fault[] } {
  if (sandbox === undefined || sandbox.type === 'none') return { sandbox: {}, faults: [] }
  const absolute = (paths: readonly string[]): string[] => paths.map((path) => resolve(folder, path))
  const paths = { read: absolute(sandbox.read), write: absolute(sandbox.write) }
  if (sandbox.type === 'node') {
    const message = `the sandbox "node" is for programs that node runs; for ${command} take "bubblewrap"`
    const isNode = /^node(\.exe)?$/.test(basename(command))
    return { sandbox: { sandbox: { ...sandbox, ...paths } }, faults: isNode ? [] : [{ path: ['sandbox', 'type'], message }] }
  }
  const found = findExecutable(sandbox.command, searchPath)
  if ('fault' in found) return { sandbox: {}, faults: [{ path: ['sandbox', 'command'], message: found.fault }] }
  return { sandbox: { sandbox: { ...sandbox, ...paths, command: found.path } }, faults: [] }
}

function urlFaults(text: string, path: readonly string[]): Fault[] {
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    return [
      {
        path,
        message:
          'the URL carries a user name or password: move it to "credential", for instance { "type": "basic", "username": "...", "password": "env:NAME" }',
      },
    ]
  }
  const parameter = [...url.searchParams.keys()].find((name) => isSecretParameter(name))
  if (parameter === undefined) return []
  return [
    {
      path,
      message: `the URL carries a secret in "${parameter}": send it as a header with "credential": { "type": "header", "name": "...", "value": "env:NAME" }`,
    },
  ]
}

function headerFaults(headers: Readonly<Record<string, string>>): Fault[] {
  return Object.entries(headers)
    .filter(([name, value]) => isSecretHeader(name) || isSecretValue(value))
    .map(([name]) => {
      const kind = /^authorization$/i.test(name)
        ? '{ "type": "bearer", "token": "env:NAME" }'
        : `{ "type": "header", "name": "${name}", "value": "env:NAME" }`
      return {
        path: ['headers', name],
        part: 'key',
        message: `the header ${name} carries a secret: write "credential": ${kind} instead`,
      }
    })
}

function credentialFaults(server: Exclude<Server, StdioServer>): Fault[] {
  const { credential } = server
  return credential?.type === 'client_credentials' ? urlFaults(credential.tokenUrl, ['credential', 'tokenUrl']) : []
}

/** A secret of a child is named, so that it is neither in the file nor in the configuration held in memory. */
function variableFaults(server: StdioServer, raw: unknown): Fault[] {
  return Object.entries(server.env)
    .filter(([name, value]) => value !== '' && !/^(env|file):/.test(value) && (isSecretVariable(name) || isSecretValue(value)))
    .map(([name]) => {
      const written = valueAt(raw, ['env', name])
      const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]*)/.exec(typeof written === 'string' ? written : '')?.[1] ?? name
      return {
        path: ['env', name],
        message: `${name} looks like a secret: write "env:${variable}" or "file:PATH" instead of its value`,
      }
    })
}

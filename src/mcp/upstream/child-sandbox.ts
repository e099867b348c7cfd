// How a child is confined. Three steps: find the program its command line runs, put together what it may reach (its program, the packages
// beside it, what its file grants), and write that down as flags of Node or as mounts of bubblewrap. The permission model of Node keeps
// honest code inside its grants; code that attacks Node itself wants bubblewrap. Neither bounds memory, processors or time.
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { Sandbox, StdioServer } from '../../config/server.ts'

/** A command line, and what its environment gets besides what its file says. */
export interface ChildStart {
  readonly executable: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** What confining a child takes; `restricted` tells whether the gateway itself runs under the permission model. */
export interface SandboxOptions {
  readonly config: StdioServer
  /** Absolute path of the executable. */
  readonly executable: string
  readonly cwd: string
  readonly restricted: boolean
  /** Whether this Node knows a flag. */
  readonly knows: (flag: string) => boolean
}

// Node hands its own grants to every child through NODE_OPTIONS, unless that names the permission model already. They are not the child's.
const WITHOUT_OURS = { NODE_OPTIONS: '--permission --no-permission' }
// What programs need of a Linux system to start: libraries, names of hosts, users and zones, certificates.
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/etc/alternatives', '/etc/ld.so.cache', '/etc/localtime']
const NETWORK = ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/ssl', '/etc/pki', '/etc/ca-certificates']

/** The command line that starts a child in its sandbox. */
export function confine(options: SandboxOptions): ChildStart {
  const { config, executable, restricted } = options
  const sandbox = config.sandbox ?? (restricted && isNode(executable) ? BARE : NONE)
  if (sandbox.type === 'node') return { executable, args: [...nodeFlags(sandbox, options), ...config.args], env: {} }
  const env = restricted ? WITHOUT_OURS : {}
  if (sandbox.type === 'none') return { executable, args: config.args, env }
  return { executable: sandbox.command, args: bubblewrapArguments(sandbox, options), env }
}

const NONE: Sandbox = { type: 'none' }
const BARE: Sandbox = { type: 'node', read: [], write: [], network: true, processes: false, threads: false }

const isNode = (executable: string): boolean => /^node(\.exe)?$/.test(basename(executable))

function nodeFlags(sandbox: Extract<Sandbox, { type: 'node' }>, { config, cwd, knows }: SandboxOptions): string[] {
  const read = [...programFolders(config.args, cwd), ...sandbox.read, ...sandbox.write]
  return [
    '--permission',
    ...both(read).map((path) => `--allow-fs-read=${path}`),
    ...both(sandbox.write).map((path) => `--allow-fs-write=${path}`),
    ...(sandbox.processes ? ['--allow-child-process', '--disable-warning=PERM0002'] : []),
    ...(sandbox.threads ? ['--allow-worker', '--disable-warning=PERM0006'] : []),
    ...(sandbox.network && knows('--allow-net') ? ['--allow-net'] : []),
  ]
}

/** A granted path may be a file or a folder, there or not yet: as itself, and with everything below it. */
const both = (paths: readonly string[]): string[] => [...new Set(paths)].flatMap((path) => [path, join(path, '*')])

function bubblewrapArguments(sandbox: Extract<Sandbox, { type: 'bubblewrap' }>, options: SandboxOptions): string[] {
  const { config, executable, cwd } = options
  const readable = [
    ...SYSTEM,
    ...(sandbox.network ? NETWORK : []),
    executable,
    ...programFolders(config.args, cwd),
    ...sandbox.read,
  ]
  const namespaces = ['--unshare-all', ...(sandbox.network ? ['--share-net'] : []), '--die-with-parent']
  const own = ['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--dir', cwd]
  const mounts = [
    ...[...new Set(readable)].flatMap((path) => ['--ro-bind-try', path, path]),
    ...sandbox.write.flatMap((path) => ['--bind', path, path]),
  ]
  return [...namespaces, ...own, ...mounts, '--chdir', cwd, '--', executable, ...config.args]
}

/**
 * The folder of the program an interpreter is given, which is its first plain argument, and the package folders it may import from. A
 * program inside an installed package gets that whole package.
 */
function programFolders(args: readonly string[], cwd: string): string[] {
  const program = args.find((argument) => !argument.startsWith('-'))
  if (program === undefined) return []
  const folder = dirname(isAbsolute(program) ? program : resolve(cwd, program))
  return [packageOf(folder) ?? folder, ...packageFolders(folder)]
}

function packageOf(folder: string): string | undefined {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(folder)?.[0]
}

/** Where Node looks for packages from a folder on: `node_modules` there and in every folder above. */
function packageFolders(folder: string): string[] {
  const above = dirname(folder)
  const here = basename(folder) === 'node_modules' ? folder : join(folder, 'node_modules')
  return above === folder ? [here] : [here, ...packageFolders(above)]
}

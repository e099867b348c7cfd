import { accessSync, constants, statSync } from 'node:fs'
import { basename, delimiter, isAbsolute, join } from 'node:path'

/** What an operator wrote to start a child with, and the PATH its bare names are looked up on. */
export interface CommandLine {
  readonly command: string
  readonly args: readonly string[]
  readonly allowInterpreterFlags: boolean
  readonly searchPath: string
}

/** The executable to start, or why there is none. */
export type ResolvedCommand = { readonly path: string } | { readonly fault: string; readonly argument?: number }

const SHELLS = new Set(['sh', 'ash', 'bash', 'dash', 'zsh', 'ksh', 'fish', 'csh', 'tcsh', 'cmd', 'powershell', 'pwsh', 'busybox'])
const WRAPPERS = new Set([
  'env',
  'sudo',
  'doas',
  'su',
  'nohup',
  'xargs',
  'setsid',
  'time',
  'timeout',
  'nice',
  'script',
  'eval',
  'exec',
])

/** Flags of interpreters that run a text as a program, before the script they are given; `values` are flags that take a word of their own. */
const INTERPRETERS: readonly {
  readonly name: RegExp
  readonly flag: RegExp
  readonly values: RegExp
  readonly everywhere?: boolean
}[] = [
  {
    name: /^(node|nodejs)$/,
    flag: /^(-e|-p|-pe|--eval|--print)(=|$)/,
    values: /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file)$/,
  },
  { name: /^(bun|deno)$/, flag: /^(-e|-p|--eval|--print|eval)(=|$)/, values: /^(-r|--preload|-c|--config)$/ },
  { name: /^(python[\d.]*|pypy[\d.]*)$/, flag: /^-[A-Za-z]*c/, values: /^-[WX]$/ },
  { name: /^(perl|ruby|lua|luajit|php)[\d.]*$/, flag: /^-[A-Za-z]*[eErR]/, values: /^-[IdDc]$/ },
  { name: /^osascript$/, flag: /^-e/, values: /^-l$/ },
  { name: /^(npx|npm|pnpm|pnpx|yarn|bunx|uv|uvx)$/, flag: /^(-c|--call|--shell-mode)(=|$)/, values: /^$/, everywhere: true },
]

/**
 * Finds the executable a registration names: an absolute path, or a bare name looked up on the search path. `node` is the Node that runs
 * the gateway. Shells, wrappers and one-line programs are refused unless the operator allowed them.
 */
export function resolveCommand(line: CommandLine): ResolvedCommand {
  const { command } = line
  const shape = shapeFault(command)
  if (shape !== undefined) return { fault: shape }
  const name = basename(command)
    .replace(/\.(exe|cmd|bat)$/i, '')
    .toLowerCase()
  if (!line.allowInterpreterFlags) {
    const hint = 'or set "allowInterpreterFlags": true'
    if (SHELLS.has(name))
      return { fault: `${name} is a shell: name the program itself under "command", its arguments under "args", ${hint}` }
    if (WRAPPERS.has(name))
      return {
        fault: `${name} only starts another program: name that one under "command" and its variables under "env", ${hint}`,
      }
    const argument = programFlag(name, line.args)
    if (argument >= 0)
      return { fault: `${name} ${line.args[argument]} runs a text as a program: put the program in a file, ${hint}`, argument }
  }
  if (command === 'node') return { path: process.execPath }
  return findExecutable(command, line.searchPath)
}

/** An absolute path as it is, a bare name from the folders of the search path; or why there is no such executable. */
export function findExecutable(command: string, searchPath: string): ResolvedCommand {
  // Under the permission model of Node a file that was not granted looks like one that is not there.
  const hint = process.permission === undefined ? '' : ', or start the gateway again so that it is granted to it'
  if (isAbsolute(command))
    return isExecutable(command) ? { path: command } : { fault: `${command} is not an executable file${hint}` }
  const path = searchPath
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, command))
    .find(isExecutable)
  return path === undefined ? { fault: `${command} is not on PATH; install it or write its absolute path${hint}` } : { path }
}

function shapeFault(command: string): string | undefined {
  if (command !== command.trim()) return 'the command begins or ends with a blank'
  if (/[\0\r\n]/.test(command)) return 'the command contains a control character'
  if (command.startsWith('~')) return '"~" is not expanded: write the absolute path'
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(command)) return 'variables stand under "env", not in the command'
  if (isAbsolute(command)) return undefined
  if (/\s/.test(command)) return 'the command is one word: put its arguments under "args"'
  if (/[\\/]/.test(command)) return 'the command must be an absolute path, or a bare name that is looked up on PATH'
  return undefined
}

function programFlag(name: string, args: readonly string[]): number {
  const interpreter = INTERPRETERS.find((candidate) => candidate.name.test(name))
  if (interpreter === undefined) return -1
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? ''
    if (interpreter.flag.test(argument)) return index
    if (argument === '--') return -1
    if (interpreter.values.test(argument)) index++
    // What follows the script (or "-m module") belongs to it. npm and its kin read their own flags behind the package name as well.
    else if ((!argument.startsWith('-') || argument === '-m') && interpreter.everywhere !== true) return -1
  }
  return -1
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    const status = statSync(path)
    // access() says yes to root whatever the file's mode is; Windows has no such bits.
    return status.isFile() && (process.platform === 'win32' || (status.mode & 0o111) !== 0)
  } catch {
    return false // absent or not ours to start: the caller says so
  }
}

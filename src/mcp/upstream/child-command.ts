import { accessSync, constants, statSync } from 'node:fs'
import { basename, delimiter, isAbsolute, join } from 'node:path'
import type { StdioServer } from '../../config/server.ts'
import { GatewayError } from '../../core/errors.ts'

// Interpreters, and the options that make them run code out of an argument.
const ONE_LINERS: readonly (readonly [RegExp, RegExp])[] = [
  [/^(sh|bash|dash|zsh|ksh|fish|python[\d.]*)$/, /^-[A-Za-z]*c$/],
  [/^(node|bun|deno)$/, /^(-e|-p|-pe|--eval|--print)(=|$)/],
  [/^(perl|ruby|php)$/, /^-[A-Za-z]*[eErR]$/],
  [/^npx$/, /^(-c|--call)(=|$)/],
  [/^(pwsh|powershell|cmd)$/i, /^([-/]c|\/k|-command|-e|-encodedcommand)$/i],
]
// Options of the above that take the next argument: it is not yet the program to run.
const TAKES_VALUE = /^(-r|--require|--import|--loader|-C|--conditions|-o|-W|-X|--package)$/

/** The executable of a registration as an absolute path. Throws, with the reason, when it is not one we start. */
export function resolveCommand(config: StdioServer, path: string): string {
  const { command, args } = config
  if (isAbsolute(command)) return allow(command, args, config)
  if (/[\\/~\s]/.test(command)) {
    throw refusal(`command "${command}" is neither an absolute path nor a bare name; arguments go to "args"`)
  }
  const found = path
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .flatMap((folder) =>
      (process.platform === 'win32' ? [`${command}.exe`, `${command}.cmd`, command] : [command]).map((name) =>
        join(folder, name),
      ),
    )
    .find(isExecutable)
  if (found === undefined) throw refusal(`command "${command}" is not on PATH`)
  return allow(found, args, config)
}

function allow(executable: string, args: readonly string[], config: StdioServer): string {
  const name = basename(executable).replace(/\.(exe|cmd)$/i, '')
  if (name === 'env') throw refusal('command "env" hides what is started; name the program itself and use "env" of the file')
  const flag = config.allowInterpreterFlags ? undefined : oneLinerOf(name, args)
  if (flag === undefined) return executable
  throw refusal(`"${name} ${flag}" runs code out of a setting; it needs "allowInterpreterFlags": true`)
}

/** Looks at the interpreter's own options only: what follows the first plain argument belongs to the program it runs. */
function oneLinerOf(name: string, args: readonly string[]): string | undefined {
  const pattern = ONE_LINERS.find(([interpreter]) => interpreter.test(name))?.[1]
  if (pattern === undefined) return undefined
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? ''
    if (pattern.test(argument)) return argument
    if (TAKES_VALUE.test(argument)) at++
    else if (!argument.startsWith('-')) return undefined
  }
  return undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function refusal(message: string): GatewayError {
  return new GatewayError('upstream_unavailable', message)
}

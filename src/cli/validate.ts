import { resolve } from 'node:path'
import { readConfig } from '../catalog/read.ts'
import type { ConfigFiles } from '../config/load.ts'
import type { Problem } from '../config/problem.ts'
import type { CliIo } from './io.ts'
import { EXIT } from './io.ts'
import type { Lent } from './lent.ts'

/** What `tollgate validate` was asked: the configuration file, and whether to answer as JSON. */
export interface ValidateOptions {
  readonly config: string
  readonly json: boolean
}

/** Checks every file of the admin as the gateway would at start, and prints all problems at once. */
export async function validate(options: ValidateOptions, io: CliIo, lent: Pick<Lent, 'prove'>): Promise<number> {
  const files = await lent.prove(await readConfig(resolve(io.cwd, options.config), io.env))
  const valid = files.problems.length === 0
  if (options.json) io.out(`${JSON.stringify(toReport(files), null, 2)}\n`)
  else io.out(valid ? `${summaryOf(files)}\n` : `${files.problems.map(describeProblem).join('\n')}\n${countOf(files.problems)}\n`)
  return valid ? EXIT.ok : EXIT.invalid
}

/** One problem as an admin reads it: place, path and what to do, then what is allowed. */
export function describeProblem(problem: Problem): string {
  const lines = [`${problem.file}:${problem.line}:${problem.column}  error`, `  ${problem.path}: ${problem.message}`]
  if (problem.allowed !== undefined && !problem.message.includes(problem.allowed)) lines.push(`  allowed: ${problem.allowed}`)
  if (problem.suggestion !== undefined && !problem.message.includes(`"${problem.suggestion}"?`))
    lines.push(`  fix: write "${problem.suggestion}"`)
  return `${lines.join('\n')}\n`
}

function toReport(files: ConfigFiles) {
  return {
    valid: files.problems.length === 0,
    config: files.configFile,
    servers: [...files.servers.keys()],
    catalogs: [...files.catalogs.keys()],
    problems: files.problems,
  }
}

function summaryOf(files: ConfigFiles): string {
  return `valid: tollgate.json, ${plural(files.servers.size, 'server')}, ${plural(files.catalogs.size, 'catalog')}`
}

function countOf(problems: readonly Problem[]): string {
  return `${plural(problems.length, 'problem')} in ${plural(new Set(problems.map((problem) => problem.file)).size, 'file')}`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

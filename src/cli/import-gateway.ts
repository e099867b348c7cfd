import { basename, join, resolve } from 'node:path'
import { JsonSourceError } from '../config/json-source.ts'
import { planImport, writeImport, type FilePlan } from './import-files.ts'
import { convertLitellm } from './import-litellm.ts'
import { convertPortkey } from './import-portkey.ts'
import { renderReport } from './import-report.ts'
import { ImportSourceError, readJsonFile, readYamlFile } from './import-source.ts'
import { asObject, type ImportWork } from './import-work.ts'
import { EXIT, type CliIo } from './io.ts'
import { describeProblem } from './validate.ts'

/** What every import of another gateway is asked. `config` is the tollgate.json written to unless `out` names a folder. */
export interface GatewayImportOptions {
  readonly file: string
  readonly config: string
  readonly out?: string | undefined
  readonly force: boolean
  readonly json: boolean
}

/** `tollgate import litellm`: its config.yaml, and the answers of its API for what is in its database. */
export async function importLitellm(
  options: GatewayImportOptions & { readonly keys?: string | undefined; readonly models?: string | undefined },
  io: CliIo,
): Promise<number> {
  return await run(options, io, async () => {
    const json = async (file: string | undefined) => (file === undefined ? undefined : await readJsonFile(resolve(io.cwd, file)))
    const config = await readYamlFile(resolve(io.cwd, options.file))
    return convertLitellm({ config, keys: await json(options.keys), models: await json(options.models), now: io.now() })
  })
}

/** `tollgate import portkey`: a config as it is sent or stored, and what the slugs in it stand for. */
export async function importPortkey(
  options: GatewayImportOptions & { readonly providers?: string | undefined; readonly route?: string | undefined },
  io: CliIo,
): Promise<number> {
  return await run(options, io, async () => {
    const slugs = options.providers === undefined ? {} : asObject(await readJsonFile(resolve(io.cwd, options.providers)))
    const config = await readJsonFile(resolve(io.cwd, options.file))
    return convertPortkey({ config, slugs, route: options.route ?? basename(options.file).replace(/\.json$/, '') })
  })
}

async function run(options: GatewayImportOptions, io: CliIo, convert: () => Promise<ImportWork>): Promise<number> {
  const config = options.out === undefined ? options.config : join(resolve(io.cwd, options.out), 'tollgate.json')
  let work: ImportWork
  let plan: FilePlan
  try {
    work = await convert()
    plan = await planImport(work, config, io.env)
  } catch (error) {
    if (error instanceof JsonSourceError) io.err(`${config}:${error.position.line}:${error.position.column}  ${error.message}\n`)
    else if (error instanceof ImportSourceError) io.err(`${error.message}\n`)
    else throw error
    return EXIT.invalid
  }
  const refusal = refusalOf(work, plan, options.force)
  if (refusal === undefined) await writeImport(plan)
  if (options.json) io.out(`${JSON.stringify(toAnswer(work, plan, refusal), null, 2)}\n`)
  else io.out(renderReport(work.report.rows))
  if (refusal !== undefined) {
    io.err(refusal.message)
    return refusal.code
  }
  for (const problem of plan.problems) io.err(describeProblem(problem))
  if (!options.json) io.out(`\n${nextSteps(work, plan)}`)
  return EXIT.ok
}

type Refusal = { readonly message: string; readonly code: number }

function refusalOf(work: ImportWork, { conflicts, problems }: FilePlan, force: boolean): Refusal | undefined {
  if (work.missing.length > 0)
    return {
      message: `nothing was written: say with --providers what these stand for: ${work.missing.join(', ')}\n`,
      code: EXIT.invalid,
    }
  if (work.routes.size + work.providers.size + work.servers.length === 0)
    return { message: 'nothing was written: there is nothing in this file that can be imported\n', code: EXIT.invalid }
  const blocking = problems.filter((problem) => !isProgram(problem))
  if (blocking.length > 0)
    return {
      message: `nothing was written: the result would not be valid\n${blocking.map(describeProblem).join('\n')}`,
      code: EXIT.invalid,
    }
  if (conflicts.length > 0 && !force)
    return {
      message: `nothing was written: these are there and say something else: ${conflicts.join(', ')}; use --force, or another --out\n`,
      code: EXIT.failure,
    }
  return undefined
}

/** A program that is not on this machine may be on the one the gateway runs on: said, and written. */
const isProgram = ({ path, message }: FilePlan['problems'][number]) => path === '$.command' && message.includes('PATH')

function toAnswer(work: ImportWork, plan: FilePlan, refusal: Refusal | undefined) {
  return {
    written: refusal === undefined,
    files: plan.files.map(({ name }) => name),
    report: work.report.rows,
    variables: Object.fromEntries(sortedVariables(work)),
    commands: work.commands,
    missing: work.missing,
    conflicts: plan.conflicts,
    problems: plan.problems,
  }
}

function sortedVariables({ variables }: ImportWork): (readonly [string, string])[] {
  return [...variables].map(([name, { origin }]) => [name, origin] as const).toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function nextSteps(work: ImportWork, { files }: FilePlan): string {
  const variables = sortedVariables(work).map(([name, origin]) => `  ${name}  (${origin})\n`)
  const parts = [
    files.length === 0 ? 'nothing changed: everything is there already\n' : files.map(({ name }) => `${name} written\n`).join(''),
    variables.length === 0 ? '' : `Set these variables before the gateway starts:\n${variables.join('')}`,
    work.commands.length === 0
      ? ''
      : `Make these keys and give them to their callers:\n${work.commands.map((command) => `  ${command}\n`).join('')}`,
  ]
  return parts.filter((part) => part !== '').join('\n')
}

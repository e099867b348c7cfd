import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { readConfig } from '../catalog/read.ts'
import { jsonSchemas } from '../config/json-schema.ts'
import { JsonSourceError, parseJsonSource } from '../config/json-source.ts'
import type { CliIo } from './io.ts'
import { EXIT } from './io.ts'
import type { Draft, McpImport } from './mcp-json.ts'
import { convertMcpJson, freeId } from './mcp-json.ts'
import { describeProblem } from './validate.ts'

/** What `tollgate import mcp-json` was asked. `out` is the tollgate.json whose folders are written to. */
export interface ImportOptions {
  readonly file: string
  /** Id of the catalog to write; "imported" when absent. */
  readonly catalog?: string | undefined
  /** Who may use it; a team named like the catalog when absent. */
  readonly team?: string | undefined
  readonly out: string
  readonly dryRun: boolean
  readonly force: boolean
}

type Plan = { readonly path: string; readonly shown: string; readonly content: string }

/** Turns the MCP servers of a client's configuration into registrations and a catalog. Secrets are named, never written. */
export async function importMcpJson(options: ImportOptions, io: CliIo): Promise<number> {
  const config = await readClientFile(resolve(io.cwd, options.file), io)
  if (config === undefined) return EXIT.invalid
  const result = convertMcpJson(config.value)
  for (const note of result.notes) io.err(`${note}\n`)
  if (result.servers.length === 0) return EXIT.invalid
  const plans = await planFiles(options, result, io)
  if (options.dryRun) {
    for (const plan of plans) io.out(`${plan.shown}\n${plan.content}\n`)
    io.out(variablesText(result))
    return EXIT.ok
  }
  const existing = options.force ? [] : await filterExisting(plans)
  if (existing.length > 0) {
    io.err(
      `nothing was written: ${existing.map((plan) => plan.shown).join(', ')} would be overwritten; use --force, or another --catalog\n`,
    )
    return EXIT.failure
  }
  for (const plan of [...plans, ...(await missingSchemas(dirname(resolve(io.cwd, options.out))))]) await writeWhole(plan)
  io.out(`${plans.map((plan) => `${plan.shown} written`).join('\n')}\n${variablesText(result)}`)
  return await checkWritten({ config: resolve(io.cwd, options.out), plans, variables: [...result.variables.keys()] }, io)
}

async function readClientFile(path: string, io: CliIo): Promise<{ readonly value: unknown } | undefined> {
  try {
    return parseJsonSource(await readFile(path, 'utf8'), { lenient: true })
  } catch (error) {
    if (error instanceof JsonSourceError) io.err(`${path}:${error.position.line}:${error.position.column}  ${error.message}\n`)
    else io.err(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}\n`)
    return undefined
  }
}

async function planFiles(options: ImportOptions, result: McpImport, io: CliIo): Promise<Plan[]> {
  const out = resolve(io.cwd, options.out)
  const { folder, sources } = await readConfig(out, io.env)
  const id = freeId(options.catalog ?? 'imported', new Set())
  const toPlan = (path: string, file: Draft): Plan => ({
    path,
    shown: relative(io.cwd, path) || path,
    content: `${JSON.stringify({ $schema: schemaPath(path, join(folder, 'catalogs', 'schema'), file), ...file }, null, 2)}\n`,
  })
  return [
    ...result.servers.map((server) => toPlan(join(sources.servers, `${server.id}.json`), server.file)),
    toPlan(join(sources.catalogs, `${id}.json`), toCatalog(id, options.team ?? id, result)),
  ]
}

function schemaPath(path: string, schemas: string, file: Draft): string {
  const schema = join(schemas, 'type' in file ? 'server.json' : 'catalog.json')
  const text = relative(dirname(path), schema).replaceAll('\\', '/')
  return text.startsWith('.') ? text : `./${text}`
}

function toCatalog(id: string, team: string, { servers }: McpImport): Draft {
  const rules = servers.map((server) => ({
    server: server.id,
    allow: server.allow,
    ...(server.deny.length === 0 ? {} : { deny: server.deny }),
  }))
  const everything = servers.map((server) => ({ server: server.id, allow: ['*'] }))
  return { title: id, for: { teams: [team] }, tools: rules, prompts: everything, resources: everything }
}

function variablesText({ variables }: McpImport): string {
  if (variables.size === 0) return ''
  const lines = [...variables].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, origin]) => `  ${name}  (${origin})`)
  return `Set these variables before the gateway starts:\n${lines.join('\n')}\n`
}

async function filterExisting(plans: readonly Plan[]): Promise<Plan[]> {
  const found = await Promise.all(
    plans.map((plan) =>
      access(plan.path).then(
        () => [plan],
        () => [],
      ),
    ),
  )
  return found.flat()
}

/** The schemas the files point to, so that an editor can complete them; those that are there stay. */
async function missingSchemas(folder: string): Promise<Plan[]> {
  const all = [...jsonSchemas()].map(([name, content]) => ({
    path: join(folder, 'catalogs', 'schema', name),
    shown: name,
    content,
  }))
  const there = await filterExisting(all)
  return all.filter((plan) => !there.includes(plan))
}

/** Through a rename, so that a running gateway never reads half a file. */
async function writeWhole(plan: Plan): Promise<void> {
  await mkdir(dirname(plan.path), { recursive: true })
  await writeFile(`${plan.path}.tmp`, plan.content)
  await rename(`${plan.path}.tmp`, plan.path)
}

type Written = { readonly config: string; readonly plans: readonly Plan[]; readonly variables: readonly string[] }

/** Checks what was written as the gateway will, with every variable that is still to be set taken as set. */
async function checkWritten({ config, plans, variables }: Written, io: CliIo): Promise<number> {
  const placeholders = Object.fromEntries(variables.map((name) => [name, 'https://set.invalid']))
  const files = await readConfig(config, { ...placeholders, ...io.env })
  const written = new Set(plans.map((plan) => relative(files.folder, plan.path).replaceAll('\\', '/')))
  const problems = files.problems.filter((problem) => written.has(problem.file))
  for (const problem of problems) io.err(`${describeProblem(problem)}\n`)
  return problems.length === 0 ? EXIT.ok : EXIT.invalid
}

// Writes what an importer collected. 1. tollgate.json gets the new providers, routes, issuers and price files; its other members stay. 2. The
// whole result is first checked in a folder of its own, as the gateway will read it. 3. Only then are the files replaced, each in one step.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { readConfig } from '../catalog/read.ts'
import { jsonSchemas } from '../config/json-schema.ts'
import { parseJsonSource } from '../config/json-source.ts'
import { PriceFile } from '../config/prices.ts'
import type { Problem } from '../config/problem.ts'
import { readIfThere, writeFileAtomic } from '../lib/atomic-file.ts'
import { asList, asObject, type ImportWork } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** A file on its way to the disk. */
interface PlannedFile {
  /** Relative to the folder of tollgate.json. */
  readonly name: string
  readonly content: string
}

/** What would be written, what stands in its way, and what the gateway would say of it. */
export interface FilePlan {
  readonly folder: string
  readonly files: readonly PlannedFile[]
  /** Entries and files that are there and say something else. */
  readonly conflicts: readonly string[]
  readonly problems: readonly Problem[]
}

/** The environment the files are checked with; variables still to be set are taken as set. */
export type ImportEnvironment = Readonly<Record<string, string | undefined>>

const PRICES = 'prices.json'
const CONFIG = 'tollgate.json'

/** Plans and checks the files of an import into the folder of a tollgate.json. Writes nothing there. */
export async function planImport(work: ImportWork, configFile: string, env: ImportEnvironment): Promise<FilePlan> {
  const folder = dirname(configFile)
  const before = await readIfThere(configFile)
  const current = before === undefined ? {} : asObject(parseJsonSource(before).value)
  const merged = mergeConfig(work, current)
  const folders = { servers: textOr(current['servers'], 'servers'), catalogs: textOr(current['catalogs'], 'catalogs') }
  const files = [
    ...work.servers.map(({ id, file }) =>
      planned(folders.servers, `${id}.json`, { $schema: schemaPath(folders.servers, 'server'), ...file }),
    ),
    ...[...work.catalogs].map(([id, file]) =>
      planned(folders.catalogs, `${id}.json`, { $schema: schemaPath(folders.catalogs, 'catalog'), ...file }),
    ),
    ...(hasPrices(work)
      ? [
          planned('.', PRICES, {
            name: 'imported',
            prices: work.prices,
            ...(work.discounts.length === 0 ? {} : { discounts: work.discounts }),
          }),
        ]
      : []),
    planned('.', CONFIG, merged.config),
  ]
  const conflicts = [
    ...merged.conflicts,
    ...(await otherFiles(
      folder,
      files.filter(({ name }) => name !== CONFIG),
    )),
  ]
  const samples = Object.fromEntries([...work.variables].map(([name, { sample }]) => [name, sample]))
  const problems = await checkInFolder({ folder, folders, files, current }, { ...samples, ...withoutAbsent(env) })
  return { folder, files: files.filter(({ name, content }) => name !== CONFIG || content !== before), conflicts, problems }
}

/** Writes planned files, tollgate.json last, and the schemas they point to where there are none. */
export async function writeImport({ folder, files }: FilePlan): Promise<void> {
  const schemas = [...jsonSchemas()].map(([name, content]) => ({ name: join('catalogs', 'schema', name), content }))
  for (const { name, content } of schemas) {
    if ((await readIfThere(resolve(folder, name))) === undefined) await write(resolve(folder, name), content)
  }
  for (const { name, content } of files) await write(resolve(folder, name), content)
}

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFileAtomic(path, content, 0o644)
}

const hasPrices = ({ prices, discounts }: ImportWork) => prices.length + discounts.length > 0
const textOr = (value: unknown, otherwise: string) => (typeof value === 'string' ? value : otherwise)
const withoutAbsent = (env: ImportEnvironment) =>
  Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])))

function planned(folder: string, name: string, content: Draft): PlannedFile {
  return { name: join(folder, name).replaceAll('\\', '/'), content: `${JSON.stringify(content, null, 2)}\n` }
}

function schemaPath(folder: string, kind: string): string {
  const text = relative(folder, join('catalogs', 'schema', `${kind}.json`)).replaceAll('\\', '/')
  return text.startsWith('.') ? text : `./${text}`
}

type Merged = { readonly config: Draft; readonly conflicts: readonly string[] }

function mergeConfig(work: ImportWork, current: Draft): Merged {
  const conflicts: string[] = []
  const members = (name: string, added: ReadonlyMap<string, Draft>): Draft => {
    const known = asObject(current[name])
    for (const [id, draft] of added)
      if (Object.hasOwn(known, id) && JSON.stringify(known[id]) !== JSON.stringify(draft))
        conflicts.push(`${name}.${id} of ${CONFIG}`)
    return added.size === 0 ? {} : { [name]: { ...known, ...Object.fromEntries(added) } }
  }
  const identity = asObject(current['identity'])
  const issuers = asList(identity['issuers'])
  const isNew = (draft: Draft) => !issuers.some((known) => asObject(known)['issuer'] === draft['issuer'])
  for (const draft of work.issuers) {
    const same = issuers.find((known) => asObject(known)['issuer'] === draft['issuer'])
    if (same !== undefined && JSON.stringify(same) !== JSON.stringify(draft))
      conflicts.push(`the issuer ${JSON.stringify(draft['issuer'])} of ${CONFIG}`)
  }
  const kept = issuers.map((known) => work.issuers.find((draft) => draft['issuer'] === asObject(known)['issuer']) ?? known)
  const prices = asList(current['prices'])
  const config = {
    ...(Object.keys(current).length === 0 ? { $schema: './catalogs/schema/tollgate.json' } : {}),
    ...current,
    ...(work.issuers.length === 0 ? {} : { identity: { ...identity, issuers: [...kept, ...work.issuers.filter(isNew)] } }),
    ...members('providers', work.providers),
    ...members('routes', work.routes),
    ...(hasPrices(work) && !prices.includes(PRICES) ? { prices: [...prices, PRICES] } : {}),
  }
  return { config, conflicts }
}

async function otherFiles(folder: string, files: readonly PlannedFile[]): Promise<string[]> {
  const found = await Promise.all(
    files.map(async ({ name, content }) => ({ name, content, there: await readIfThere(resolve(folder, name)) })),
  )
  return found.filter(({ content, there }) => there !== undefined && there !== content).map(({ name }) => name)
}

type Check = {
  readonly folder: string
  readonly folders: { readonly servers: string; readonly catalogs: string }
  readonly files: readonly PlannedFile[]
  readonly current: Draft
}

/** What the gateway would say of the result that it does not say already. Both states are read from one place, so that they compare. */
async function checkInFolder(
  { folder, folders, files, current }: Check,
  env: Readonly<Record<string, string>>,
): Promise<Problem[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'tollgate-import-'))
  const config = join(scratch, CONFIG)
  const placed = (name: string) => {
    for (const kind of ['servers', 'catalogs'] as const)
      if (name.startsWith(`${join(folders[kind])}/`)) return join(kind, name.slice(join(folders[kind]).length + 1))
    return name
  }
  const normal = (content: Draft): string => JSON.stringify({ ...content, servers: 'servers', catalogs: 'catalogs' }, null, 2)
  try {
    for (const kind of ['servers', 'catalogs'] as const) await copyFolder(resolve(folder, folders[kind]), join(scratch, kind))
    await writeFile(config, normal(current))
    const before = await readConfig(config, env)
    const known = new Set(before.problems.map(({ file, path, message }) => JSON.stringify([file, path, message])))
    for (const { name, content } of files) {
      const path = join(scratch, placed(name))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, name === CONFIG ? normal(asObject(JSON.parse(content))) : content)
    }
    const after = await readConfig(config, env)
    const own = after.problems.filter(({ file, path, message }) => !known.has(JSON.stringify([file, path, message])))
    return [...own, ...priceProblems(files)]
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await cp(from, to, { recursive: true, filter: (path) => !path.includes('node_modules') }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}

function priceProblems(files: readonly PlannedFile[]): Problem[] {
  const file = files.find(({ name }) => name === PRICES)
  const parsed = file === undefined ? undefined : PriceFile.safeParse(JSON.parse(file.content))
  return (parsed?.error?.issues ?? []).map((issue) => ({
    file: PRICES,
    line: 1,
    column: 1,
    path: `$.${issue.path.join('.')}`,
    message: issue.message,
  }))
}

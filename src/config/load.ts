import { readdir } from 'node:fs/promises'
import { basename, dirname, relative, resolve } from 'node:path'
import { Catalog } from './catalog.ts'
import { checkCatalog, expressionFault, type CatalogContext } from './check-catalog.ts'
import { limitFaults } from './check-counting.ts'
import { checkCallers, checkFiles, checkGateway } from './check-gateway.ts'
import { checkRoutes } from './check-routes.ts'
import { checkServer } from './check-server.ts'
import { urlFaults } from './check-urls.ts'
import type { Fault } from './explain-issues.ts'
import { Gateway } from './gateway.ts'
import type { Issuer } from './identity.ts'
import { ApiKeys, Revocations } from './identity.ts'
import type { Environment } from './interpolate.ts'
import type { Problem } from './problem.ts'
import { readPriceFiles } from './price-files.ts'
import type { FileReading, Located } from './read-file.ts'
import { readConfigFile } from './read-file.ts'
import { Id } from './reference.ts'
import { memberOf, valueAt } from './schema-walk.ts'
import { Server } from './server.ts'

/** Everything the admin wrote, as read at one moment. What is bad is left out and listed in `problems`. */
export interface ConfigFiles {
  /** The folder of tollgate.json, absolute: relative paths of the files start here. */
  readonly folder: string
  /** Absolute path of tollgate.json. */
  readonly configFile: string
  /** Folders and files that were looked at, absolute; what a watcher watches. */
  readonly sources: {
    readonly servers: string
    readonly catalogs: string
    readonly revocations: string
    readonly prices: readonly string[]
  }
  /** Absent when tollgate.json is unusable, or one of its price files. */
  readonly gateway: Located<Gateway> | undefined
  readonly servers: ReadonlyMap<string, Located<Server>>
  /** Servers whose file is bad, and why. */
  readonly quarantined: ReadonlyMap<string, readonly Problem[]>
  readonly catalogs: ReadonlyMap<string, Located<Catalog>>
  /** Catalogs whose file is bad, and why. */
  readonly badCatalogs: ReadonlyMap<string, readonly Problem[]>
  readonly revocations: Revocations
  /** True when the deny list exists and cannot be used: the last good one must stay in force. */
  readonly badRevocations: boolean
  /** Folders that are not there or cannot be read; an empty folder is neither. */
  readonly unread: readonly ('servers' | 'catalogs')[]
  readonly problems: readonly Problem[]
}

/**
 * What an expression is for: which variables it may name. `model`: routes, targets and models of catalogs; `call`: proposed tool calls. A
 * `pattern` is a regular expression of a guard.
 */
export type ExpressionUse = 'condition' | 'audience' | 'claim' | 'model' | 'call' | 'pattern'

/** What loading borrows: the environment, and the compiler of CEL expressions (it throws an Error with the position of the first fault). */
export interface LoadDeps {
  readonly env: Environment
  compile(source: string, use: ExpressionUse): void
  /** Throws an Error when an entry of egress.allow is neither a range of addresses nor host:port. */
  checkEgress(entry: string): void
  /** False for an address of cloud metadata that these entries of egress.allow do not permit. */
  isReachable(url: string, allow: readonly string[]): boolean
}

type Folder<T> = {
  readonly good: Map<string, Located<T>>
  readonly bad: Map<string, readonly Problem[]>
  readonly problems: Problem[]
  unread: boolean
}
type Work = { readonly folder: string; readonly deps: LoadDeps }

/** Reads tollgate.json and every file it leads to. Never throws on bad content: all problems of all files come back at once. */
export async function loadConfig(configFile: string, deps: LoadDeps): Promise<ConfigFiles> {
  const path = resolve(configFile)
  const work = { folder: dirname(path), deps }
  const reading = await readGateway(work, path)
  const gateway = reading.located
  const sourceOf = (keys: readonly string[], otherwise: string) => {
    const written = valueAt(gateway?.value ?? reading.raw, keys)
    return resolve(work.folder, typeof written === 'string' ? written : otherwise)
  }
  const json = gateway?.value ?? reading.raw
  const priceFiles = textsOf(json, 'prices')
  const sources = {
    servers: sourceOf(['servers'], 'servers'),
    catalogs: sourceOf(['catalogs'], 'catalogs'),
    revocations: sourceOf(['identity', 'revocations'], 'revocations.json'),
    prices: priceFiles.map((file) => resolve(work.folder, file)),
  }
  const servers = await readServers(work, sources.servers)
  const catalogs = await readCatalogs(work, sources.catalogs, {
    servers: [...servers.good.keys(), ...servers.bad.keys()].toSorted(),
    ...(json === undefined ? {} : { routes: keysOf(json, 'routes'), guards: keysOf(json, 'guards') }),
  })
  const revocations = await readRevocations(work, sources.revocations)
  const prices = (await readPriceFiles(work.folder, priceFiles)).flatMap(({ problems }) => problems)
  const callers =
    gateway === undefined
      ? []
      : reading.toProblems(checkCallers(gateway.value, await hasKeys(resolve(work.folder, gateway.value.state, 'keys.json'))))
  return {
    folder: work.folder,
    configFile: path,
    sources,
    gateway: callers.length + prices.length === 0 ? gateway : undefined,
    servers: servers.good,
    quarantined: servers.bad,
    catalogs: catalogs.good,
    badCatalogs: catalogs.bad,
    revocations: revocations.located?.value ?? { jti: [], subjects: [] },
    badRevocations: revocations.located === undefined && !revocations.absent,
    unread: [...(servers.unread ? (['servers'] as const) : []), ...(catalogs.unread ? (['catalogs'] as const) : [])],
    problems: [
      ...reading.problems,
      ...callers,
      ...prices,
      ...servers.problems,
      ...catalogs.problems,
      ...(revocations.absent ? [] : revocations.problems),
    ],
  }
}

function readGateway(work: Work, path: string): Promise<FileReading<Gateway>> {
  const { env, compile, checkEgress, isReachable } = work.deps
  return readConfigFile({
    path,
    file: basename(path),
    schema: Gateway,
    env,
    check: (value, raw) => ({
      value,
      faults: [
        ...checkGateway(value),
        ...checkFiles(value, work.folder),
        ...limitFaults(['limits'], value.limits, true),
        ...urlFaults(value),
        ...checkRoutes(value, { compile, isReachable: (url) => isReachable(url, value.egress.allow), raw }),
        ...value.egress.allow.flatMap((entry, index) => faultOf(['egress', 'allow', index], () => checkEgress(entry))),
        ...value.identity.issuers.flatMap((issuer, index) => claimFaults(issuer, index, compile)),
      ],
    }),
  })
}

function faultOf(path: Fault['path'], check: () => void): Fault[] {
  try {
    check()
    return []
  } catch (error) {
    return [{ path, message: error instanceof Error ? error.message : 'cannot be used' }]
  }
}

function claimFaults(issuer: Issuer, index: number, compile: LoadDeps['compile']): Fault[] {
  return Object.entries(issuer.claims).flatMap(([name, claim]) => {
    const sources = Array.isArray(claim)
      ? claim.map((source, position) => ({ source, steps: [position] }))
      : [{ source: claim, steps: [] }]
    return sources.flatMap(({ source, steps }) => {
      const expression = memberOf(source, 'cel')
      if (typeof expression !== 'string') return []
      return expressionFault(['identity', 'issuers', index, 'claims', name, ...steps, 'cel'], () => compile(expression, 'claim'))
    })
  })
}

function readServers(work: Work, folder: string): Promise<Folder<Server>> {
  const { env } = work.deps
  return readFolder(work, folder, (path, file) =>
    readConfigFile({
      path,
      file,
      schema: Server,
      env,
      check: (value, raw) => checkServer(value, { folder: work.folder, env, raw }),
    }),
  )
}

function keysOf(value: unknown, key: string): string[] {
  const member = memberOf(value, key)
  return typeof member === 'object' && member !== null ? Object.keys(member) : []
}

function textsOf(value: unknown, key: string): string[] {
  const member = memberOf(value, key)
  return Array.isArray(member) ? member.filter((one): one is string => typeof one === 'string' && one !== '') : []
}

function readCatalogs(work: Work, folder: string, known: Omit<CatalogContext, 'compile'>): Promise<Folder<Catalog>> {
  const { env, compile } = work.deps
  return readFolder(work, folder, (path, file) =>
    readConfigFile({
      path,
      file,
      schema: Catalog,
      env,
      inspect: (json) => checkCatalog(json, { ...known, compile }),
    }),
  )
}

/** Reads every `<id>.json` of a folder, but no locks. A name that is no id makes that file bad and no other. */
async function readFolder<T>(
  work: Work,
  folder: string,
  read: (path: string, file: string) => Promise<FileReading<T>>,
): Promise<Folder<T>> {
  const names = await jsonFilesIn(folder)
  const result: Folder<T> = { good: new Map(), bad: new Map(), problems: [], unread: !Array.isArray(names) }
  if (typeof names === 'string')
    result.problems.push({ file: relative(work.folder, folder), line: 1, column: 1, path: '$', message: names })
  for (const name of Array.isArray(names) ? names : []) {
    const path = resolve(folder, name)
    const file = relative(work.folder, path).replaceAll('\\', '/')
    const id = name.slice(0, -'.json'.length)
    const valid = Id.safeParse(id)
    const message = `the file name is the id: ${valid.error?.issues[0]?.message ?? ''}; found ${JSON.stringify(id)}`
    const reading = valid.success ? await read(path, file) : undefined
    const problems = reading?.problems ?? [{ file, line: 1, column: 1, path: '$', message }]
    if (reading?.absent === true) continue // removed between listing and reading
    if (reading?.located === undefined) result.bad.set(id, problems)
    else result.good.set(id, reading.located)
    result.problems.push(...problems)
  }
  return result
}

/** Names of the JSON files of a folder in a fixed order, or why it cannot be read; undefined when it is not there. */
async function jsonFilesIn(folder: string): Promise<string[] | string | undefined> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries
      .filter(
        (entry) =>
          !entry.isDirectory() &&
          entry.name.endsWith('.json') &&
          !entry.name.endsWith('.lock.json') &&
          !entry.name.startsWith('.'),
      )
      .map((entry) => entry.name)
      .toSorted()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code === 'ENOENT' ? undefined : `the folder cannot be read: ${String(code)}`
  }
}

function readRevocations(work: Work, path: string): Promise<FileReading<Revocations>> {
  return readConfigFile({
    path,
    file: relative(work.folder, path).replaceAll('\\', '/'),
    schema: Revocations,
    env: work.deps.env,
  })
}

/** Tells whether a key file holds at least one key; who may use it is decided elsewhere. */
async function hasKeys(path: string): Promise<boolean> {
  const { raw } = await readConfigFile({ path, file: basename(path), schema: ApiKeys, env: {} })
  const keys = memberOf(raw, 'keys')
  return Array.isArray(keys) && keys.length > 0
}

// The least a gateway needs of its machine, as flags of Node's permission model. Three steps: what the program itself is made of, what its
// configuration names, and what kind of work it leads to. A file that the configuration names later needs a new start.
import { join, resolve, sep } from 'node:path'
import type { ConfigFiles } from '../config/load.ts'

/** One flag, and what it is for. */
export interface Grant {
  readonly flag: string
  readonly why: string
}

/** The program that gets the grants. */
export interface Program {
  /** The folder of package.json. */
  readonly root: string
  /** The folder of main.ts or main.js. */
  readonly folder: string
  /** Whether its Node knows a flag. */
  readonly knows: (flag: string) => boolean
}

/** The grants of a gateway with these files, in a fixed order, each once. */
export function grantsOf(files: ConfigFiles, program: Program): readonly Grant[] {
  const state = resolve(files.folder, files.gateway?.value.state ?? '.tollgate')
  const grants = [
    { flag: '--permission', why: 'whatever is not granted is refused' },
    ...programPaths(program).map((path) => toRead(path, 'the program and its packages')),
    ...configPaths(files).map((path) => toRead(path, 'configuration')),
    ...tlsPaths(files).map((path) => toRead(path, 'certificates, and keys of issuers')),
    ...secretPaths(files).map((path) => toRead(path, 'a secret')),
    ...executables(files).map((path) => toRead(path, 'looked up before a child is started')),
    toRead(below(state), 'ledger, keys, seals'),
    { flag: `--allow-fs-write=${below(state)}`, why: 'ledger, keys, seals' },
    ...workGrants(files, program),
  ]
  return grants.filter(({ flag }, index) => grants.findIndex((other) => other.flag === flag) === index)
}

/** A folder with everything in it, now and later. */
const below = (folder: string): string => join(folder, '*')
const toRead = (path: string, why: string): Grant => ({ flag: `--allow-fs-read=${path}`, why })

function programPaths({ root, folder }: Program): string[] {
  const parts = root.split(sep)
  const above = parts.flatMap((part, index) => (part === 'node_modules' ? [below(parts.slice(0, index + 1).join(sep))] : []))
  const prices = join(root, 'catalogs', 'prices', 'model-prices.json')
  return [below(folder), join(root, 'package.json'), prices, below(join(root, 'node_modules')), ...above]
}

function configPaths({ configFile, sources }: ConfigFiles): string[] {
  return [configFile, below(sources.servers), below(sources.catalogs), sources.revocations, ...sources.prices]
}

function tlsPaths({ gateway, folder }: ConfigFiles): string[] {
  if (gateway === undefined) return []
  const { data, admin, identity } = gateway.value
  const certificates = [data, admin].flatMap(({ tls }) => Object.values(tls ?? {}))
  const keySets = identity.issuers.flatMap(({ jwks }) => ('file' in jwks ? [jwks.file] : []))
  return [...certificates, ...keySets].flatMap((file) => (typeof file === 'string' ? [resolve(folder, file)] : []))
}

/** Every `file:PATH` of the configuration, wherever it stands. */
function secretPaths({ gateway, servers, folder }: ConfigFiles): string[] {
  const values = [gateway?.value, ...[...servers.values()].map(({ value }) => value)]
  return values
    .flatMap(textsOf)
    .flatMap((text) => (text.startsWith('file:') ? [resolve(folder, text.slice('file:'.length))] : []))
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

function executables({ servers }: ConfigFiles): string[] {
  return [...servers.values()].flatMap(({ value }) => {
    if (value.type !== 'stdio') return []
    return value.sandbox?.type === 'bubblewrap' ? [value.command, value.sandbox.command] : [value.command]
  })
}

function workGrants({ servers }: ConfigFiles, { knows }: Program): Grant[] {
  const hasChildren = [...servers.values()].some(({ value }) => value.type === 'stdio')
  return [
    { flag: '--allow-worker', why: 'threads for the ledger and for counting tokens' },
    ...(hasChildren ? [{ flag: '--allow-child-process', why: 'stdio servers' }] : []),
    ...(knows('--allow-net') ? [{ flag: '--allow-net', why: 'listeners, upstreams, providers' }] : []),
    { flag: '--disallow-code-generation-from-strings', why: 'no text becomes a program' },
    { flag: '--disable-proto=delete', why: 'no name of a member reaches a prototype' },
    // Node warns about the two at every start; docs/permissions.md says what they open.
    ...['PERM0002', 'PERM0006'].map((code) => ({ flag: `--disable-warning=${code}`, why: 'what is granted on purpose' })),
  ]
}

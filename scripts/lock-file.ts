import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One package of package-lock.json, with the facts supply-chain rules are about. */
export interface LockedPackage {
  /** Its folder, such as `node_modules/zod`. */
  readonly path: string
  readonly name: string
  readonly version: string
  readonly license: string
  readonly integrity: string | undefined
  /** Where the lock file says it comes from; ours names no host. */
  readonly resolved: string | undefined
  readonly hasInstallScript: boolean
  /** Needed by the gateway when it runs, not only by who changes it. */
  readonly runtime: boolean
  readonly requires: readonly string[]
}

type Entry = Readonly<{
  version: string
  license?: string
  integrity?: string
  resolved?: string
  hasInstallScript?: boolean
  dev?: boolean
  devOptional?: boolean
  dependencies?: Readonly<Record<string, string>>
  optionalDependencies?: Readonly<Record<string, string>>
}>

/** Every package of the lock file of a folder, in its order. */
export function readLockFile(folder: string): readonly LockedPackage[] {
  // `as`: npm writes this file; `npm ci` refuses one that is not in its form.
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, Entry>>
  }
  return Object.entries(lock.packages)
    .filter(([path]) => path !== '')
    .map(([path, entry]) => ({
      path,
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version: entry.version,
      license: entry.license ?? '',
      integrity: entry.integrity,
      resolved: entry.resolved,
      hasInstallScript: entry.hasInstallScript === true,
      runtime: entry.dev !== true && entry.devOptional !== true,
      requires: Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }),
    }))
}

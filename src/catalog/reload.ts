import type { ConfigFiles } from '../config/load.ts'

/**
 * What is in force after a reload: the fresh files, with the last good version wherever the fresh one is bad. A bad tollgate.json changes
 * nothing at all; a bad catalog keeps its old version; a bad deny list keeps the old one. A bad server file quarantines that server.
 * The problems are always the fresh ones.
 */
export function mergeReload(previous: ConfigFiles, fresh: ConfigFiles): ConfigFiles {
  if (fresh.gateway === undefined) return { ...previous, problems: fresh.problems }
  const kept = [...fresh.badCatalogs.keys()].flatMap((id) => {
    const old = previous.catalogs.get(id)
    return old === undefined ? [] : [[id, old] as const]
  })
  return {
    ...fresh,
    catalogs: new Map([...fresh.catalogs, ...kept]),
    revocations: fresh.badRevocations ? previous.revocations : fresh.revocations,
  }
}

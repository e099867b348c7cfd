import type { ConfigFiles } from '../config/load.ts'
import type { Problem } from '../config/problem.ts'

/**
 * What is in force after a reload: the fresh files, with the last good version wherever the fresh one is bad. A bad tollgate.json changes
 * nothing at all; a bad catalog keeps its old version, and so does everything of a folder that is gone; a bad deny list keeps the old one.
 * A bad server file quarantines that server. The problems are always the fresh ones.
 */
export function mergeReload(previous: ConfigFiles, fresh: ConfigFiles): ConfigFiles {
  if (fresh.gateway === undefined) return { ...previous, problems: fresh.problems }
  const lost = fresh.unread.filter((folder) => previous[folder].size > 0)
  const kept = [...previous.catalogs].filter(([id]) => fresh.badCatalogs.has(id) || lost.includes('catalogs'))
  return {
    ...fresh,
    ...(lost.includes('servers') ? { servers: previous.servers, quarantined: previous.quarantined } : {}),
    catalogs: new Map([...fresh.catalogs, ...kept]),
    revocations: fresh.badRevocations ? previous.revocations : fresh.revocations,
    problems: [...fresh.problems, ...lost.map(toProblem)],
  }
}

function toProblem(folder: 'servers' | 'catalogs'): Problem {
  const message = 'the folder is gone or cannot be read; what was read from it last stays in force'
  return { file: folder, line: 1, column: 1, path: '$', message }
}

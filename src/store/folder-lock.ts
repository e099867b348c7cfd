import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A folder that belongs to this process until it is released or the process ends, however it ends. */
export interface FolderLock {
  release(): void
}

/**
 * Takes a folder for this process alone; throws when another process has it.
 * The lock is a file lock of the operating system, held through an open SQLite transaction: it ends with the process, also after
 * `kill -9`, and unlike a process id in a file it is never mistaken for the lock of a later process with the same id (in a container
 * every gateway is process 1). The process id beside it is only for the words of the refusal.
 */
export function lockFolder(directory: string, pid: number): FolderLock {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const owner = join(directory, 'lock.pid')
  const database = new DatabaseSync(join(directory, 'lock'), { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw new Error(
      `${directory} is in use by another gateway (process ${ownerOf(owner)}); stop it or name another state folder`,
      { cause: error },
    )
  }
  writeFileSync(owner, `${pid}\n`, { mode: 0o600 })
  return { release: () => database.close() }
}

function ownerOf(path: string): string {
  try {
    return /^\d+/.exec(readFileSync(path, 'utf8'))?.[0] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const LOCK_STALE_MS = 10_000
const LOCK_WAIT_MS = 15_000

/** Replaces a file in one step: a reader sees the old bytes or the new ones, also after a crash. */
export async function writeFileAtomic(path: string, text: string, mode: number): Promise<void> {
  const temporary = temporaryName(path)
  try {
    await writeSynced(temporary, text, mode)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Creates a file once: of several processes that try, one wins and all get the winner's text. */
export async function createFileOnce(path: string, text: string, mode: number): Promise<string> {
  const existing = await readIfThere(path)
  if (existing !== undefined) return existing
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = temporaryName(path)
  try {
    await writeSynced(temporary, text, mode)
    // A hard link never replaces what is there, unlike a rename.
    await link(temporary, path)
    return text
  } catch (error) {
    if (isCode(error, 'EEXIST')) return await readFile(path, 'utf8')
    throw error
  } finally {
    await rm(temporary, { force: true })
  }
}

/** The text of a file, undefined when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Runs an action while holding `<path>.lock` against other processes. A lock left by a dead one is taken over after 10 s. */
export async function withFileLock<T>(path: string, action: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const deadline = performance.now() + LOCK_WAIT_MS
  while (!(await isLockTaken(lock))) {
    if (performance.now() > deadline) throw new Error(`${lock} is held by another process; remove it if none is running`)
    await delay(20)
  }
  try {
    return await action()
  } finally {
    await rm(lock, { force: true })
  }
}

async function isLockTaken(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
    await removeStaleLock(lock)
    return false
  }
}

async function removeStaleLock(lock: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(lock)
    if (Date.now() - mtimeMs > LOCK_STALE_MS) await unlink(lock)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

async function writeSynced(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

const temporaryName = (path: string) => `${path}.${randomBytes(6).toString('hex')}.tmp`
const isCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code

// Notices when files of the admin change, within one second whatever the file system does.
// 1. File system events on every folder, where the platform has them, gathered for a moment. 2. A look at every file twice a second as a
// net: network mounts and some containers send no events. 3. Only a changed content counts, so a touched file reloads nothing.
import { createHash } from 'node:crypto'
import type { FSWatcher } from 'node:fs'
import { watch } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MAX_FILE_BYTES } from '../config/read-file.ts'

/** What to watch and whom to tell. */
export interface WatchOptions {
  /**
   * Files, and folders whose JSON files count. They may be created later, replaced by a rename, or stand behind a symbolic link. A
   * function is asked at every look; a path that is new counts as a change.
   */
  readonly paths: readonly string[] | (() => readonly string[])
  /** How long to wait for more changes after the first event. */
  readonly debounceMs?: number
  readonly pollMs?: number
  /** Called after a change, never twice at once. What it throws goes to `onError`. */
  onChange(): Promise<void> | void
  onError(error: unknown): void
}

/** A running watch. */
export interface ConfigWatch {
  /** Stops looking and waits for a call under way. */
  close(): Promise<void>
}

/** Starts watching. Resolves when the state to compare with has been taken: load after that, and no change is missed. */
export async function watchConfig(options: WatchOptions): Promise<ConfigWatch> {
  const watcher = createWatcher(options)
  await watcher.look(true)
  const net = setInterval(() => watcher.wake(), options.pollMs ?? 500)
  return {
    async close() {
      clearInterval(net)
      await watcher.stop()
    },
  }
}

type State = { readonly status: string; readonly content: string }

function createWatcher(options: WatchOptions) {
  const events = createEvents(() => schedule())
  let before: State = { status: '', content: '' }
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let again = false
  let stopped = false

  /** Looks once; tells of a change unless this is the first look. */
  async function look(first: boolean): Promise<void> {
    const paths = typeof options.paths === 'function' ? options.paths() : options.paths
    await events.follow(paths)
    const status = await statusOf(paths)
    if (status === before.status) return
    const content = await contentOf(paths)
    const changed = !first && content !== before.content
    before = { status, content }
    if (changed && !stopped) await options.onChange()
  }

  /** One look at a time; a wake-up during a look leads to one more. */
  function wake(): void {
    if (running !== undefined) again = true
    if (running !== undefined || stopped) return
    running = look(false)
      .catch((error: unknown) => options.onError(error))
      .finally(() => {
        running = undefined
        if (again) schedule()
        again = false
      })
  }

  function schedule(): void {
    if (timer !== undefined || stopped) return
    timer = setTimeout(() => {
      timer = undefined
      wake()
    }, options.debounceMs ?? 100)
  }

  async function stop(): Promise<void> {
    stopped = true
    clearTimeout(timer)
    events.close()
    await running
  }

  return { look, wake, stop }
}

/** Event sources for folders, renewed when a folder appears or is another one than before. */
function createEvents(onEvent: () => void) {
  const sources = new Map<string, { readonly identity: string; readonly source: FSWatcher }>()
  return {
    async follow(paths: readonly string[]): Promise<void> {
      for (const folder of new Set(paths.flatMap((path) => [path, dirname(path)]))) {
        const identity = await folderIdentity(folder)
        const known = sources.get(folder)
        if (known?.identity === identity) continue
        known?.source.close()
        sources.delete(folder)
        const source = identity === undefined ? undefined : openSource(folder, onEvent)
        if (identity !== undefined && source !== undefined) sources.set(folder, { identity, source })
      }
    },
    close() {
      for (const { source } of sources.values()) source.close()
      sources.clear()
    },
  }
}

function openSource(folder: string, onEvent: () => void): FSWatcher | undefined {
  try {
    const source = watch(folder, { persistent: false }, onEvent)
    source.on('error', () => source.close()) // out of watches, or the folder went away: the net goes on looking
    return source
  } catch {
    return undefined // no events here: the net sees the change
  }
}

async function folderIdentity(path: string): Promise<string | undefined> {
  const status = await statOf(path)
  return status?.isDirectory() === true ? `${status.dev}:${status.ino}` : undefined
}

/** Everything `stat` says that changes with the content, following symbolic links. */
async function statusOf(paths: readonly string[]): Promise<string> {
  const files = await filesOf(paths)
  const states = await Promise.all(
    files.map(async (file) => {
      const status = await statOf(file)
      return status === undefined ? [file] : [file, status.dev, status.ino, status.size, status.mtimeNs, status.ctimeNs]
    }),
  )
  return states.join('\n')
}

async function contentOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of await filesOf(paths)) {
    const status = await statOf(file)
    // What the loader refuses unread is not read here either.
    const isReadable = status?.isFile() === true && status.size <= MAX_FILE_BYTES
    const content = isReadable ? await unlessGone(() => readFile(file)) : undefined
    hash.update(JSON.stringify([file, content?.length ?? String(status?.mtimeNs)]))
    if (content !== undefined) hash.update(content)
  }
  return hash.digest('hex')
}

/** The files to look at: those named, and the JSON files of the folders named. */
async function filesOf(paths: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      const names = await unlessGone(() => readdir(path))
      return names === undefined ? [path] : names.filter((name) => name.endsWith('.json')).map((name) => join(path, name))
    }),
  )
  return [...new Set(lists.flat())].toSorted()
}

function statOf(path: string) {
  return unlessGone(() => stat(path, { bigint: true }))
}

/** Undefined where there is nothing, or nothing to read: the loader says why when it gets there. */
async function unlessGone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}

import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'

/** Makes sure that no child outlives the gateway, not even when the gateway is killed. One for all children. */
export interface ChildGuard {
  /** From now on the group led by this process ends with the gateway. */
  watch(pid: number): void
  /** The group is gone. */
  release(pid: number): void
  /** Process id of the watcher; undefined until the first child is watched. */
  pid(): number | undefined
  close(): void
}

const PROGRAM = fileURLToPath(new URL('./child-guard.worker.ts', import.meta.url))
// The watcher keeps a set of numbers; it needs next to nothing, and may read its own program only.
const CONFINED = ['--permission', `--allow-fs-read=${PROGRAM}`]
const SMALL = ['--max-old-space-size=16', '--max-semi-space-size=1', '--single-threaded']
const FLAGS = [...CONFINED, ...SMALL, '--disable-warning=ExperimentalWarning']

/** Makes the guard. Its watcher process starts with the first child and again whenever it died; it never keeps the gateway running. */
export function createChildGuard(): ChildGuard {
  const groups = new Set<number>()
  let watcher: ChildProcess | undefined
  let closed = false

  const tell = (line: string): void => {
    watcher?.stdin?.write(line)
  }

  const start = (): void => {
    if (watcher !== undefined || closed || groups.size === 0) return
    // Detached: a session and group of its own, so that a signal to the gateway's group or terminal does not reach it.
    const started = spawn(process.execPath, [...FLAGS, PROGRAM], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {},
      windowsHide: true,
    })
    watcher = started
    const lost = (): void => {
      if (watcher !== started) return
      watcher = undefined
      setTimeout(start, 1_000).unref()
    }
    started.once('error', lost)
    started.once('exit', lost)
    started.stdin.on('error', lost)
    started.unref()
    // `as`: a piped stdin of a child is a socket, whose handle would keep the event loop busy.
    ;(started.stdin as Socket).unref()
    tell([...groups].map((pid) => `+${pid}\n`).join(''))
  }

  return {
    watch(pid) {
      groups.add(pid)
      if (watcher === undefined) start()
      else tell(`+${pid}\n`)
    },
    release(pid) {
      if (groups.delete(pid)) tell(`-${pid}\n`)
    },
    pid: () => watcher?.pid,
    close() {
      closed = true
      watcher?.stdin?.end()
    },
  }
}

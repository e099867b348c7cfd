import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

// What Linux knows of a process and of those below it. A process that ends while it is looked at counts as nothing.

const TICKS_PER_SECOND = 100 // USER_HZ of every Linux that Node runs on

/** A process and everything below it. */
export function treeOf(pid: number): readonly number[] {
  const below = Map.groupBy(allProcesses(), ({ parent }) => parent)
  const found = [pid]
  for (const one of found) for (const child of below.get(one) ?? []) found.push(child.pid)
  return found
}

/** Those of a tree that run the gateway itself: the process and its workers, not the servers it started. */
export function gatewayOf(pid: number): readonly number[] {
  return treeOf(pid).filter((one) => one === pid || read(`/proc/${one}/cmdline`).includes('/src/'))
}

/** Resident memory in MiB. */
export function memoryOf(pids: readonly number[]): number {
  return sum(pids, (pid) => Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0)) / 1_024
}

/** Processor time of all threads, in milliseconds. */
export function cpuOf(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const fields = fieldsOf(pid)
    return ((Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND) * 1_000
  })
}

/** Open descriptors. */
export function descriptorsOf(pids: readonly number[]): number {
  return sum(pids, (pid) => listed(`/proc/${pid}/fd`).length)
}

/** Threads. */
export function threadsOf(pids: readonly number[]): number {
  return sum(pids, (pid) => listed(`/proc/${pid}/task`).length)
}

/** Processes whose working folder is this one, with the words they were started with. */
export function processesIn(folder: string): readonly { readonly pid: number; readonly command: string }[] {
  return allProcesses()
    .filter(({ pid }) => workingFolder(pid) === folder)
    .map(({ pid }) => ({ pid, command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') }))
}

/** Children of a process that ended and were not waited for. */
export function zombiesBelow(pid: number): number {
  return treeOf(pid).filter((one) => fieldsOf(one)[0] === 'Z').length
}

function allProcesses(): { readonly pid: number; readonly parent: number }[] {
  return listed('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      const fields = fieldsOf(Number(name))
      return { pid: Number(name), parent: Number(fields[1] ?? 0) }
    })
}

/** The fields of proc(5) stat from the third on; the second may hold blanks. */
function fieldsOf(pid: number): readonly string[] {
  const text = read(`/proc/${pid}/stat`)
  return text === '' ? [] : text.slice(text.lastIndexOf(') ') + 2).split(' ')
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0)
}

function read(path: string): string {
  return orNothing(() => readFileSync(path, 'utf8'), '')
}

function listed(path: string): readonly string[] {
  return orNothing(() => readdirSync(path), [])
}

function workingFolder(pid: number): string {
  return orNothing(() => readlinkSync(`/proc/${pid}/cwd`), '')
}

/** The file of a process that has ended is gone, or cannot be read any more. */
function orNothing<T>(look: () => T, nothing: T): T {
  try {
    return look()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return nothing
    throw error
  }
}

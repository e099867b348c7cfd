import { readdirSync, readFileSync } from 'node:fs'

/** What the kernel knows of a process (Linux). */
export interface ProcessFigures {
  /** Clock ticks since boot: another process with the same id has another one. */
  readonly startedAt: string
  readonly residentBytes: number
  readonly descriptors: number
  /** Children and theirs, without zombies. */
  readonly descendants: readonly number[]
  /** Children that ended and were not waited for. */
  readonly zombies: readonly number[]
}

/** Reads them; throws when the process is gone. */
export function readFigures(pid: number): ProcessFigures {
  const family = familyOf(pid)
  return {
    startedAt: readStat(pid)?.startedAt ?? '',
    residentBytes: readResident(pid),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    descendants: family.filter(({ state }) => state !== 'Z').map((one) => one.pid),
    zombies: family.filter(({ state, parent }) => state === 'Z' && parent === pid).map((one) => one.pid),
  }
}

function readResident(pid: number): number {
  const [, resident = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(resident) * 1_024
}

interface Stat {
  readonly pid: number
  readonly state: string
  readonly parent: number
  readonly startedAt: string
}

/** Undefined for a process that ended while it was looked at. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name of the program stands in brackets and may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid, state: fields[0] ?? '', parent: Number(fields[1]), startedAt: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

function familyOf(pid: number): Stat[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (readStat(Number(name)) ?? []) : []))
  const family: Stat[] = []
  for (let parents = [pid]; parents.length > 0;) {
    const next = all.filter(({ parent }) => parents.includes(parent))
    family.push(...next)
    parents = next.map((one) => one.pid)
  }
  return family
}

/** Looks at the resident memory of a process every few milliseconds until it is disposed; `grown` is how far it rose above its beginning. */
export function watchPeak(pid: number): Disposable & { grown(): number } {
  const first = readResident(pid)
  let peak = first
  const timer = setInterval(() => {
    try {
      peak = Math.max(peak, readResident(pid))
    } catch {
      // The process is gone: what it had is known.
      clearInterval(timer)
    }
  }, 10)
  return { grown: () => peak - first, [Symbol.dispose]: () => clearInterval(timer) }
}

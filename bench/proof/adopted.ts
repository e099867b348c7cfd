import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

const alive = new Set<ChildProcess>()

/** Remembers a process until it ends, so that none outlives this one. */
export function adopt(child: ChildProcess): ChildProcess {
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  return child
}

/** Ends every process still there, at once; for the end of this process. */
export function endAdopted(): void {
  for (const child of alive) child.kill('SIGKILL')
}

/** Sends a signal and waits for the end; SIGKILL follows when that takes too long. Resolves to the exit code. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals, patienceMs: number): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await exited
  clearTimeout(timer)
  return child.exitCode
}

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** What a finished command left behind. */
export type Finished = {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
}

/** A server that runs in a child process and has said where it listens. */
export type RunningServer = { readonly url: string; close(): Promise<void> }

const KILL_AFTER_MS = 5_000
const TAIL_CHARACTERS = 4_000

/** Runs Node on a script to its end, or stops it when its time is up. */
export async function runNode(args: readonly string[], timeoutMs: number): Promise<Finished> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = collect(child)
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, timeoutMs)
  try {
    await once(child, 'close')
  } finally {
    clearTimeout(timer)
  }
  return { code: child.exitCode, ...output, timedOut }
}

/** Starts a server with Node and waits for the line that holds its URL. */
export async function startServer(args: readonly string[], urlPattern: RegExp, timeoutMs: number): Promise<RunningServer> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = collect(child)
  try {
    return { url: await readUrl(child, urlPattern, timeoutMs), close: () => stop(child) }
  } catch (cause) {
    await stop(child)
    const said = `${output.stdout}${output.stderr}`.slice(-TAIL_CHARACTERS)
    throw new Error(`"node ${args.join(' ')}" printed no URL within ${timeoutMs} ms; it said:\n${said}`, { cause })
  }
}

async function readUrl(child: ChildProcess, pattern: RegExp, timeoutMs: number): Promise<string> {
  if (child.stdout === null) throw new Error('the server has no output')
  const signal = AbortSignal.timeout(timeoutMs)
  for await (const line of createInterface({ input: child.stdout, signal })) {
    const url = pattern.exec(line)?.[1]
    if (url !== undefined) {
      child.stdout.resume()
      return url
    }
  }
  throw new Error('the server ended or stayed silent')
}

/** Gathers the output as it comes; the object is filled while the child runs. */
function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  return output
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
  await closed
  clearTimeout(timer)
}

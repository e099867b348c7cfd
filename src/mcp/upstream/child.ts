import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { isUtf8 } from 'node:buffer'
import type { Readable, Writable } from 'node:stream'
import type { StdioServer } from '../../config/server.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Report } from '../../core/events.ts'
import type { ChildEnvironment } from './child-environment.ts'
import type { ChildGuard } from './child-guard.ts'
import { confine } from './child-sandbox.ts'
import { createReadPace } from './child-pace.ts'
import { createStderrSink } from './child-stderr.ts'
import { createLineCutter } from './lines.ts'
import type { MessageLink } from './rpc-peer.ts'

/** How a child ended. */
export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** In words for operators. */
  readonly reason: string
  readonly uptimeMs: number
}

/** A running child process and the link over its pipes. */
export interface Child extends MessageLink {
  readonly pid: number
  uptimeMs(): number
  /** Resolves when the process is gone and its whole group with it; never rejects. */
  readonly exited: Promise<ChildExit>
}

/** What starting a child takes. */
export interface ChildOptions {
  readonly id: string
  readonly config: StdioServer
  /** Absolute path of the executable. */
  readonly executable: string
  readonly cwd: string
  readonly environment: ChildEnvironment
  readonly guard: ChildGuard
  readonly report: Report
  /** Monotonic milliseconds. */
  readonly now: () => number
}

type Pipes = ChildProcessByStdio<Writable, Readable, Readable>

// Ends of a child after its stdin was closed: asked again with SIGTERM, then killed. Together within five seconds.
const TERM_MS = 2_500
// A process that left the group may hold our pipes open; nobody waits for it.
const DRAIN_MS = 500
const MAX_BACKLOG = 16 * 1024 * 1024
// Per 50 ms: 40 000 messages a second are more than a server needs, 26 MB of stderr a second more than anybody reads.
const MAX_MESSAGES = 2_000
const MAX_STDERR_CHUNKS = 20
// JSON may hold these as they are, but line readers of some runtimes (Node's readline) end a line at them.
const OTHER_LINE_ENDS = /[\u0085\u2028\u2029]/g
const toEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
const isWindows = process.platform === 'win32'

/** Starts a child in a process group of its own, without a shell. Rejects with `upstream_unavailable` when it cannot be started. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { config, executable, cwd, environment, guard, id } = options
  const knows = (flag: string): boolean => process.allowedNodeEnvironmentFlags.has(flag)
  const start = confine({ config, executable, cwd, restricted: process.permission !== undefined, knows })
  const pipes = spawn(start.executable, start.args, {
    cwd,
    env: { ...environment.env, ...start.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    shell: false,
    windowsHide: true,
    // Its own group, so that a tree (npx, sh, node) ends as one. Windows has none: there only the leader is ended.
    detached: !isWindows,
  })
  if (pipes.pid !== undefined) guard.watch(pipes.pid)
  await new Promise<void>((resolve, reject) => {
    pipes.once('spawn', resolve)
    pipes.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new GatewayError('upstream_unavailable', `server "${id}" could not be started: ${cause.code ?? 'spawn failed'}`, {
          cause,
        }),
      )
    })
  })
  return new ChildProcessLink(pipes, options)
}

class ChildProcessLink implements Child {
  readonly pid: number
  readonly exited: Promise<ChildExit>
  readonly #pipes: Pipes
  readonly #options: ChildOptions
  readonly #startedAt: number
  #onMessage: (text: string) => void = () => undefined
  readonly #onClose: ((reason: string) => void)[] = []
  /** The first reason counts: what we noticed about the child comes before how it then ended. */
  #reason: string | undefined
  #stopping: NodeJS.Timeout | undefined

  constructor(pipes: Pipes, options: ChildOptions) {
    this.#pipes = pipes
    this.#options = options
    this.#startedAt = options.now()
    // `spawn` was emitted, so there is a pid.
    this.pid = pipes.pid ?? 0
    this.#readStdout()
    this.#readStderr()
    pipes.stdin.on('error', () => this.#break('it closed its stdin'))
    pipes.on('error', () => this.#break('it could not be signalled'))
    this.exited = this.#watchExit()
  }

  uptimeMs(): number {
    return Math.round(this.#options.now() - this.#startedAt)
  }

  send(text: string): void {
    const { stdin } = this.#pipes
    if (this.#reason !== undefined || !stdin.writable) {
      throw new GatewayError(
        'upstream_unavailable',
        `server "${this.#options.id}" is gone: ${this.#reason ?? 'its stdin is closed'}`,
      )
    }
    if (stdin.writableLength > MAX_BACKLOG) {
      throw new GatewayError('overloaded', `server "${this.#options.id}" does not read what is sent to it`)
    }
    stdin.write(`${text.replaceAll(OTHER_LINE_ENDS, toEscape)}\n`)
  }

  onMessage(listener: (text: string) => void): void {
    this.#onMessage = listener
  }

  onClose(listener: (reason: string) => void): void {
    if (this.#reason === undefined) this.#onClose.push(listener)
    else listener(this.#reason)
  }

  /** Closes stdin and gives the child that long to end by itself; then SIGTERM and SIGKILL to its group. */
  async close(graceMs: number, reason = 'closed by the gateway'): Promise<void> {
    this.#close(reason)
    this.#pipes.stdin.end()
    this.#stop(graceMs)
    await this.exited
  }

  #readStdout(): void {
    const { stdout } = this.#pipes
    const { lineBytes } = this.#options.config.bounds
    const pace = createReadPace(stdout, MAX_MESSAGES, this.#options.now)
    const cut = createLineCutter({
      maxBytes: lineBytes,
      onLine: (line) => {
        pace.count()
        // Text that is no UTF-8 is no message either; as an empty text it counts as one that cannot be read.
        this.#onMessage(isUtf8(line) ? line.toString('utf8') : '')
      },
      onOverflow: () => this.#break(`it wrote a line over ${lineBytes} bytes`),
    })
    stdout.on('data', (chunk: Buffer) => {
      if (this.#reason === undefined) cut(chunk)
    })
    stdout.on('end', () => this.#break('it closed its stdout', 250))
    stdout.on('error', () => this.#break('its stdout broke'))
  }

  #readStderr(): void {
    const { id, config, environment, report, now } = this.#options
    const { stderr } = this.#pipes
    const sink = createStderrSink({
      maxBytesPerSecond: config.bounds.stderrBytesPerSecond,
      secrets: environment.secrets,
      now,
      report: (text, droppedBytes) => report({ type: 'child-stderr', server: id, text, droppedBytes }),
    })
    const pace = createReadPace(stderr, MAX_STDERR_CHUNKS, now)
    stderr.on('data', (chunk: Buffer) => {
      pace.count()
      sink.push(chunk)
    })
    stderr.on('error', () => sink.end())
    stderr.on('close', () => sink.end())
  }

  async #watchExit(): Promise<ChildExit> {
    const pipes = this.#pipes
    const end = await new Promise<Pick<ChildExit, 'code' | 'signal'>>((resolve) => {
      if (pipes.exitCode !== null || pipes.signalCode !== null) resolve({ code: pipes.exitCode, signal: pipes.signalCode })
      else pipes.once('exit', (code, signal) => resolve({ code, signal }))
    })
    const uptimeMs = this.uptimeMs()
    clearTimeout(this.#stopping)
    // The leader is gone: whoever is left of its group has lost its reason to be.
    this.#signal('SIGKILL')
    this.#options.guard.release(this.pid)
    await this.#drain()
    const how = end.signal === null ? `it exited with code ${end.code}` : `it was ended by ${end.signal}`
    const reason = this.#reason ?? how
    this.#close(how)
    return { ...end, reason, uptimeMs }
  }

  /** Reads what the child wrote before it ended, answers included. */
  #drain(): Promise<void> {
    const { stdin, stdout, stderr } = this.#pipes
    stdin.destroy()
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        stdout.destroy()
        stderr.destroy()
        resolve()
      }
      const timer = setTimeout(done, DRAIN_MS)
      if (stdout.closed && stderr.closed) done()
      else this.#pipes.once('close', done)
    })
  }

  /** The child cannot be talked to any more: it is ended. */
  #break(reason: string, graceMs = 0): void {
    if (this.#reason !== undefined) return
    if (graceMs === 0) this.#close(reason)
    this.#stop(graceMs)
  }

  #close(reason: string): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    for (const listener of this.#onClose.splice(0)) listener(reason)
  }

  #stop(graceMs: number): void {
    clearTimeout(this.#stopping)
    if (this.#pipes.exitCode !== null || this.#pipes.signalCode !== null) return
    const kill = (): void => this.#signal('SIGKILL')
    const terminate = (): void => {
      this.#close('it closed its stdout')
      this.#signal('SIGTERM')
      this.#stopping = setTimeout(kill, TERM_MS)
    }
    this.#stopping = setTimeout(terminate, graceMs)
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(isWindows ? this.pid : -this.pid, signal)
    } catch (error) {
      // ESRCH: nobody is left, which is what was wanted. EPERM: it changed its user; then there is nothing we can do.
      if (!(error instanceof Error && 'code' in error)) throw error
    }
  }
}

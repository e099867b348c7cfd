import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Server, type StdioServer } from '../../src/config/server.ts'
import type { GatewayEvent } from '../../src/core/events.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { createSecrets } from '../../src/lib/secrets.ts'
import { createChildGuard, type ChildGuard } from '../../src/mcp/upstream/child-guard.ts'
import type { Caller, Connection, UpstreamStep } from '../../src/mcp/upstream/contract.ts'
import { connectStdio, type StdioConnection, type StdioDeps } from '../../src/mcp/upstream/stdio-connection.ts'

/** The folder of the checkout. */
export const root = dirname(dirname(import.meta.dirname))
/** A server that misbehaves on demand. */
export const childProgram = fileURLToPath(new URL('./child-program.ts', import.meta.url))

/** What a caller heard, besides its answer. */
export type Heard = { readonly method: string; readonly params: JsonObject }

/** A caller as the pipeline would make it. */
export function createCaller(overrides: Partial<Caller> = {}): Caller & { readonly heard: Heard[] } {
  const heard: Heard[] = []
  return {
    key: 'issuer|ann',
    capabilities: {},
    progress: false,
    trace: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true },
    signal: new AbortController().signal,
    timings: { queueMs: 0, guardMs: 0, upstreamMs: 0 },
    notify: (method, params) => heard.push({ method, params }),
    ...overrides,
    heard,
  }
}

/** A checked registration of a stdio server. */
export function toStdioServer(settings: object): StdioServer {
  const server = Server.parse({ type: 'stdio', command: process.execPath, ...settings })
  if (server.type !== 'stdio') throw new Error('no stdio server')
  return server
}

/** A bench for stdio connections: everything opened through it is closed with it. */
export class StdioBench {
  readonly events: GatewayEvent[] = []
  readonly guard: ChildGuard = createChildGuard()
  readonly #connections: StdioConnection[] = []

  /** Connects to any program. */
  async connect(settings: object, deps: Partial<StdioDeps> = {}): Promise<StdioConnection> {
    const connection = await connectStdio(toStdioServer(settings), {
      id: 'child',
      secrets: createSecrets(process.env, root),
      env: process.env,
      baseDir: root,
      guard: this.guard,
      report: (event) => this.events.push(event),
      now: () => performance.now(),
      clientInfo: { name: 'tollgate', version: '0' },
      ...deps,
    })
    this.#connections.push(connection)
    return connection
  }

  /** Connects to the program that misbehaves on demand; legacy, unless the settings say otherwise. */
  child(flags: readonly string[] = [], settings: object = {}, deps: Partial<StdioDeps> = {}): Promise<StdioConnection> {
    return this.connect({ args: [childProgram, ...flags], era: 'legacy', ...settings }, deps)
  }

  /** What the child wrote to stderr so far, as operators hear it. */
  stderr(): { readonly text: string; readonly droppedBytes: number } {
    const heard = this.events.filter((event) => event.type === 'child-stderr')
    return {
      text: heard.map((event) => event.text).join('\n'),
      droppedBytes: heard.reduce((sum, event) => sum + event.droppedBytes, 0),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()))
    this.guard.close()
  }
}

/** Calls a tool and waits for its next step. */
export function callTool(
  connection: Connection,
  name: string,
  input: JsonObject = {},
  caller: Caller = createCaller(),
): Promise<UpstreamStep> {
  return connection.send({ method: 'tools/call', params: { name, arguments: input }, caller })
}

/** The text of a tool's answer. */
export function textOf(step: UpstreamStep): string {
  if (step.kind !== 'result') throw new Error(`expected a result, got ${JSON.stringify(step)}`)
  // `as`: the fixture answers with text blocks only.
  const [block] = step.result['content'] as readonly { readonly text: string }[]
  return block?.text ?? ''
}

/** The JSON in the text of a tool's answer. */
export function jsonOf(step: UpstreamStep): ReturnType<typeof JSON.parse> {
  return JSON.parse(textOf(step))
}

/** Tells whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  const status = `/proc/${pid}/stat`
  if (existsSync('/proc/self/stat')) return existsSync(status) && !/^\d+ \(.*\) Z/.test(readSafely(status))
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function readSafely(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return 'x (gone) Z'
  }
}

/** Waits until none of these processes is there; resolves with the milliseconds it took, or rejects with who is left. */
export async function untilGone(pids: readonly number[], withinMs: number): Promise<number> {
  const begun = performance.now()
  for (;;) {
    const left = pids.filter(isAlive)
    const ms = performance.now() - begun
    if (left.length === 0) return ms
    if (ms > withinMs) throw new Error(`still there after ${Math.round(ms)} ms: ${left.join(', ')}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

import { isAbsolute, resolve } from 'node:path'
import type { StdioServer } from '../../config/server.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Report } from '../../core/events.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Era } from '../../core/snapshot.ts'
import type { Secrets } from '../../lib/secrets.ts'
import { resolveCommand } from './child-command.ts'
import { toChildEnvironment, type Environment } from './child-environment.ts'
import type { ChildGuard } from './child-guard.ts'
import { startChild, type Child, type ChildExit } from './child.ts'
import type { Connection, ServerFacts } from './contract.ts'
import { openConversation } from './rpc-handshake.ts'
import { RpcPeer } from './rpc-peer.ts'
import { RpcConnection } from './rpc.ts'

/** What earlier conversations found out about a server's era. */
export interface EraVerdict {
  get(): Era | undefined
  set(era: Era | undefined): void
}

/** What a stdio connection borrows. */
export interface StdioDeps {
  readonly id: string
  readonly secrets: Secrets
  /** The gateway's own environment; a child gets the few names it may have. */
  readonly env: Environment
  /** Where children run unless their file says otherwise: the folder relative paths are meant from. */
  readonly baseDir: string
  readonly guard: ChildGuard
  readonly report: Report
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly clientInfo: JsonObject
  /** Client capabilities declared to a legacy server: what the callers of this child can answer. */
  readonly capabilities?: JsonObject
  readonly verdict?: EraVerdict
  /** How long the first `server/discover` may take before `initialize` is tried. */
  readonly probeMs?: number
}

/** A conversation with a child process. */
export interface StdioConnection extends Connection {
  readonly pid: number
  uptimeMs(): number
  /** Resolves when the child and its whole group are gone. */
  readonly exited: Promise<ChildExit>
}

const PROBE_MS = 2_000
const CLOSE_MS = 2_000
// Starting may mean fetching a package first; the deadline of a call is too short for it.
const START_MS = 30_000

/** Starts a stdio server and opens the conversation. The child is gone when this rejects. */
export async function connectStdio(config: StdioServer, deps: StdioDeps): Promise<StdioConnection> {
  try {
    return await connectOnceOrTwice(config, deps)
  } catch (error) {
    throw error instanceof ProbeExit ? error.cause : error
  }
}

async function connectOnceOrTwice(config: StdioServer, deps: StdioDeps): Promise<StdioConnection> {
  const start = prepare(config, deps)
  const known = deps.verdict?.get()
  try {
    return await converse(await start(), config, deps, config.era === 'auto' ? known : config.era)
  } catch (error) {
    // A legacy server may end itself on a request it does not know. It gets a second life without the probe.
    const mayBeLegacy = config.era === 'auto' && known === undefined && error instanceof ProbeExit
    if (!mayBeLegacy) deps.verdict?.set(undefined)
    if (!mayBeLegacy) throw error
    return await converse(await start(), config, deps, 'legacy')
  }
}

/** The child ended by itself before the handshake did. */
class ProbeExit extends Error {}

function prepare(config: StdioServer, deps: StdioDeps): () => Promise<Child> {
  const { id, guard, report, now, baseDir } = deps
  const environment = toChildEnvironment(config, deps.env, deps.secrets)
  const executable = resolveCommand(config, environment.env['PATH'] ?? '')
  const cwd = config.cwd === undefined ? baseDir : isAbsolute(config.cwd) ? config.cwd : resolve(baseDir, config.cwd)
  if (config.allowInterpreterFlags) {
    report({
      type: 'child-stderr',
      server: id,
      text: 'started with allowInterpreterFlags: its file may hold code',
      droppedBytes: 0,
    })
  }
  return () => startChild({ id, config, executable, cwd, environment, guard, report, now })
}

async function converse(child: Child, config: StdioServer, deps: StdioDeps, era: Era | undefined): Promise<StdioConnection> {
  const peer = new RpcPeer(child, deps.id)
  const { timeouts, bounds, concurrency } = config
  try {
    const facts = await openConversation(peer, {
      server: deps.id,
      era: config.era,
      ...(era === undefined ? {} : { known: era }),
      clientInfo: deps.clientInfo,
      capabilities: deps.capabilities ?? {},
      probeMs: deps.probeMs ?? PROBE_MS,
      answerMs: Math.max(START_MS, timeouts.firstByteMs),
    })
    deps.verdict?.set(facts.era)
    const connection = new RpcConnection(peer, facts, {
      server: deps.id,
      clientInfo: deps.clientInfo,
      deadlines: timeouts,
      maxResultBytes: bounds.resultBytes,
      maxInFlight: concurrency.max,
      closeMs: CLOSE_MS,
      now: deps.now,
    })
    return withChild(connection, child, facts)
  } catch (error) {
    const endedItself = peer.closed !== undefined
    await child.close(0)
    if (!endedItself) throw error
    const { reason } = await child.exited
    const cause = new GatewayError('upstream_unavailable', `server "${deps.id}" ended during the handshake: ${reason}`, {
      cause: error,
    })
    throw new ProbeExit('the child ended', { cause })
  }
}

function withChild(connection: Connection, child: Child, facts: ServerFacts): StdioConnection {
  return {
    facts,
    pid: child.pid,
    exited: child.exited,
    uptimeMs: () => child.uptimeMs(),
    send: (options) => connection.send(options),
    notify: (method, params) => connection.notify(method, params),
    onNotification: (listener) => connection.onNotification(listener),
    onClose: (listener) => connection.onClose(listener),
    listen: (uris) => connection.listen(uris),
    close: () => connection.close(),
  }
}

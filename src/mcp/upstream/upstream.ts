import type { Server } from '../../config/server.ts'
import { GatewayError, toGatewayError } from '../../core/errors.ts'
import type { Report } from '../../core/events.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CatalogItem, Inventory, OfferedKind, ServerStatus } from '../../core/snapshot.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { createGatekeeper, type Gatekeeper } from './admission.ts'
import type { Caller, SendOptions, Upstream, UpstreamChange, UpstreamRequest, UpstreamStep } from './contract.ts'
import { createConnect, poolKeyOf, SHARED, type Connect, type ConnectDeps } from './connect.ts'
import { wasNotExecuted } from './http-exchange.ts'
import { RECONNECTED } from './http-listen.ts'
import { definitionChanges, fetchInventory, freshlyDropped } from './inventory.ts'
import { sendOn } from './leased.ts'
import { ConnectionPool, type PoolEntry } from './pool.ts'
import { Refresher } from './refresher.ts'
import { Watches } from './watches.ts'

/** What an upstream borrows besides what it takes to connect (the credential, the way out, how to start a child, a monotonic clock). */
export interface UpstreamDeps extends ConnectDeps {
  readonly report: Report
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly random: () => number
}

/** One registered server and how to reach it. */
export interface UpstreamOptions {
  readonly id: string
  readonly config: Server
  readonly deps: UpstreamDeps
}

const HEADER_MISMATCH = -32_020
const UNSUPPORTED_VERSION = -32_022
const RETRY_MS = 50
const SWEEP_MS = 15_000
const HTTP_IDLE_MS = 300_000
const MAX_CONNECTIONS = 1_000
const LOST = { minMs: 200, maxMs: 30_000 }
const CALM_MS = 60_000
const KINDS: Readonly<Record<string, readonly OfferedKind[]>> = {
  'notifications/tools/list_changed': ['tool'],
  'notifications/prompts/list_changed': ['prompt'],
  'notifications/resources/list_changed': ['resource', 'template'],
}

/** Makes the connector to one registered server. It does nothing until it is refreshed or called; then it keeps itself fresh. */
export function createUpstream(options: UpstreamOptions): Upstream {
  return new RegisteredUpstream(options)
}

class RegisteredUpstream implements Upstream {
  readonly id: string
  readonly #config: Server
  readonly #deps: UpstreamDeps
  readonly #connect: Connect
  readonly #pool: ConnectionPool
  readonly #gate: Gatekeeper
  readonly #watches: Watches
  readonly #refresher: Refresher<OfferedKind>
  readonly #closing = new AbortController()
  readonly #sweeper: NodeJS.Timeout
  #listeners: ((change: UpstreamChange) => void)[] = []
  #inventory: Inventory | undefined
  #losses = 0
  #lostAt = -CALM_MS
  #status: Omit<ServerStatus, 'circuit'>

  constructor({ id, config, deps }: UpstreamOptions) {
    this.id = id
    this.#config = config
    this.#deps = deps
    this.#status = { state: 'starting', since: deps.now() }
    this.#connect = createConnect(id, config, deps)
    this.#pool = this.#createPool()
    this.#gate = createGatekeeper({
      server: id,
      config,
      now: deps.monotonic,
      random: deps.random,
      onCircuit: () => this.#onCircuit(),
    })
    this.#watches = new Watches(async (key) => {
      const lease = await this.#pool.lease(key, this.#closing.signal)
      lease.release()
      return lease.connection
    })
    this.#refresher = new Refresher({
      run: (kinds, notices) => this.#fetch(kinds, notices),
      everyMs: config.refreshMs,
      now: deps.monotonic,
      random: deps.random,
    })
    this.#sweeper = setInterval(() => this.#pool.sweep(), SWEEP_MS).unref()
  }

  status(): ServerStatus {
    return { ...this.#status, circuit: this.#gate.circuit }
  }

  inventory(): Inventory | undefined {
    return this.#inventory
  }

  async call(request: UpstreamRequest, caller: Caller): Promise<UpstreamStep> {
    const step = await this.#callSafely(request, caller)
    if (step.kind !== 'error') return step
    if (step.error.code === UNSUPPORTED_VERSION) this.#doubt()
    const fresh = step.error.code === HEADER_MISMATCH ? await this.#relisted(request.item) : undefined
    return fresh ? await this.#callSafely({ ...request, item: fresh }, caller) : step
  }

  async watch(
    uri: string,
    caller: Pick<Caller, 'key' | 'capabilities'>,
    updated: (params: JsonObject) => void,
  ): Promise<() => void> {
    return await this.#watches.add(poolKeyOf(this.#config, this.#connect, caller), uri, updated)
  }

  inform(method: string, params: JsonObject | undefined, key: string): void {
    for (const { key: owner, connection } of this.#pool.entries()) {
      if (owner.principal !== key || connection.facts.era === 'modern') continue
      // A session that cannot be told is gone; its next call will see that.
      connection.notify(method, params).catch(() => undefined)
    }
  }

  async refresh(): Promise<void> {
    await this.#refresher.all()
  }

  onChange(listener: (change: UpstreamChange) => void): () => void {
    this.#listeners = [...this.#listeners, listener]
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener)
    }
  }

  async close(graceMs: number): Promise<void> {
    this.#refresher.stop()
    clearInterval(this.#sweeper)
    const deadline = this.#deps.monotonic() + graceMs
    while (this.#gate.active > 0 && this.#deps.monotonic() < deadline) await pause(20)
    this.#closing.abort()
    await this.#pool.close()
    await this.#connect.close()
  }

  /** One call; sent once more when it certainly did nothing: no connection came about, or the session was gone. */
  async #callSafely(request: UpstreamRequest, caller: Caller): Promise<UpstreamStep> {
    try {
      return await this.#callOnce(request, caller)
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'upstream_invalid') this.#doubt()
      if (!wasNotExecuted(error) || caller.signal.aborted || this.#closing.signal.aborted) throw error
      await pause(RETRY_MS * (0.5 + this.#deps.random()))
      return await this.#callOnce(request, caller)
    }
  }

  #callOnce(request: UpstreamRequest, caller: Caller): Promise<UpstreamStep> {
    return this.#gate.run(caller, () => {
      const { method, params, item } = request
      const options: SendOptions = { method, params, caller, item }
      const lease = this.#pool.lease(poolKeyOf(this.#config, this.#connect, caller), caller.signal)
      return lease instanceof Promise
        ? lease.then((opened) => sendOn(opened, this.#gate, options))
        : sendOn(lease, this.#gate, options)
    })
  }

  async #relisted(item: CatalogItem | undefined): Promise<CatalogItem | undefined> {
    if (item?.kind !== 'tool') return undefined
    await this.refresh()
    const definition = this.#inventory?.definitions.tool.find(({ name }) => name === item.definition.name)
    return definition && { ...item, definition }
  }

  /** The server may have changed its era: the next call finds out. */
  #doubt(): void {
    if (!this.#connect.doubt()) return
    this.#pool.retire()
    this.#refresher.soon(0)
  }

  async #fetch(kinds: ReadonlySet<OfferedKind>, notices: ReadonlySet<OfferedKind>): Promise<void> {
    // A child that was ended for idleness is not started again just to be asked.
    const asleep =
      this.#config.type === 'stdio' && this.#inventory !== undefined && this.#status.state === 'ready' && !this.#pool.has(SHARED)
    if (asleep) return
    try {
      const inventory = await this.#listSafely(kinds)
      this.#learned(inventory, notices)
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#setState({ state: 'down', reason: reasonOf(error) })
      throw error
    }
  }

  /** A session that ended in the meantime is no reason to call the server down. */
  async #listSafely(kinds: ReadonlySet<OfferedKind>): Promise<Inventory> {
    try {
      return await this.#list(kinds)
    } catch (error) {
      if (!wasNotExecuted(error)) throw error
      return await this.#list(kinds)
    }
  }

  async #list(kinds: ReadonlySet<OfferedKind>): Promise<Inventory> {
    const { connection, release } = await this.#pool.lease(SHARED, this.#closing.signal)
    try {
      const fetched = fetchInventory({
        server: this.id,
        connection,
        bounds: this.#config.bounds,
        listMs: this.#config.timeouts.listMs,
        now: this.#deps.now,
        previous: this.#inventory,
        kinds: kinds.size === 0 ? undefined : kinds,
        signal: this.#closing.signal,
      })
      // both must be there before anybody is told that the server is ready
      const [inventory] = await Promise.all([fetched, connection.listen(this.#watches.uris(SHARED))])
      return inventory
    } finally {
      release()
    }
  }

  #learned(inventory: Inventory, notices: ReadonlySet<OfferedKind>): void {
    const { report } = this.#deps
    const before = this.#inventory
    const changes = before ? definitionChanges(before, inventory) : []
    this.#inventory = inventory
    for (const { kind, name, reason } of freshlyDropped(before, inventory))
      report({ type: 'definition-dropped', server: this.id, kind, name, reason })
    for (const change of changes) report({ type: 'definition-changed', server: this.id, ...change })
    const told = this.#setState({ state: 'ready', era: inventory.era }, notices)
    const changed = changes.length > 0 || notices.size > 0 || !before
    if (!told && changed) this.#tell(notices)
  }

  /** Returns whether listeners were told. */
  #setState(next: Pick<ServerStatus, 'state' | 'reason' | 'era'>, notices: ReadonlySet<OfferedKind> = new Set()): boolean {
    const { state, reason, era } = this.#status
    const stateChanged = next.state !== state
    if (!stateChanged && next.reason === reason && (next.era ?? era) === era) return false
    const kept = next.era ?? era
    this.#status = { ...next, ...(kept ? { era: kept } : {}), since: stateChanged ? this.#deps.now() : this.#status.since }
    if (stateChanged && next.state === 'ready')
      this.#deps.report({ type: 'server-state', server: this.id, state: 'ready', circuit: this.#gate.circuit })
    this.#tell(notices)
    return true
  }

  #report(): void {
    const { state, reason } = this.#status
    this.#deps.report({
      type: 'server-state',
      server: this.id,
      state,
      circuit: this.#gate.circuit,
      ...(reason === undefined ? {} : { reason }),
    })
  }

  #tell(announced: ReadonlySet<OfferedKind>): void {
    for (const listener of this.#listeners) listener({ server: this.id, announced })
  }

  #onCircuit(): void {
    this.#report()
    this.#tell(new Set())
    // A server that fails calls, or answers them again, is worth asking what it is up to.
    this.#refresher.soon(this.#gate.circuit === 'closed' ? 0 : LOST.minMs)
  }

  #createPool(): ConnectionPool {
    const { type } = this.#config
    return new ConnectionPool({
      server: this.id,
      connect: ({ capabilities, era }) => this.#connect.open(capabilities, era),
      onOpen: (entry) => this.#onOpen(entry),
      onLost: (entry) => this.#onLost(entry),
      max: MAX_CONNECTIONS,
      idleMs: this.#config.type === 'stdio' ? this.#config.idleMs : HTTP_IDLE_MS,
      keep: (entry) => this.#watches.uris(entry.key).length > 0 || (type !== 'stdio' && entry.key === SHARED),
      now: this.#deps.monotonic,
    })
  }

  /** A shared connection that ends soon after it began, again and again, is opened again ever later. */
  #onLost({ key }: PoolEntry): void {
    if (key.principal !== '' || this.#closing.signal.aborted) return
    const now = this.#deps.monotonic()
    this.#losses = now - this.#lostAt > CALM_MS ? 1 : this.#losses + 1
    this.#lostAt = now
    this.#refresher.soon(backoffMs(this.#losses, LOST, this.#deps.random))
  }

  #onOpen(entry: PoolEntry): void {
    const { connection, key } = entry
    connection.onNotification((method, params) => {
      if (method === 'notifications/resources/updated') return this.#watches.tell(key, params)
      if (method === RECONNECTED) return this.#refresher.soon(0)
      const kinds = KINDS[method]
      if (kinds) this.#refresher.notice(kinds)
    })
    // Sessions of one caller listen as well: a legacy server may put its questions on the session's own stream.
    if (key !== SHARED) connection.listen(this.#watches.uris(key)).catch(() => undefined)
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** What operators read. A caller is never told which secret is missing; whoever can mend it must be. */
function reasonOf(error: unknown): string {
  const { code, message, cause } = toGatewayError(error)
  return code === 'upstream_auth' && cause instanceof Error ? `${message}: ${cause.message}` : message
}

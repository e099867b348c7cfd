import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { canonicalJson } from '../../lib/canonical-json.ts'
import type { Connection } from './contract.ts'

/** Whose connection it is: `principal` is empty when it is shared, capabilities are those declared when it opens. */
export interface PoolKey {
  readonly principal: string
  readonly capabilities: JsonObject
  /** `legacy`: a session at a server that is otherwise spoken to in the modern era. */
  readonly era?: 'legacy'
}

/** One connection of the pool. */
export interface PoolEntry {
  readonly key: PoolKey
  readonly connection: Connection
}

/** What a pool borrows. */
export interface PoolOptions {
  readonly server: string
  readonly connect: (key: PoolKey) => Promise<Connection>
  readonly onOpen: (entry: PoolEntry) => void
  /** A connection ended that the pool did not end itself. */
  readonly onLost: (entry: PoolEntry, reason: string) => void
  /** Connections kept at most; the idlest makes room. */
  readonly max: number
  /** A connection without calls is closed after this long; those for which `keep` holds stay. */
  readonly idleMs: number
  readonly keep: (entry: PoolEntry) => boolean
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** A connection in use; it is not closed for idleness until it is released. */
export interface Lease {
  readonly connection: Connection
  /** Called once, when the call is over. */
  release(): void
}

interface Slot extends PoolEntry {
  active: number
  lastUsedAt: number
  retired: boolean
}

/** The connections to one upstream: one per key, opened when first needed, shared by everybody with that key. */
export class ConnectionPool {
  readonly #options: PoolOptions
  readonly #slots = new Map<string, Slot>()
  readonly #opening = new Map<string, Promise<Slot>>()
  readonly #leaving = new Set<Promise<void>>()
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Takes the connection for a key; opens one when there is none. Giving up waits for nobody and breaks nothing. */
  lease(key: PoolKey, signal?: AbortSignal): Lease | Promise<Lease> {
    const slot = this.#slots.get(textOf(key))
    return slot === undefined ? this.#open(key, signal).then((opened) => this.#leaseOf(opened)) : this.#leaseOf(slot)
  }

  #leaseOf(slot: Slot): Lease {
    slot.active += 1
    return {
      connection: slot.connection,
      release: () => {
        slot.active -= 1
        slot.lastUsedAt = this.#options.now()
        if (slot.retired && slot.active === 0) this.#end(slot)
      },
    }
  }

  has(key: PoolKey): boolean {
    return this.#slots.has(textOf(key))
  }

  *entries(): Iterable<PoolEntry> {
    yield* this.#slots.values()
  }

  /** Forgets all connections, so that the next call opens a new one; calls under way go on to their end. */
  retire(): void {
    for (const [text, slot] of this.#slots) {
      this.#slots.delete(text)
      slot.retired = true
      if (slot.active === 0) this.#end(slot)
    }
  }

  /** Closes what nobody used for a while. */
  sweep(): void {
    const limit = this.#options.now() - this.#options.idleMs
    for (const [text, slot] of this.#slots) {
      if (slot.active === 0 && slot.lastUsedAt <= limit && !this.#options.keep(slot)) this.#remove(text, slot)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const [text, slot] of this.#slots) this.#remove(text, slot)
    await Promise.allSettled([...this.#leaving, ...this.#opening.values()])
    await Promise.allSettled(this.#leaving)
  }

  async #open(key: PoolKey, signal: AbortSignal | undefined): Promise<Slot> {
    if (signal?.aborted === true) throw new GatewayError('abandoned', 'the caller cancelled this call')
    const text = textOf(key)
    let opening = this.#opening.get(text)
    if (!opening) {
      opening = this.#connect(key, text).finally(() => this.#opening.delete(text))
      this.#opening.set(text, opening)
    }
    return await (signal ? unlessAborted(opening, signal) : opening)
  }

  async #connect(key: PoolKey, text: string): Promise<Slot> {
    if (this.#closed) throw new GatewayError('draining', `server "${this.#options.server}" is being closed`)
    this.#makeRoom()
    const connection = await this.#options.connect(key)
    const slot: Slot = { key, connection, active: 0, lastUsedAt: this.#options.now(), retired: false }
    this.#slots.set(text, slot)
    connection.onClose((reason) => {
      if (this.#slots.get(text) !== slot) return
      this.#slots.delete(text)
      this.#options.onLost(slot, reason)
    })
    if (this.#closed) this.#remove(text, slot)
    else this.#options.onOpen(slot)
    return slot
  }

  #makeRoom(): void {
    if (this.#slots.size + this.#opening.size < this.#options.max) return
    const idle = [...this.#slots].filter(([, slot]) => slot.active === 0 && !this.#options.keep(slot))
    const oldest = idle.sort(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt)[0]
    if (!oldest) throw new GatewayError('overloaded', `server "${this.#options.server}" has its limit of sessions open`)
    this.#remove(oldest[0], oldest[1])
  }

  #remove(text: string, slot: Slot): void {
    this.#slots.delete(text)
    this.#end(slot)
  }

  #end(slot: Slot): void {
    // A connection that cannot be closed politely is gone anyway.
    const leaving = slot.connection.close().catch(() => undefined)
    this.#leaving.add(leaving)
    void leaving.finally(() => this.#leaving.delete(leaving))
  }
}

function textOf({ principal, capabilities, era }: PoolKey): string {
  for (const _name in capabilities) return canonicalJson([principal, capabilities, era ?? null])
  // Canonical texts begin with a bracket, so this one is nobody else's; no era holds a line break.
  return principal === '' && era === undefined ? '' : `${era ?? ''}\n${principal}`
}

async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  if (signal.aborted) throw new GatewayError('abandoned', 'the caller cancelled this call')
  let giveUp = (): void => undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(new GatewayError('abandoned', 'the caller cancelled this call'))
    signal.addEventListener('abort', giveUp, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

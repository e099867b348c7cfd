// Sessions of legacy clients. How it works: (1) the session id is a sealed text that holds everything the session is, so that any node
// with the key can serve it; (2) each node remembers the sessions it has seen, counts them, and ends the idle ones; (3) ended ones are
// remembered until their seal expires. A node that never saw a session end (or restarted) would serve it to its owner again.
import { createHash, randomBytes } from 'node:crypto'
import type { Bounds } from '../config/gateway.ts'
import { GatewayError } from '../core/errors.ts'
import type { Report } from '../core/events.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Identity } from '../core/principal.ts'
import type { Sealer } from '../lib/seal.ts'
import { isBusy, type Session } from './session.ts'

/** What `initialize` agreed on. */
export interface SessionFounding {
  readonly identity: Identity
  readonly catalog: string | undefined
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject | undefined
}

/** The sessions of this node. */
export interface Sessions {
  /** Throws GatewayError `session_limit` or `overloaded`. */
  create(founding: SessionFounding): Session
  /** Throws GatewayError `session_not_found` for everything that is not a session of this caller on this endpoint. */
  find(id: string, identity: Identity, catalog: string | undefined): Session
  end(session: Session): void
  /** Ends the session of a principal that was used longest ago, when it is idle: another worker needs the place. */
  yieldPlace(key: string): void
  /** Ends sessions that are idle for too long or past their seal. */
  sweep(): void
  all(): Iterable<Session>
  readonly size: number
}

/** Places for sessions, counted over all workers of a gateway. */
export interface SessionPlaces {
  /** Takes a place for a principal; says which bound is reached when there is none. */
  take(key: string): 'principal' | 'gateway' | undefined
  give(key: string): void
  /** Asks other workers to end an idle session of the principal. */
  crowded(key: string): void
}

interface SessionDeps {
  readonly sealer: Sealer
  readonly bounds: Bounds
  readonly places: SessionPlaces
  readonly report: Report
  now(): Date
  monotonic(): number
  /** Frees what an ended session holds. */
  release(session: Session): void
}

const PURPOSE = 'mcp-session'
const SEALED_FOR_MS = 86_400_000
/** A session idle for less is never put out to make room for another one. */
const EVICTABLE_AFTER_MS = 60_000
const ENDED_KEPT = 50_000

interface Sealed {
  readonly n: string
  readonly p: string
  readonly c?: string
  readonly v: string
  readonly a: JsonObject
  readonly i?: JsonObject
  readonly e: number
}

/** Sessions over a sealer. */
export function createSessions(deps: SessionDeps): Sessions {
  return new NodeSessions(deps)
}

class NodeSessions implements Sessions {
  readonly #deps: SessionDeps
  readonly #byId = new Map<string, Session>()
  /** Sessions of a principal, least recently used first. */
  readonly #byPrincipal = new Map<string, Set<Session>>()
  readonly #ended = createEnded()
  readonly #intern = createInterner()

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#byId.size
  }

  all(): Iterable<Session> {
    return this.#byId.values()
  }

  create(founding: SessionFounding): Session {
    this.#takePlace(founding.identity)
    const sealed: Sealed = {
      n: randomBytes(16).toString('base64url'),
      p: hashOf(founding.identity.key),
      ...(founding.catalog === undefined ? {} : { c: founding.catalog }),
      v: founding.protocolVersion,
      a: founding.capabilities,
      ...(founding.clientInfo === undefined ? {} : { i: founding.clientInfo }),
      e: this.#deps.now().getTime() + SEALED_FOR_MS,
    }
    return this.#keep(this.#deps.sealer.seal(PURPOSE, sealed), sealed, founding.identity)
  }

  find(id: string, identity: Identity, catalog: string | undefined): Session {
    const known = this.#byId.get(id)
    if (known?.identity.key !== identity.key || known.catalog !== catalog) return this.#adopt(id, identity, catalog)
    if (!this.#isAlive(known)) {
      this.end(known)
      throw notFound()
    }
    this.#touch(known, identity)
    return known
  }

  end(session: Session): void {
    if (session.ended) return
    session.ended = true
    this.#byId.delete(session.id)
    const own = this.#byPrincipal.get(session.identity.key)
    own?.delete(session)
    if (own?.size === 0) this.#byPrincipal.delete(session.identity.key)
    this.#deps.places.give(session.identity.key)
    this.#ended.add(session.name, session.expiresAt)
    this.#deps.release(session)
    const durationMs = this.#deps.monotonic() - session.startedAt
    this.#deps.report({ type: 'session-end', durationMs, protocolVersion: session.protocolVersion })
  }

  yieldPlace(key: string): void {
    const idle = oldestIdle(this.#byPrincipal.get(key) ?? [], this.#deps.monotonic())
    if (idle !== undefined) this.end(idle)
  }

  sweep(): void {
    for (const session of this.#byId.values()) if (!this.#isAlive(session)) this.end(session)
    this.#ended.sweep(this.#deps.now().getTime())
  }

  /** Takes in a session of another node, or says that there is none. */
  #adopt(id: string, identity: Identity, catalog: string | undefined): Session {
    const { sealer, now, report } = this.#deps
    const sealed = readSealed(sealer.open(PURPOSE, id))
    if (sealed === undefined || sealed.e <= now().getTime() || this.#ended.has(sealed.n)) throw notFound()
    if (sealed.p !== hashOf(identity.key) || sealed.c !== catalog) {
      report({ type: 'session-hijack', reason: sealed.c === catalog ? 'another principal' : 'another endpoint' })
      throw notFound()
    }
    this.#takePlace(identity)
    return this.#keep(id, sealed, identity)
  }

  #keep(id: string, sealed: Sealed, identity: Identity): Session {
    const session: Session = {
      id,
      name: sealed.n,
      catalog: sealed.c,
      protocolVersion: sealed.v,
      capabilities: this.#intern(sealed.a),
      clientInfo: sealed.i === undefined ? undefined : this.#intern(sealed.i),
      expiresAt: sealed.e,
      identity,
      startedAt: this.#deps.monotonic(),
      lastUsedAt: this.#deps.monotonic(),
      live: undefined,
      ended: false,
    }
    this.#byId.set(id, session)
    const own = this.#byPrincipal.get(identity.key) ?? new Set()
    this.#byPrincipal.set(identity.key, own.add(session))
    return session
  }

  #touch(session: Session, identity: Identity): void {
    session.identity = identity
    session.lastUsedAt = this.#deps.monotonic()
    const own = this.#byPrincipal.get(identity.key)
    // Last in the set means used last.
    if (own?.delete(session)) own.add(session)
  }

  #isAlive(session: Session): boolean {
    if (session.expiresAt <= this.#deps.now().getTime()) return false
    return isBusy(session) || this.#deps.monotonic() - session.lastUsedAt < this.#deps.bounds.sessionIdleMs
  }

  /** Takes a place; an idle session gives way to a new one of the same principal. */
  #takePlace({ key }: Identity): void {
    const { places, bounds } = this.#deps
    let full = places.take(key)
    if (full === 'principal') {
      this.yieldPlace(key)
      full = places.take(key)
    }
    if (full === 'principal') {
      places.crowded(key)
      const message = `too many sessions: ${bounds.sessionsPerPrincipal} are open for this principal; end one with DELETE`
      throw new GatewayError('session_limit', message, { retryAfterSeconds: EVICTABLE_AFTER_MS / 1000 })
    }
    if (full === 'gateway')
      throw new GatewayError('overloaded', 'too many sessions are open on this gateway', { retryAfterSeconds: 5 })
  }
}

function notFound(): GatewayError {
  return new GatewayError('session_not_found', 'Session not found')
}

function oldestIdle(own: Iterable<Session>, now: number): Session | undefined {
  for (const session of own) {
    if (now - session.lastUsedAt <= EVICTABLE_AFTER_MS) return undefined
    if (!isBusy(session)) return session
  }
  return undefined
}

/** A name for a principal that tells nothing about it. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 22)
}

function readSealed(value: unknown): Sealed | undefined {
  if (!isJsonObject(value)) return undefined
  const { n, p, c, v, a, i, e } = value
  if (typeof n !== 'string' || typeof p !== 'string' || typeof v !== 'string' || typeof e !== 'number' || !isJsonObject(a)) {
    return undefined
  }
  return { n, p, v, a, e, ...(typeof c === 'string' ? { c } : {}), ...(isJsonObject(i) ? { i } : {}) }
}

/** Names of ended sessions until their seals expire; the oldest are forgotten first when there are too many. */
function createEnded() {
  const until = new Map<string, number>()
  return {
    has: (name: string) => until.has(name),
    add(name: string, expiresAt: number) {
      until.set(name, expiresAt)
      if (until.size <= ENDED_KEPT) return
      const [oldest] = until.keys()
      if (oldest !== undefined) until.delete(oldest)
    },
    sweep(now: number) {
      for (const [name, expiresAt] of until) if (expiresAt <= now) until.delete(name)
    },
  }
}

/** Clients of one kind say the same things: equal objects are kept once, which is most of the memory of a session. */
function createInterner() {
  const known = new Map<string, JsonObject>()
  return (value: JsonObject): JsonObject => {
    const text = JSON.stringify(value)
    const same = known.get(text)
    if (same !== undefined) return same
    if (known.size >= 1000) known.clear()
    known.set(text, value)
    return value
  }
}

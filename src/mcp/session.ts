import type { EventStream } from '../core/responder.ts'
import type { JsonObject } from '../core/json.ts'
import type { Identity } from '../core/principal.ts'
import { createReplayStream, type ReplayStream } from './replay.ts'
import { POLLING_VERSION } from './versions.ts'

/** One legacy session as this node knows it. */
export interface Session {
  /** The sealed text clients send as `Mcp-Session-Id`. */
  readonly id: string
  /** Random name inside the seal: 128 bits. */
  readonly name: string
  readonly catalog: string | undefined
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject | undefined
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  /** The credential used last. Its key never changes. */
  identity: Identity
  /** Monotonic milliseconds; on this node. */
  readonly startedAt: number
  /** Monotonic milliseconds. */
  lastUsedAt: number
  /** What is going on in it now; absent while nothing is. */
  live: LiveSession | undefined
  ended: boolean
}

/** What is going on in a legacy session on this node. Exists only while there is something. */
export interface LiveSession {
  /** Set with `logging/setLevel`. */
  logLevel: string | undefined
  /** The stream for messages that belong to no request. */
  standalone: ReplayStream | undefined
  /** Streams by name, open or waiting for their caller to come back. */
  readonly streams: Map<string, ReplayStream>
  /** Requests of the client under way, by id. */
  readonly inFlight: Map<string | number, AbortController>
  /** Requests of ours the client has not answered, by id. */
  readonly asked: Map<string, (answer: ClientAnswer) => void>
  /** Subscribed resources, by shown URI. */
  readonly watches: Map<string, () => void>
  streamCount: number
  askCount: number
}

/** How a client answered a request of ours. */
export type ClientAnswer = { readonly result: JsonObject } | { readonly error: JsonObject }

/** How long a stream without a connection waits for its caller. */
const RESUMABLE_MS = 60_000
const STREAMS_KEPT = 16
/** How soon a caller may come back to a stream. */
const RETRY_MS = 500

/** The live part of a session, made when first needed. */
export function liveOf(session: Session): LiveSession {
  session.live ??= {
    logLevel: undefined,
    standalone: undefined,
    streams: new Map(),
    inFlight: new Map(),
    asked: new Map(),
    watches: new Map(),
    streamCount: 0,
    askCount: 0,
  }
  return session.live
}

/** Tells whether a session has a stream open or a request under way, in either direction. */
export function isBusy({ live }: Session): boolean {
  if (live === undefined) return false
  if (live.inFlight.size + live.asked.size > 0) return true
  for (const stream of live.streams.values()) if (stream.attached) return true
  return false
}

/** Drops the live part when nothing is going on: ten thousand quiet sessions must stay small. */
export function settle(session: Session): void {
  const { live } = session
  if (live === undefined || live.logLevel !== undefined || live.standalone !== undefined) return
  if (live.streams.size + live.inFlight.size + live.asked.size + live.watches.size > 0) return
  // Names of streams and of our requests must not come again in this session.
  if (live.streamCount + live.askCount > 0) return
  session.live = undefined
}

/** Opens a stream that can be resumed. `connection` is attached at once, with the opening event the revision asks for. */
export function openStream(
  session: Session,
  connection: EventStream,
  options: { readonly maxBytes: number; readonly monotonic: () => number },
): ReplayStream {
  const live = liveOf(session)
  live.streamCount += 1
  const name = String(live.streamCount)
  const stream = createReplayStream({
    name,
    maxBytes: options.maxBytes,
    monotonic: options.monotonic,
    delivered: () => {
      live.streams.delete(name)
      settle(session)
    },
    ...(session.protocolVersion === POLLING_VERSION ? { priming: { retryMs: RETRY_MS } } : {}),
  })
  live.streams.set(name, stream)
  dropOldest(live)
  stream.attach(connection)
  return stream
}

/** Forgets streams whose callers did not come back. */
export function sweepStreams(session: Session, now: number): void {
  const { live } = session
  if (live === undefined) return
  for (const [name, stream] of live.streams) {
    if (stream.attached || now - stream.detachedAt < RESUMABLE_MS) continue
    // A stream whose answer is still to come is kept by its request.
    if (!stream.finished && stream !== live.standalone && live.inFlight.size > 0) continue
    live.streams.delete(name)
    if (live.standalone === stream) live.standalone = undefined
  }
  settle(session)
}

function dropOldest(live: LiveSession): void {
  if (live.streams.size <= STREAMS_KEPT) return
  for (const [name, stream] of live.streams) {
    if (stream.attached || stream === live.standalone) continue
    live.streams.delete(name)
    return
  }
}

/** Frees everything an ended session holds: its requests are aborted, its streams end. */
export function releaseLive(session: Session): void {
  const { live } = session
  session.live = undefined
  if (live === undefined) return
  for (const stop of live.watches.values()) stop()
  for (const controller of live.inFlight.values()) controller.abort(new Error('the session ended'))
  for (const stream of live.streams.values()) stream.finish()
}

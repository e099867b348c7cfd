import { GatewayError } from '../core/errors.ts'
import type { Responder } from '../core/responder.ts'
import type { OfferedKind } from '../core/snapshot.ts'
import type { McpRequest } from './contract.ts'
import { conflictError, errorBody } from './errors.ts'
import { single } from './classify.ts'
import { JSON_HEADERS, STREAM_HEADERS } from './outlet.ts'
import type { McpParts } from './parts.ts'
import { readEventId, type ReplayStream } from './replay.ts'
import { liveOf, openStream, settle, type Session } from './session.ts'

const ALL_KINDS: ReadonlySet<OfferedKind> = new Set(['tool', 'prompt', 'resource'])

/** Serves a GET: the standalone stream of a session, or what a cut stream still owes. Resolves when the connection is over. */
export async function serveGet(parts: McpParts, session: Session, request: McpRequest, responder: Responder): Promise<void> {
  if (parts.isDraining()) throw new GatewayError('draining', 'the gateway is about to stop', { retryAfterSeconds: 1 })
  const live = liveOf(session)
  const wanted = readEventId(single(request.headers['last-event-id']) ?? '')
  const resumed = wanted === undefined ? undefined : live.streams.get(wanted.stream)
  if (resumed?.attached === true || (resumed === undefined && live.standalone?.attached === true)) {
    const { status, error } = conflictError('this session has this stream open already')
    return responder.send(status, JSON_HEADERS, errorBody(undefined, error))
  }
  const connection = responder.stream(STREAM_HEADERS, { idle: true })
  parts.streams.add(connection)
  const closed = new Promise<void>((resolve) => connection.onClose(() => resolve()))
  if (resumed !== undefined && wanted !== undefined) resumed.attach(connection, wanted.event)
  const standalone = resumed ?? replaceStandalone(parts, session, connection)
  const stop = standalone === live.standalone ? listenAll(parts, session, standalone) : () => undefined
  await closed
  stop()
  settle(session)
}

function replaceStandalone({ deps }: McpParts, session: Session, connection: Parameters<typeof openStream>[1]): ReplayStream {
  const live = liveOf(session)
  if (live.standalone !== undefined) live.streams.delete(live.standalone.name)
  live.standalone = openStream(session, connection, { maxBytes: deps.bounds.eventBufferBytes, monotonic: deps.monotonic })
  return live.standalone
}

function listenAll(parts: McpParts, session: Session, stream: ReplayStream): () => void {
  return parts.listeners.add({
    identity: () => session.identity,
    catalog: session.catalog,
    kinds: ALL_KINDS,
    notify: (method) => stream.send(JSON.stringify({ jsonrpc: '2.0', method })),
  })
}

import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { Responder } from '../core/responder.ts'
import type { CatalogView, Era, Snapshot } from '../core/snapshot.ts'
import { uuidv7 } from '../lib/id.ts'
import type { Accept } from './accept.ts'
import { askClient } from './ask.ts'
import { failCall, runCall } from './call.ts'
import { relayable } from './capabilities.ts'
import { unknownMethod } from './classify.ts'
import type { McpRequest } from './contract.ts'
import { initializeResult } from './discover.ts'
import { errorBody, toWireError } from './errors.ts'
import { AT_ONCE, resultBody, type Incoming } from './incoming.ts'
import { createLegacyOutlet } from './legacy-outlet.ts'
import { LISTS } from './lists.ts'
import { MAX_BATCH, type Message, type NotificationMessage, type Refused, type RequestMessage } from './message.ts'
import { answerList, LATE_MS } from './modern.ts'
import { createCollectingOutlet, JSON_HEADERS, type Outlet } from './outlet.ts'
import type { McpParts } from './parts.ts'
import { liveOf, settle, type Session } from './session.ts'
import { CALL_METHODS } from './target.ts'
import { traceOf } from './trace.ts'
import { eraOf, LATEST_LEGACY_VERSION, LOG_LEVELS } from './versions.ts'
import { watchResource } from './watch.ts'

/** One POST of a legacy client, its session found. */
export interface LegacyPost {
  readonly request: McpRequest
  readonly session: Session
  readonly snapshot: Snapshot
  readonly view: CatalogView
  readonly accept: Accept
}

/** Serves `initialize`: agrees on a revision and founds a session. */
export function serveInitialize(
  parts: McpParts,
  { request, message, snapshot, view }: Omit<LegacyPost, 'session' | 'accept'> & { readonly message: RequestMessage },
  responder: Responder,
): void {
  if (parts.isDraining()) throw new GatewayError('draining', 'the gateway is about to stop', { retryAfterSeconds: 1 })
  const { protocolVersion: wanted, capabilities, clientInfo } = message.params
  if (typeof wanted !== 'string') throw invalid('"protocolVersion" must be a text')
  if (!isJsonObject(capabilities)) throw invalid('"capabilities" must be an object')
  if (!isJsonObject(clientInfo)) throw invalid('"clientInfo" must be an object')
  const protocolVersion = eraOf(wanted) === 'legacy' ? wanted : LATEST_LEGACY_VERSION
  const session = parts.sessions.create({
    identity: request.identity,
    catalog: request.catalog,
    protocolVersion,
    capabilities: bounded(relayable(capabilities)),
    clientInfo: shortInfo(clientInfo),
  })
  const result = initializeResult({ snapshot, view, protocolVersion }, parts.serverInfo)
  responder.send(200, { ...JSON_HEADERS, 'mcp-session-id': session.id }, resultBody(message.idText, result))
}

/** The session id holds these, and it must fit into a header. */
function bounded(capabilities: JsonObject): JsonObject {
  if (JSON.stringify(capabilities).length <= 2_048) return capabilities
  return Object.fromEntries(Object.keys(capabilities).map((name) => [name, {}]))
}

function shortInfo(info: JsonObject): JsonObject {
  const texts = ['name', 'version', 'title'].flatMap((member): [string, string][] => {
    const value = info[member]
    return typeof value === 'string' ? [[member, value.slice(0, 128)]] : []
  })
  return Object.fromEntries(texts)
}

/** Serves one message of a session. */
export function serveMessage(parts: McpParts, post: LegacyPost, message: Message, responder: Responder): Promise<void> | void {
  if (message.kind === 'request') {
    if (parts.isDraining()) throw new GatewayError('draining', 'the gateway is about to stop', { retryAfterSeconds: 1 })
    const { deps, streams } = parts
    const { session, accept } = post
    const { monotonic, bounds } = deps
    const options = { session, accept, streams, lateMs: LATE_MS, maxBytes: bounds.eventBufferBytes, monotonic }
    return serveRequest(parts, post, message, {
      outlet: createLegacyOutlet(responder, options),
      exchangeId: post.request.exchangeId,
    })
  }
  acceptMessage(parts, post, message)
  responder.send(202, {})
}

/** Serves a batch (2025-03-26): every message for itself, the answers together. */
export async function serveBatch(
  parts: McpParts,
  post: LegacyPost,
  items: readonly (Message | Refused)[],
  responder: Responder,
): Promise<void> {
  if (items.length === 0 || items.length > MAX_BATCH) {
    throw new GatewayError('invalid_request', `a batch has 1 to ${MAX_BATCH} messages`)
  }
  const bodies: string[] = []
  const collect = (body: string | undefined) => void (body !== undefined && bodies.push(body))
  await Promise.all(
    items.map(async (item, index) => {
      if (item.kind === 'refused') return collect(errorBody(item.idText, toWireError(item.error, 'legacy', 'envelope', '').error))
      if (item.kind !== 'request') return acceptMessage(parts, post, item)
      // Each is an exchange of its own: decided, limited and written to the ledger alone.
      const exchangeId = index === 0 ? post.request.exchangeId : uuidv7(post.request.receivedAt)
      return serveRequest(parts, post, item, { outlet: createCollectingOutlet(collect), exchangeId })
    }),
  )
  if (bodies.length === 0) responder.send(202, {})
  else responder.send(200, JSON_HEADERS, `[${bodies.join(',')}]`)
}

interface Way {
  readonly outlet: Outlet
  readonly exchangeId: string
}

async function serveRequest(parts: McpParts, post: LegacyPost, message: RequestMessage, way: Way): Promise<void> {
  const { session } = post
  if (LISTS[message.method] !== undefined || message.method === 'ping') return answerAtOnce(parts, post, message, way)
  const live = liveOf(session)
  const incoming = toIncoming(parts, post, message, { ...way, controller: new AbortController() })
  if (live.inFlight.has(message.id)) {
    return failCall(parts, incoming, new GatewayError('invalid_request', 'a request with this id is under way in this session'))
  }
  live.inFlight.set(message.id, incoming.controller)
  try {
    await answer(parts, post, incoming)
  } catch (error) {
    failCall(parts, incoming, error)
  } finally {
    live.inFlight.delete(message.id)
    settle(session)
  }
}

/** What needs no upstream is over before anybody could cancel it. */
function answerAtOnce(parts: McpParts, post: LegacyPost, message: RequestMessage, way: Way): void {
  const incoming = toIncoming(parts, post, message, { ...way, controller: AT_ONCE })
  try {
    if (message.method === 'ping') incoming.outlet.answer(200, {}, resultBody(message.idText, '{}'))
    else answerList(parts, incoming)
  } catch (error) {
    failCall(parts, incoming, error)
  }
}

async function answer(parts: McpParts, post: LegacyPost, incoming: Incoming): Promise<void> {
  const { method, idText, params } = incoming.message
  const empty = () => incoming.outlet.answer(200, {}, resultBody(idText, '{}'))
  if (CALL_METHODS.has(method)) return runCall(parts, incoming)
  if (method === 'logging/setLevel') {
    const { level } = params
    if (typeof level !== 'string' || !LOG_LEVELS.includes(level)) throw invalid(`"level" must be one of ${LOG_LEVELS.join(', ')}`)
    liveOf(post.session).logLevel = level
    return empty()
  }
  if (method === 'resources/subscribe') {
    await subscribe(parts, post, params['uri'])
    return empty()
  }
  if (method === 'resources/unsubscribe') {
    unsubscribe(post.session, params['uri'])
    return empty()
  }
  throw unknownMethod(method)
}

const MAX_WATCHED = 1_000

async function subscribe({ deps }: McpParts, { session, view }: LegacyPost, uri: Json | undefined): Promise<void> {
  if (typeof uri !== 'string') throw invalid('"uri" must be a text')
  const { watches } = liveOf(session)
  if (watches.has(uri)) return
  if (watches.size >= MAX_WATCHED) throw new GatewayError('session_limit', `a session watches at most ${MAX_WATCHED} resources`)
  const watcher = {
    identity: () => session.identity,
    catalog: session.catalog,
    capabilities: relayable(session.capabilities),
    updated: (params: JsonObject) =>
      session.live?.standalone?.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/resources/updated', params })),
  }
  const stop = await watchResource(deps, watcher, view, uri)
  if (stop === undefined) throw new GatewayError('not_found', 'Resource not found', { details: { uri } })
  if (session.ended || watches.has(uri)) stop()
  else liveOf(session).watches.set(uri, stop)
}

function unsubscribe({ live }: Session, uri: Json | undefined): void {
  if (typeof uri !== 'string') throw invalid('"uri" must be a text')
  live?.watches.get(uri)?.()
  live?.watches.delete(uri)
}

/** Notifications only servers send: a client that does is confused or hostile. */
const SERVER_ONLY = new Set([
  'notifications/message',
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/elicitation/complete',
  'notifications/subscriptions/acknowledged',
])

/** Refuses a notification that no client of the era may send. Only legacy clients are asked things whose progress they could tell. */
export function checkNotification({ method }: NotificationMessage, era: Era): void {
  if (SERVER_ONLY.has(method) || (era === 'modern' && method === 'notifications/progress'))
    throw new GatewayError('invalid_request', `${method} is sent by servers only`)
}

function acceptMessage({ deps }: McpParts, { session, view }: LegacyPost, message: Exclude<Message, RequestMessage>): void {
  if (message.kind === 'response') {
    const settleAsked = session.live?.asked.get(String(message.id))
    if (settleAsked === undefined || typeof message.id !== 'string') {
      throw new GatewayError('invalid_request', 'this response answers no request of ours')
    }
    return settleAsked(message.answer)
  }
  checkNotification(message, 'legacy')
  if (message.method === 'notifications/cancelled') {
    // Only requests of this very session are known here, and initialize is none of them.
    const { requestId } = message.params
    if (typeof requestId === 'string' || typeof requestId === 'number') session.live?.inFlight.get(requestId)?.abort()
  }
  if (message.method === 'notifications/roots/list_changed') {
    const servers = new Set(view.catalogs.flatMap((catalog) => catalog.servers))
    for (const id of servers) deps.upstream(id)?.inform(message.method, undefined, session.identity.key)
  }
}

function toIncoming(
  parts: McpParts,
  post: LegacyPost,
  message: RequestMessage,
  { outlet, exchangeId, controller }: Way & { readonly controller: AbortController },
): Incoming {
  const { deps } = parts
  const { request, session, snapshot, view } = post
  const { signal } = controller
  return {
    request,
    message,
    exchangeId,
    era: 'legacy',
    protocolVersion: session.protocolVersion,
    snapshot,
    view,
    capabilities: relayable(session.capabilities),
    clientInfo: session.clientInfo,
    logLevel: session.live?.logLevel,
    mcpSession: session.name,
    trace: traceOf(deps, request, message),
    outlet,
    controller,
    requestBytes: request.body?.length ?? 0,
    ask: (requests) => askClient({ session, outlet, requests, signal, timeoutMs: deps.bounds.parkedMs }),
  }
}

const invalid = (message: string) => new GatewayError('invalid_params', message)

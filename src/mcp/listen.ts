import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { Identity } from '../core/principal.ts'
import type { EventStream, Responder } from '../core/responder.ts'
import type { OfferedKind } from '../core/snapshot.ts'
import { errorBody, toWireError } from './errors.ts'
import { notificationBody, resultBody, type Incoming } from './incoming.ts'
import { STREAM_HEADERS } from './outlet.ts'
import type { McpParts } from './parts.ts'
import { META } from './versions.ts'
import { watchResource } from './watch.ts'

/** One open `subscriptions/listen`. */
export interface OpenListen {
  readonly identity: Identity
  readonly catalog: string | undefined
  /** Ends it with the result, which tells the client that all went well and it may come again. */
  finish(): void
  /** Ends it with an error. */
  fail(error: GatewayError): void
}

/** Every open listen of this node. */
export type OpenListens = Set<OpenListen>

/** Which lists a client wants to hear of, by member of `notifications`. */
const WANTED: Readonly<Record<string, readonly OfferedKind[]>> = {
  toolsListChanged: ['tool'],
  promptsListChanged: ['prompt'],
  resourcesListChanged: ['resource', 'template'],
}
const MAX_WATCHED = 1_000

/** Serves `subscriptions/listen` until somebody ends it. Throws GatewayError as long as nothing was sent. */
export async function serveListen(parts: McpParts, incoming: Incoming, responder: Responder, open: OpenListens): Promise<void> {
  const filter = incoming.message.params['notifications']
  if (!isJsonObject(filter)) throw new GatewayError('invalid_params', '"notifications" must be an object')
  makeRoom(parts, incoming.request.identity, open)
  const subscription = { [META.subscriptionId]: incoming.message.id }
  const out: { stream?: EventStream } = {}
  const send = (method: string, params: JsonObject = {}) => {
    const meta = isJsonObject(params['_meta']) ? params['_meta'] : {}
    out.stream?.send(notificationBody(method, { ...params, _meta: { ...meta, ...subscription } }))
  }
  const watches = await watchAll(parts, incoming, filter, (params) => send('notifications/resources/updated', params))
  const stop = () => {
    for (const end of watches.values()) end()
  }
  if (responder.hungUp) return stop()
  const opened = responder.stream(STREAM_HEADERS, { idle: true })
  const closed = new Promise<void>((resolve) => opened.onClose(() => resolve()))
  out.stream = opened
  parts.streams.add(opened)
  send('notifications/subscriptions/acknowledged', { notifications: honoured(filter, [...watches.keys()]) })
  const unlisten = parts.listeners.add({
    identity: () => incoming.request.identity,
    catalog: incoming.request.catalog,
    kinds: new Set(Object.entries(WANTED).flatMap(([member, kinds]) => (filter[member] === true ? kinds : []))),
    notify: (method) => send(method),
  })
  const entry = toOpenListen(parts, incoming, opened, subscription)
  open.add(entry)
  await closed
  open.delete(entry)
  unlisten()
  stop()
}

function toOpenListen(parts: McpParts, incoming: Incoming, stream: EventStream, subscription: JsonObject): OpenListen {
  const { idText } = incoming.message
  const end = (body: string) => {
    stream.send(body)
    stream.end()
  }
  return {
    identity: incoming.request.identity,
    catalog: incoming.request.catalog,
    finish() {
      const meta = { ...subscription, [META.serverInfo]: parts.serverInfo }
      end(resultBody(idText, JSON.stringify({ resultType: 'complete', _meta: meta })))
    },
    fail: (error) => end(errorBody(idText, toWireError(error, 'modern', 'answer', incoming.exchangeId).error)),
  }
}

function makeRoom({ deps }: McpParts, { key }: Identity, open: OpenListens): void {
  let own = 0
  for (const { identity } of open) if (identity.key === key) own += 1
  if (own < deps.bounds.listensPerPrincipal) return
  throw new GatewayError('session_limit', `too many subscriptions are open: ${own}; end one first`, { retryAfterSeconds: 5 })
}

async function watchAll(
  parts: McpParts,
  incoming: Incoming,
  { resourceSubscriptions = [] }: JsonObject,
  updated: (params: JsonObject) => void,
): Promise<ReadonlyMap<string, () => void>> {
  if (!Array.isArray(resourceSubscriptions) || resourceSubscriptions.length > MAX_WATCHED) {
    throw new GatewayError('invalid_params', `"resourceSubscriptions" must be a list of at most ${MAX_WATCHED} URIs`)
  }
  const { identity, catalog } = incoming.request
  const watcher = { identity: () => identity, catalog, capabilities: incoming.capabilities, updated }
  const uris = new Set(resourceSubscriptions.filter((uri: Json): uri is string => typeof uri === 'string'))
  const started = await Promise.all(
    [...uris].map(async (uri) => [uri, await watchResource(parts.deps, watcher, incoming.view, uri)] as const),
  )
  return new Map(started.flatMap(([uri, stop]) => (stop === undefined ? [] : [[uri, stop]])))
}

/** The part of the filter that is kept; URIs that are unknown, hidden or cannot be watched are left out alike. */
function honoured(filter: JsonObject, uris: readonly string[]): JsonObject {
  const lists = Object.keys(WANTED).filter((member) => filter[member] === true)
  return {
    ...Object.fromEntries(lists.map((member) => [member, true])),
    ...(filter['resourceSubscriptions'] === undefined ? {} : { resourceSubscriptions: uris }),
  }
}

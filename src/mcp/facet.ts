import { GatewayError } from '../core/errors.ts'
import type { Identity } from '../core/principal.ts'
import type { Responder } from '../core/responder.ts'
import type { CatalogView, Snapshot } from '../core/snapshot.ts'
import { InFlight } from '../lib/in-flight.ts'
import { isJsonType, readAccept, type Accept } from './accept.ts'
import { classify, hasClaim, single } from './classify.ts'
import type { McpDeps, McpFacet, McpRequest } from './contract.ts'
import { errorBody, toWireError } from './errors.ts'
import { createStreamCount } from './stream-count.ts'
import { checkNotification, serveBatch, serveInitialize, serveMessage, type LegacyPost } from './legacy.ts'
import { createListeners } from './listeners.ts'
import { createLists } from './lists.ts'
import { readBody, type Message, type Refused } from './message.ts'
import { createModernDoor, type ModernDoor } from './modern.ts'
import { JSON_HEADERS } from './outlet.ts'
import { createParked } from './parked.ts'
import type { McpParts } from './parts.ts'
import { createRequestStates } from './request-state.ts'
import { releaseLive, sweepStreams, type Session } from './session.ts'
import { createSessions } from './sessions.ts'
import { serveGet } from './standalone.ts'
import { createArgumentValidator } from './validate.ts'
import { BATCH_VERSION } from './versions.ts'

const SWEEP_MS = 2_000

/** The MCP facet towards callers. */
export function createMcpFacet(deps: McpDeps): McpFacet {
  let draining = false
  const parts = createParts(deps, () => draining)
  const modern = createModernDoor(parts)
  const endWhere = (isOut: (identity: Identity) => boolean) => endIdentities(parts, modern, isOut)
  const timer = setInterval(() => {
    const now = deps.now().getTime()
    parts.sessions.sweep()
    for (const session of parts.sessions.all()) sweepStreams(session, deps.monotonic())
    endWhere(({ expiresAt }) => expiresAt !== undefined && expiresAt <= now)
  }, SWEEP_MS)
  timer.unref()
  return {
    async handle(request, responder) {
      const visit: Visit = { parts, modern, request, responder, idText: undefined }
      try {
        await serve(visit)
      } catch (error) {
        refuse(visit, error, visit.idText)
      }
    },
    snapshotChanged(next, previous) {
      parts.listeners.snapshotChanged(next, previous)
      endHomeless(parts, modern, next)
    },
    upstreamChanged: (change) => parts.listeners.upstreamChanged(change),
    yieldPlace: (key) => parts.sessions.yieldPlace(key),
    checkIdentities: endWhere,
    async drain() {
      draining = true
      for (const listen of modern.open) listen.finish()
      for (const session of parts.sessions.all()) session.live?.standalone?.suspend()
    },
    stats: () => ({ sessions: parts.sessions.size, streams: parts.streams.size, parked: parts.parked.size }),
    close() {
      clearInterval(timer)
      endWhere(() => true)
      parts.listeners.close()
    },
  }
}

function createParts(deps: McpDeps, isDraining: () => boolean): McpParts {
  const { bounds, sealer } = deps
  const serverInfo = { name: deps.info.name, version: deps.info.version }
  const now = () => deps.now()
  return {
    deps,
    serverInfo,
    lists: createLists(serverInfo),
    validator: createArgumentValidator(),
    states: createRequestStates({ sealer, lifeMs: bounds.parkedMs, now }),
    parked: createParked({ lifeMs: bounds.parkedMs, perPrincipal: bounds.parkedPerPrincipal }),
    sessions: createSessions({
      sealer,
      bounds,
      places: deps.places,
      report: deps.report,
      now,
      monotonic: () => deps.monotonic(),
      release: releaseLive,
    }),
    listeners: createListeners(deps),
    streams: createStreamCount(),
    active: new InFlight(),
    isDraining,
  }
}

interface Visit {
  readonly parts: McpParts
  readonly modern: ModernDoor
  readonly request: McpRequest
  readonly responder: Responder
  /** The id of the request, as soon as it is known. */
  idText: string | undefined
}

function serve(visit: Visit): Promise<void> | void {
  const { parts, request, responder } = visit
  if (request.httpMethod === 'POST') return servePost(visit)
  const session = findSession(parts, request)
  resolveView(parts, request, parts.deps.snapshot())
  if (request.httpMethod === 'DELETE') {
    parts.sessions.end(session)
    return responder.send(204, {})
  }
  if (!readAccept(single(request.headers.accept)).stream) {
    throw new GatewayError('not_acceptable', 'a GET answers with text/event-stream')
  }
  return serveGet(parts, session, request, responder)
}

function servePost(visit: Visit): Promise<void> | void {
  const { parts, request } = visit
  const { bounds } = parts.deps
  if (!isJsonType(request.headers['content-type'])) {
    throw new GatewayError('unsupported_media_type', 'the content type must be application/json')
  }
  const accept = readAccept(single(request.headers.accept))
  if (!accept.json && !accept.stream) {
    throw new GatewayError('not_acceptable', 'accept application/json and text/event-stream')
  }
  const body = readBody(request.body ?? Buffer.alloc(0), { depth: bounds.jsonDepth, nodes: bounds.jsonNodes })
  if (body.kind === 'batch') return servePostedBatch(visit, body.items, accept)
  if (body.kind === 'refused') return refuse(visit, body.error, body.idText)
  if (body.kind === 'request') visit.idText = body.idText
  return serveOne(visit, body, accept)
}

function serveOne(visit: Visit, message: Message, accept: Accept): Promise<void> | void {
  const { parts, modern, request, responder } = visit
  const classified = classify(message, request.headers)
  const snapshot = parts.deps.snapshot()
  if (classified.kind === 'modern-request') {
    const view = resolveView(parts, request, snapshot)
    return modern.handle(
      { request, message: classified.message, envelope: classified.envelope, snapshot, view, accept },
      responder,
    )
  }
  if (classified.kind === 'modern-notification') {
    checkNotification(classified.message, 'modern')
    return responder.send(202, {})
  }
  if (message.kind === 'request' && message.method === 'initialize') {
    const view = resolveView(parts, request, snapshot)
    return serveInitialize(parts, { request, message, snapshot, view }, responder)
  }
  return serveMessage(parts, enterSession(parts, request, accept), message, responder)
}

async function servePostedBatch(visit: Visit, items: readonly (Message | Refused)[], accept: Accept): Promise<void> {
  const { parts, request, responder } = visit
  const isModern = items.some((item) => item.kind !== 'refused' && hasClaim(item))
  const notHere = new GatewayError('invalid_request', `only sessions of ${BATCH_VERSION} may send batches`)
  if (isModern || request.headers['mcp-session-id'] === undefined) throw notHere
  const post = enterSession(parts, request, accept)
  if (post.session.protocolVersion !== BATCH_VERSION) throw notHere
  return serveBatch(parts, post, items, responder)
}

function enterSession(parts: McpParts, request: McpRequest, accept: Accept): LegacyPost {
  const session = findSession(parts, request)
  const snapshot = parts.deps.snapshot()
  return { request, session, snapshot, view: resolveView(parts, request, snapshot), accept }
}

function findSession({ sessions }: McpParts, { headers, identity, catalog }: McpRequest): Session {
  const id = single(headers['mcp-session-id'])
  if (id === undefined) throw new GatewayError('invalid_request', 'the header Mcp-Session-Id is missing; send initialize first')
  return sessions.find(id, identity, catalog)
}

/** What this caller may see on this endpoint. A catalog that is not for the caller looks like one that does not exist; nobody gets a default. */
function resolveView({ deps }: McpParts, { identity, catalog }: McpRequest, snapshot: Snapshot): CatalogView {
  const eligible = deps.policy.eligible(identity.principal, snapshot, deps.now())
  const isMissing = catalog === undefined ? eligible.length === 0 : !eligible.includes(catalog)
  if (isMissing)
    deps.report({ type: 'auth-denied', reason: 'no-catalog', route: catalog === undefined ? '/mcp' : '/mcp/:catalog' })
  if (isMissing && catalog === undefined)
    throw new GatewayError('forbidden', 'no catalog of this gateway is for you; ask its administrator')
  if (catalog === undefined) return snapshot.view(eligible)
  if (isMissing) throw new GatewayError('not_found', 'no such catalog')
  return snapshot.view([catalog])
}

function refuse({ parts, request, responder }: Visit, error: unknown, idText?: string): void {
  if (!(error instanceof GatewayError)) parts.deps.report({ type: 'internal-error', exchange: request.exchangeId, error })
  if (responder.started) return
  const wire = toWireError(error, 'modern', 'envelope', request.exchangeId)
  responder.send(wire.status, { ...JSON_HEADERS, ...wire.headers }, errorBody(idText, wire.error))
}

/** Stops everything that runs or waits for identities that are out. */
function endIdentities(parts: McpParts, modern: ModernDoor, isOut: (identity: Identity) => boolean): void {
  const reason = new GatewayError('unauthenticated', 'the credential of this request is no longer valid')
  for (const incoming of parts.active.values()) if (isOut(incoming.request.identity)) incoming.controller.abort(reason)
  for (const listen of modern.open) if (isOut(listen.identity)) listen.fail(reason)
  parts.parked.end(isOut)
  for (const session of parts.sessions.all()) if (isOut(session.identity)) parts.sessions.end(session)
}

/** Ends the streams of callers whom a reload left without the catalog they listen on. */
function endHomeless({ deps, sessions }: McpParts, modern: ModernDoor, snapshot: Snapshot): void {
  const isHomeless = (identity: Identity, catalog: string | undefined) => {
    const eligible = deps.policy.eligible(identity.principal, snapshot, deps.now())
    return catalog === undefined ? eligible.length === 0 : !eligible.includes(catalog)
  }
  for (const listen of modern.open) {
    if (isHomeless(listen.identity, listen.catalog))
      listen.fail(new GatewayError('not_found', 'the catalog is no longer for this caller'))
  }
  for (const session of sessions.all()) {
    if (session.live?.standalone?.attached === true && isHomeless(session.identity, session.catalog)) sessions.end(session)
  }
}

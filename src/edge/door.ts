import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { GatewayError, toGatewayError } from '../core/errors.ts'
import type { Report } from '../core/events.ts'
import type { TraceContext } from '../core/exchange.ts'
import type { Identity } from '../core/principal.ts'
import type { Responder } from '../core/responder.ts'
import { readBody } from './body.ts'
import { HTTP_STATUS } from './errors.ts'
import { assertSingleHeaders } from './headers.ts'
import { allowedOrigin, assertHost, corsHeaders, type OriginRules, preflightHeaders, REGISTRY_PATH } from './origin.ts'
import { createResponder } from './respond.ts'
import { parseTarget, type Target } from './target.ts'

/** One request that passed the door: identified, bounded, read. */
export interface Admitted {
  readonly request: IncomingMessage
  readonly target: Target
  readonly identity: Identity
  readonly body: Buffer | undefined
  readonly exchangeId: string
  readonly trace: TraceContext
  readonly at: number
  readonly startedAt: number
}

/** What the data door borrows. */
export interface DoorDeps {
  readonly bounds: {
    bodyBytes: number
    modelBodyBytes: number
    bodyMs: number
    urlBytes: number
    inFlight: number
    eventBufferBytes: number
    keepAliveMs: number
  }
  readonly rules: () => OriginRules
  /** Whether new exchanges are refused because the process is going down. */
  readonly draining: () => boolean
  authenticate(request: IncomingMessage, target: Target): Promise<Identity>
  /** Headers that go with a 401 or 403 of an endpoint. */
  challenge(target: Target, error: GatewayError): Record<string, string>
  /** Answers `/mcp` and `/mcp/<catalog>`. */
  mcp(admitted: Admitted, catalog: string | undefined, responder: Responder): Promise<void>
  /** Answers `/v1/*`. */
  llm(admitted: Admitted, responder: Responder): Promise<void>
  /** Error for failures before a facet sees the request, in the words of the door it came to. */
  errorBody(
    error: GatewayError,
    failed: { readonly path: string; readonly request: IncomingMessage; readonly exchangeId: string },
  ): string
  /** The quiet routes. */
  readonly app: RequestListener
  startTrace(request: IncomingMessage): TraceContext
  newId(now: number): string
  now(): number
  monotonic(): number
  readonly report: Report
}

const MODEL_PATH = '/v1/'
const MCP_PATH = /^\/mcp(?:\/([a-z0-9][a-z0-9_-]{0,31}))?$/

/** The door of the data listener: order matters. Cheap refusals first, identity before the body, the body before the facet. */
export function createDoor(deps: DoorDeps): { readonly listener: RequestListener; inFlight(): number } {
  let inFlight = 0

  const listener: RequestListener = (request, response) => {
    const at = deps.now()
    const visit: Visit = { at, startedAt: deps.monotonic(), exchangeId: deps.newId(at), status: 0, busy: true }
    inFlight += 1
    const rest = (): void => {
      if (visit.busy) inFlight -= 1
      visit.busy = false
    }
    response.once('close', () => {
      rest()
      deps.report({
        type: 'request-end',
        method: request.method ?? '',
        httpStatus: visit.status,
        durationMs: deps.monotonic() - visit.startedAt,
        exchange: visit.exchangeId,
      })
    })
    const overloaded = inFlight > deps.bounds.inFlight
    void pass(deps, { request, response, visit, overloaded, rest })
  }
  return { listener, inFlight: () => inFlight }
}

interface Visit {
  readonly at: number
  readonly startedAt: number
  readonly exchangeId: string
  status: number
  /** Whether it still counts as under way. */
  busy: boolean
}

interface Passage {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly visit: Visit
  readonly overloaded: boolean
  /** Takes the visit off the count of work under way. */
  readonly rest: () => void
}

async function pass(deps: DoorDeps, passage: Passage): Promise<void> {
  const { request, response, visit } = passage
  let headers: Record<string, string> = { ...BASE_HEADERS, 'x-tollgate-exchange': visit.exchangeId }
  let target: Target | undefined
  try {
    refuseEarly(deps, passage)
    assertSingleHeaders(request.rawHeaders)
    target = parseTarget(request.url ?? '/', deps.bounds.urlBytes)
    // Published documents and the registry are read by web pages of any origin; no cookie ever names a caller here.
    const isPublic = target.path.startsWith('/.well-known/') || target.path.startsWith(REGISTRY_PATH)
    if (!target.path.startsWith('/.well-known/')) assertHost(deps.rules(), request.headers.host)
    const origin = isPublic ? request.headers.origin : allowedOrigin(deps.rules(), request.headers)
    if (origin !== undefined && !isPublic) headers = { ...headers, ...corsHeaders(origin) }
    if (request.method === 'OPTIONS') {
      endPreflight(response, visit, { ...headers, ...preflight(request, isPublic ? '*' : origin) })
      return
    }
    await route(deps, passage, { target, headers })
  } catch (error) {
    refuse(deps, passage, { error: toGatewayError(error), headers, target })
  }
}

async function route(
  deps: DoorDeps,
  passage: Passage,
  { target, headers }: { target: Target; headers: Record<string, string> },
): Promise<void> {
  const { request, response, visit } = passage
  if (target.path.startsWith(MODEL_PATH)) {
    if (request.method !== 'POST' && request.method !== 'GET')
      throw new GatewayError('method_not_allowed', 'a model endpoint takes POST or GET')
    const { responder, admitted } = await admit(deps, passage, { target, headers, maxBytes: deps.bounds.modelBodyBytes })
    return deps.llm(admitted, responder)
  }
  const match = MCP_PATH.exec(target.path)
  if (match === null) {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    response.once('finish', () => (visit.status = response.statusCode))
    deps.app(request, response)
    return
  }
  if (request.method !== 'POST' && request.method !== 'GET' && request.method !== 'DELETE') {
    throw new GatewayError('method_not_allowed', 'an MCP endpoint takes POST, GET and DELETE')
  }
  const { responder, admitted } = await admit(deps, passage, { target, headers, maxBytes: deps.bounds.bodyBytes })
  await deps.mcp(admitted, match[1], responder)
}

/** Identity before the body, the body before the facet. */
async function admit(
  deps: DoorDeps,
  { request, response, visit, rest }: Passage,
  { target, headers, maxBytes }: { target: Target; headers: Record<string, string>; maxBytes: number },
): Promise<{ readonly responder: Responder; readonly admitted: Admitted }> {
  const identity = await deps.authenticate(request, target)
  const body = request.method === 'POST' ? await readBody(request, { maxBytes, timeoutMs: deps.bounds.bodyMs }) : undefined
  const responder = createResponder(response, {
    headers,
    bufferBytes: deps.bounds.eventBufferBytes,
    keepAliveMs: deps.bounds.keepAliveMs,
    onHead: (status) => (visit.status = status),
    onIdle: rest,
  })
  const admitted: Admitted = {
    request,
    target,
    identity,
    body,
    exchangeId: visit.exchangeId,
    trace: deps.startTrace(request),
    at: visit.at,
    startedAt: visit.startedAt,
  }
  return { responder, admitted }
}

const BASE_HEADERS = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }

function refuseEarly(deps: DoorDeps, { request, overloaded }: Passage): void {
  // A call under way may wait for its caller's answer, which comes as a request of its session.
  const isAnswer = request.method === 'POST' && request.headers['mcp-session-id'] !== undefined
  if (deps.draining() && !isAnswer) throw new GatewayError('draining', 'the gateway is shutting down', { retryAfterSeconds: 1 })
  if (overloaded)
    throw new GatewayError('overloaded', 'the gateway is at its limit of requests under way', { retryAfterSeconds: 1 })
}

function preflight(request: IncomingMessage, origin: string | undefined): Record<string, string> {
  if (origin === undefined) return { allow: 'GET, POST, DELETE, OPTIONS' }
  return preflightHeaders(origin, request.headers['access-control-request-headers'])
}

function endPreflight(response: ServerResponse, visit: Visit, headers: Record<string, string>): void {
  visit.status = 204
  response.writeHead(204, headers)
  response.end()
}

function refuse(
  deps: DoorDeps,
  { request, response, visit }: Passage,
  failure: { error: GatewayError; headers: Record<string, string>; target: Target | undefined },
): void {
  const { error, headers, target } = failure
  if (error.code === 'internal') deps.report({ type: 'internal-error', exchange: visit.exchangeId, error: error.cause ?? error })
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const path = target?.path ?? request.url ?? ''
  const isModels = path.startsWith(MODEL_PATH)
  const status = HTTP_STATUS[error.code]
  visit.status = status
  const body = deps.errorBody(error, { path, request, exchangeId: visit.exchangeId })
  response.writeHead(status, {
    ...headers,
    ...(target === undefined ? {} : deps.challenge(target, error)),
    ...(error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) }),
    ...(isModels
      ? { 'x-tollgate-request-id': visit.exchangeId, 'x-request-id': visit.exchangeId, 'request-id': visit.exchangeId }
      : {}),
    ...(status === 405 ? { allow: isModels ? 'GET, POST' : 'GET, POST, DELETE' } : {}),
    ...(request.complete ? {} : { connection: 'close' }),
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}

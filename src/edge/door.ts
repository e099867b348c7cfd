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
import { type AnswerWatch, createResponder, type OpenResponder } from './respond.ts'
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
  /** The caller, when its connection just proved itself the same way; else `authenticate` finds out. */
  recall(request: IncomingMessage, target: Target): Identity | undefined
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
  const load: Load = { inFlight: 0 }
  return {
    listener: (request, response) => void new Visit(deps, load, { request, response }).pass(),
    inFlight: () => load.inFlight,
  }
}

/** Exchanges under way. */
interface Load {
  inFlight: number
}

/** One HTTP request at the door. A class, because one is made for every request: see ARCHITECTURE.md on what is made per call. */
class Visit implements AnswerWatch {
  readonly #deps: DoorDeps
  readonly #load: Load
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #at: number
  readonly #startedAt: number
  readonly #exchangeId: string
  readonly #isOverload: boolean
  /** Of every answer. */
  #headers: Readonly<Record<string, string>>
  #responder: OpenResponder | undefined
  #status = 0
  /** Whether it still counts as under way. */
  #isBusy = true

  constructor(deps: DoorDeps, load: Load, { request, response }: { request: IncomingMessage; response: ServerResponse }) {
    this.#deps = deps
    this.#load = load
    this.#request = request
    this.#response = response
    this.#at = deps.now()
    this.#startedAt = deps.monotonic()
    this.#exchangeId = deps.newId(this.#at)
    this.#headers = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store', 'x-tollgate-exchange': this.#exchangeId }
    load.inFlight += 1
    this.#isOverload = load.inFlight > deps.bounds.inFlight
    response.on('close', () => this.#close())
  }

  headWritten(status: number): void {
    this.#status = status
  }

  idle(): void {
    if (this.#isBusy) this.#load.inFlight -= 1
    this.#isBusy = false
  }

  async pass(): Promise<void> {
    let target: Target | undefined
    try {
      this.#refuseEarly()
      assertSingleHeaders(this.#request.rawHeaders)
      target = parseTarget(this.#request.url ?? '/', this.#deps.bounds.urlBytes)
      if (this.#checkOrigin(target) === 'answered') return
      const door = this.#doorOf(target)
      if (door === undefined) return this.#toApp()
      // The one path of all calls: no promise but where something is waited for.
      const identity = this.#deps.recall(this.#request, target) ?? (await this.#deps.authenticate(this.#request, target))
      const body = this.#request.method === 'POST' ? await this.#readBody(door) : undefined
      await this.#enter(door, target, { identity, body })
    } catch (error) {
      this.#refuse(toGatewayError(error), target)
    }
  }

  #close(): void {
    this.idle()
    this.#responder?.closed()
    const { method = '' } = this.#request
    const durationMs = this.#deps.monotonic() - this.#startedAt
    this.#deps.report({ type: 'request-end', method, httpStatus: this.#status, durationMs, exchange: this.#exchangeId })
  }

  #refuseEarly(): void {
    // A call under way may wait for its caller's answer, which comes as a request of its session.
    const isAnswer = this.#request.method === 'POST' && this.#request.headers['mcp-session-id'] !== undefined
    if (this.#deps.draining() && !isAnswer)
      throw new GatewayError('draining', 'the gateway is shutting down', { retryAfterSeconds: 1 })
    if (this.#isOverload)
      throw new GatewayError('overloaded', 'the gateway is at its limit of requests under way', { retryAfterSeconds: 1 })
  }

  /** Published documents and the registry are read by web pages of any origin; no cookie ever names a caller here. */
  #checkOrigin({ path }: Target): 'answered' | 'open' {
    const { headers, method } = this.#request
    const isDocument = path.startsWith('/.well-known/')
    const isPublic = isDocument || path.startsWith(REGISTRY_PATH)
    if (!isDocument) assertHost(this.#deps.rules(), headers.host)
    const origin = isPublic ? headers.origin : allowedOrigin(this.#deps.rules(), headers)
    if (origin !== undefined && !isPublic) this.#headers = { ...this.#headers, ...corsHeaders(origin) }
    if (method !== 'OPTIONS') return 'open'
    this.#status = 204
    this.#response.writeHead(204, { ...this.#headers, ...preflight(this.#request, isPublic ? '*' : origin) })
    this.#response.end()
    return 'answered'
  }

  /** Undefined for the quiet routes. */
  #doorOf({ path }: Target): HotDoor | undefined {
    const { method } = this.#request
    if (path.startsWith(MODEL_PATH)) {
      if (method === 'POST' || method === 'GET') return MODEL_DOOR
      throw new GatewayError('method_not_allowed', 'a model endpoint takes POST or GET')
    }
    const catalog = path === '/mcp' ? undefined : MCP_PATH.exec(path)?.[1]
    if (path !== '/mcp' && catalog === undefined) return undefined
    if (method === 'POST' || method === 'GET' || method === 'DELETE') return { kind: 'mcp', catalog }
    throw new GatewayError('method_not_allowed', 'an MCP endpoint takes POST, GET and DELETE')
  }

  #toApp(): void {
    const response = this.#response
    for (const [name, value] of Object.entries(this.#headers)) response.setHeader(name, value)
    response.once('finish', () => (this.#status = response.statusCode))
    this.#deps.app(this.#request, response)
  }

  #readBody({ kind }: HotDoor): Promise<Buffer> {
    const { bodyBytes, modelBodyBytes, bodyMs } = this.#deps.bounds
    return readBody(this.#request, { maxBytes: kind === 'llm' ? modelBodyBytes : bodyBytes, timeoutMs: bodyMs })
  }

  #enter(door: HotDoor, target: Target, { identity, body }: Pick<Admitted, 'identity' | 'body'>): Promise<void> {
    const { eventBufferBytes: bufferBytes, keepAliveMs } = this.#deps.bounds
    const responder = createResponder(this.#response, { headers: this.#headers, bufferBytes, keepAliveMs, watch: this })
    this.#responder = responder
    const admitted: Admitted = {
      request: this.#request,
      target,
      identity,
      body,
      exchangeId: this.#exchangeId,
      trace: this.#deps.startTrace(this.#request),
      at: this.#at,
      startedAt: this.#startedAt,
    }
    return door.kind === 'llm' ? this.#deps.llm(admitted, responder) : this.#deps.mcp(admitted, door.catalog, responder)
  }

  #refuse(error: GatewayError, target: Target | undefined): void {
    const [request, response] = [this.#request, this.#response]
    if (error.code === 'internal')
      this.#deps.report({ type: 'internal-error', exchange: this.#exchangeId, error: error.cause ?? error })
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    const path = target?.path ?? request.url ?? ''
    const status = HTTP_STATUS[error.code]
    this.#status = status
    const body = this.#deps.errorBody(error, { path, request, exchangeId: this.#exchangeId })
    response.writeHead(status, {
      ...this.#headers,
      ...(target === undefined ? {} : this.#deps.challenge(target, error)),
      ...refusalHeaders(error, { status, isModels: path.startsWith(MODEL_PATH), exchangeId: this.#exchangeId }),
      ...(request.complete ? {} : { connection: 'close' }),
      'content-length': Buffer.byteLength(body),
    })
    response.end(body)
  }
}

/** A door to a facet. */
type HotDoor = { readonly kind: 'llm' } | { readonly kind: 'mcp'; readonly catalog: string | undefined }

const MODEL_DOOR: HotDoor = { kind: 'llm' }

function refusalHeaders(
  { retryAfterSeconds }: GatewayError,
  { status, isModels, exchangeId }: { readonly status: number; readonly isModels: boolean; readonly exchangeId: string },
): Record<string, string> {
  return {
    'content-type': 'application/json',
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    ...(isModels ? { 'x-tollgate-request-id': exchangeId, 'x-request-id': exchangeId, 'request-id': exchangeId } : {}),
    ...(status === 405 ? { allow: isModels ? 'GET, POST' : 'GET, POST, DELETE' } : {}),
  }
}

function preflight(request: IncomingMessage, origin: string | undefined): Record<string, string> {
  if (origin === undefined) return { allow: 'GET, POST, DELETE, OPTIONS' }
  return preflightHeaders(origin, request.headers['access-control-request-headers'])
}

import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Caller, Connection, SendOptions, ServerFacts, UpstreamStep } from './contract.ts'
import { HttpCalls, type HttpOptions } from './http-calls.ts'
import { asNotExecuted, type HttpAnswer } from './http-exchange.ts'
import { GET_HEADERS, POST_HEADERS, pushTrace } from './http-headers.ts'
import { RECONNECTED } from './http-listen.ts'
import { readMessage } from './http-message.ts'
import { sessionIdOf } from './http-post.ts'
import { LastingStream } from './http-stream.ts'
import { isLowerLevel } from './log-level.ts'
import type { RpcCall } from './rpc-call.ts'
import { LEGACY_VERSIONS, OFFERED_VERSION } from './rpc-envelope.ts'
import { isInputMethod } from './rpc-input.ts'
import type { Outcome, RequestId, ServerRequest } from './rpc-peer.ts'

/** The server answered `initialize` with a status that means "not here": it may speak HTTP+SSE. */
export class NoInitializeError extends Error {
  constructor() {
    super('the server does not answer initialize on this URL')
    this.name = 'NoInitializeError'
  }
}

const POST_BYTES = 65_536

/** A session with a legacy upstream (2025-03-26 to 2025-11-25): its capabilities are fixed when it opens, its end is a 404. */
export class LegacyConnection implements Connection {
  readonly #options: HttpOptions
  readonly #calls: HttpCalls
  readonly #closeListeners: ((reason: string) => void)[] = []
  #notificationListeners: ((method: string, params: JsonObject) => void)[] = []
  #facts: ServerFacts = { era: 'legacy', protocolVersion: OFFERED_VERSION, capabilities: {} }
  #sessionId: string | undefined
  #initialized = false
  #stream: LastingStream | undefined
  #streamReady: Promise<void> | undefined
  #watched: ReadonlySet<string> = new Set()
  #level: string | undefined
  #closed: string | undefined

  private constructor(options: HttpOptions) {
    this.#options = options
    this.#calls = new HttpCalls(options, {
      modern: false,
      envelope: () => undefined,
      headers: (_method, _params, call) => this.#postHeaders(call?.caller),
      resume: () => this.#sessionHeaders(GET_HEADERS),
      refuse: (answer) => this.#refuse(answer),
      tell: (method, params) => this.notify(method, params),
      reply: (id, answer) => void this.#post({ jsonrpc: '2.0', id, ...answer }),
      request: (request, call) => this.#onRequest(request, call),
      notification: (method, params) => this.#tell(method, params),
    })
  }

  /** Opens a session. Rejects with a NoInitializeError where HTTP+SSE may be spoken instead, else with a GatewayError. */
  static async open(options: HttpOptions, capabilities: JsonObject): Promise<LegacyConnection> {
    const connection = new LegacyConnection(options)
    await connection.#initialize(capabilities)
    return connection
  }

  /** Whether the server keeps a session for us; without one it cannot ask the caller anything. */
  get hasSession(): boolean {
    return this.#sessionId !== undefined
  }

  get facts(): ServerFacts {
    return this.#facts
  }

  send(options: SendOptions): Promise<UpstreamStep> {
    if (this.#closed !== undefined) return Promise.reject(this.#lost(this.#closed))
    const { logLevel } = options.caller
    return logLevel === undefined ? this.#calls.send(options) : this.#sendLogging(options, logLevel)
  }

  async #sendLogging(options: SendOptions, logLevel: string): Promise<UpstreamStep> {
    await this.#lowerLevel(logLevel)
    return await this.#calls.send(options)
  }

  async notify(method: string, params?: JsonObject): Promise<void> {
    if (this.#closed === undefined)
      await this.#post(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params })
  }

  onNotification(listener: (method: string, params: JsonObject) => void): void {
    this.#notificationListeners = [...this.#notificationListeners, listener]
  }

  onClose(listener: (reason: string) => void): void {
    if (this.#closed === undefined) this.#closeListeners.push(listener)
    else listener(this.#closed)
  }

  async listen(uris: readonly string[]): Promise<void> {
    this.#streamReady ??= this.#openStream()
    await Promise.all([this.#watch(uris), this.#streamReady])
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined) return
    const headers = this.#sessionHeaders(['accept', 'application/json'])
    this.#end('closed by the gateway')
    this.#calls.abort('closed by the gateway')
    if (this.#sessionId === undefined) return
    // Ending the session is a courtesy; servers may refuse it with 405.
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.timeouts.connectMs).unref()
      const done = (): void => {
        clearTimeout(timer)
        resolve()
      }
      this.#options.endpoint.open(
        { method: 'DELETE', headers, maxBodyBytes: POST_BYTES, maxEventBytes: POST_BYTES },
        { alive: () => undefined, event: () => undefined, answer: done, ended: done, failed: done },
      )
    })
  }

  async #initialize(capabilities: JsonObject): Promise<void> {
    const { endpoint, clientInfo } = this.#options
    const params = { protocolVersion: OFFERED_VERSION, capabilities, clientInfo }
    const outcome = await this.#calls.ask('initialize', params, (headers) => (this.#sessionId = sessionIdOf(headers)))
    if (outcome.kind === 'failed') throw isNoInitialize(outcome) ?? outcome.error
    if (outcome.kind === 'error') throw new GatewayError('upstream_invalid', `server "${endpoint.server}" refused to initialize`)
    this.#facts = toFacts(outcome.result, endpoint.server)
    this.#initialized = true
    await this.notify('notifications/initialized')
  }

  #postHeaders(caller?: Caller): string[] {
    const headers = this.#sessionHeaders(POST_HEADERS)
    if (caller) pushTrace(headers, caller.trace)
    return headers
  }

  #sessionHeaders(base: readonly string[]): string[] {
    const headers = [...base]
    if (this.#sessionId !== undefined) headers.push('mcp-session-id', this.#sessionId)
    if (this.#initialized) headers.push('mcp-protocol-version', this.#facts.protocolVersion)
    return headers
  }

  /** A 404 to a request with a session id ends the session, and means that the request was not executed. */
  #refuse({ status }: HttpAnswer): GatewayError | undefined {
    if (!this.#initialized)
      return status === 400 || status === 404 || status === 405 ? markNoInitialize(this.#options.endpoint.server) : undefined
    if (status !== 404 || this.#sessionId === undefined) return undefined
    queueMicrotask(() => this.#end('the server ended the session'))
    return this.#lost('it ended the session')
  }

  #lost(reason: string): GatewayError {
    return asNotExecuted(new GatewayError('upstream_unavailable', `server "${this.#options.endpoint.server}" is gone: ${reason}`))
  }

  /** Posts a notification or an answer; resolves when the server took it. */
  #post(message: object): Promise<void> {
    const { endpoint } = this.#options
    const body = JSON.stringify(message)
    return new Promise((resolve) => {
      const done = (): void => resolve()
      endpoint.open(
        { method: 'POST', headers: this.#postHeaders(), body, maxBodyBytes: POST_BYTES, maxEventBytes: POST_BYTES },
        // The server owes no answer; whether it still lives is seen by the next request.
        { alive: () => undefined, event: () => undefined, answer: done, ended: done, failed: done },
      )
    })
  }

  #openStream(): Promise<void> {
    const { endpoint, bounds, timeouts } = this.#options
    const ready = Promise.withResolvers<void>()
    const timer = setTimeout(ready.resolve, timeouts.listMs).unref()
    let opened = 0
    this.#stream = new LastingStream({
      open: (listener, lastEventId) => {
        const headers = this.#sessionHeaders(GET_HEADERS)
        if (lastEventId !== undefined) headers.push('last-event-id', lastEventId)
        return endpoint.open({ method: 'GET', headers, maxBodyBytes: POST_BYTES, maxEventBytes: bounds.eventBytes }, listener)
      },
      event: (data) => this.#onEvent(data),
      isFinal: ({ status }) => status < 500 && status !== 429 && status !== 401,
      up: () => {
        opened += 1
        if (opened > 1) this.#tell(RECONNECTED, {})
        ready.resolve()
      },
      over: () => ready.resolve(),
    })
    return ready.promise.finally(() => clearTimeout(timer))
  }

  #onEvent(data: string): void {
    const bytes = Buffer.byteLength(data)
    const message = readMessage(data, bytes)
    if (message?.kind === 'notification') this.#calls.notification(message.method, message.params)
    else if (message?.kind === 'request')
      this.#onRequest({ id: message.id, method: message.method, params: message.params, bytes })
  }

  #onRequest(request: ServerRequest, call?: RpcCall): void {
    const { id, method } = request
    if (method === 'ping') return void this.#post({ jsonrpc: '2.0', id, result: {} })
    if (!isInputMethod(method)) return this.#deny(id, -32_601, 'method not found')
    const asked = call?.canAnswer(request) === true ? call : call === undefined ? this.#whoCanAnswer(request) : undefined
    if (asked === undefined) return this.#deny(id, -32_603, 'no client can answer this now')
    asked.question(request)
  }

  /** A question on the session's own stream names no call: it is certain only when exactly one principal is at work and one call can answer. */
  #whoCanAnswer(request: ServerRequest): RpcCall | undefined {
    const calls = [...this.#calls.underWay()]
    if (new Set(calls.map((call) => call.caller.key)).size !== 1) return undefined
    const able = calls.filter((call) => call.canAnswer(request))
    return able.length === 1 ? able[0] : undefined
  }

  #deny(id: RequestId, code: number, message: string): void {
    void this.#post({ jsonrpc: '2.0', id, error: { code, message } })
  }

  #tell(method: string, params: JsonObject): void {
    for (const listener of this.#notificationListeners) listener(method, params)
  }

  async #watch(uris: readonly string[]): Promise<void> {
    const resources = this.#facts.capabilities['resources']
    if (!isJsonObject(resources) || resources['subscribe'] !== true) return
    const wanted = new Set(uris)
    const gone = [...this.#watched].filter((uri) => !wanted.has(uri))
    const fresh = [...wanted].filter((uri) => !this.#watched.has(uri))
    this.#watched = wanted
    const asked = fresh.map(async (uri) => ({ uri, outcome: await this.#calls.ask('resources/subscribe', { uri }) }))
    await Promise.all(gone.map((uri) => this.#calls.ask('resources/unsubscribe', { uri })))
    const refused = new Set((await Promise.all(asked)).filter(({ outcome }) => outcome.kind !== 'result').map(({ uri }) => uri))
    // A refused URI counts as not watched, so that the next listen asks for it again.
    if (refused.size > 0) this.#watched = new Set([...this.#watched].filter((uri) => !refused.has(uri)))
  }

  /** The level is one for the whole session: the lowest anybody wanted, filtered again for each caller. */
  async #lowerLevel(logLevel: string): Promise<void> {
    if (!isLowerLevel(logLevel, this.#level) || !isJsonObject(this.#facts.capabilities['logging'])) return
    this.#level = logLevel
    await this.#calls.ask('logging/setLevel', { level: logLevel })
  }

  #end(reason: string): void {
    if (this.#closed !== undefined) return
    this.#closed = reason
    this.#stream?.close()
    for (const listener of this.#closeListeners.splice(0)) listener(reason)
  }
}

const noInitialize = new WeakSet<Error>()

function markNoInitialize(server: string): GatewayError {
  const error = new GatewayError('upstream_invalid', `server "${server}" does not answer initialize`)
  noInitialize.add(error)
  return error
}

function isNoInitialize(outcome: Extract<Outcome, { kind: 'failed' }>): NoInitializeError | undefined {
  return noInitialize.has(outcome.error) ? new NoInitializeError() : undefined
}

function toFacts(result: JsonObject, server: string): ServerFacts {
  const { protocolVersion, capabilities, serverInfo, instructions } = result
  if (typeof protocolVersion !== 'string' || !LEGACY_VERSIONS.includes(protocolVersion)) {
    throw new GatewayError('upstream_invalid', `server "${server}" speaks no protocol version known here`)
  }
  return {
    era: 'legacy',
    protocolVersion,
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    ...(isJsonObject(serverInfo) ? { serverInfo } : {}),
    ...(typeof instructions === 'string' ? { instructions } : {}),
  }
}

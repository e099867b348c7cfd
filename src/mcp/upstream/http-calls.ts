import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Server } from '../../config/server.ts'
import { InFlight } from '../../lib/in-flight.ts'
import type { SendOptions, UpstreamStep } from './contract.ts'
import type { Endpoint } from './http-endpoint.ts'
import type { HttpAnswer } from './http-exchange.ts'
import { PostedRequest, type PostListener, type PostOptions } from './http-post.ts'
import { isLogWanted } from './log-level.ts'
import { type CallDeps, type CallPeer, RpcCall } from './rpc-call.ts'
import { toCallParams } from './rpc-envelope.ts'
import type { Outcome, RequestId, ServerRequest } from './rpc-peer.ts'

/** What both eras need to speak to one HTTP upstream. */
export interface HttpOptions {
  readonly endpoint: Endpoint
  readonly clientInfo: JsonObject
  readonly timeouts: Server['timeouts']
  readonly bounds: Server['bounds']
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** How the eras differ on the wire. */
export interface Wire {
  readonly modern: boolean
  /** The modern envelope for one request; undefined towards a legacy server. */
  envelope(options: SendOptions): JsonObject | undefined
  headers(method: string, params: JsonObject, options?: SendOptions): string[]
  readonly resume?: (() => string[]) | undefined
  readonly refuse?: ((answer: HttpAnswer) => GatewayError | undefined) | undefined
  /** Answers a server request. */
  reply: CallPeer['reply']
  tell: CallPeer['tell']
  /** A server request, with the call on whose stream it came. */
  request(request: ServerRequest, call?: RpcCall): void
  /** A notification that belongs to no call. */
  notification(method: string, params: JsonObject): void
}

/** The calls under way on one HTTP connection: own ids, one POST each, notifications matched to calls by their progress token. */
export class HttpCalls {
  readonly options: HttpOptions
  readonly wire: Wire
  readonly #calls = new InFlight<number, { readonly call: RpcCall; readonly options: SendOptions }>()
  readonly #posted = new InFlight<number, PostedRequest>()
  #lastId = 0

  constructor(options: HttpOptions, wire: Wire) {
    this.options = options
    this.wire = wire
  }

  get size(): number {
    return this.#posted.size
  }

  /** Runs one call to its next step. */
  send(options: SendOptions): Promise<UpstreamStep> {
    if (options.caller.signal.aborted) return Promise.reject(new GatewayError('abandoned', 'the caller cancelled this call'))
    const posted = new PostedCall(this, options)
    const call = new RpcCall(options, posted)
    posted.call = call
    this.#calls.set(call.id, { call, options })
    return call.next(options.caller)
  }

  /** Asks outside any call, within the time for lists. */
  ask(method: string, params: JsonObject, headers?: PostListener['headers']): Promise<Outcome> {
    const { endpoint, timeouts, bounds } = this.options
    return new Promise((resolve) => {
      const id = this.nextId()
      const settle = (outcome: Outcome): void => {
        clearTimeout(timer)
        this.#posted.delete(id)
        resolve(outcome)
      }
      const timer = setTimeout(() => {
        this.#posted.get(id)?.abort()
        const words = `server "${endpoint.server}" did not answer ${method} within ${timeouts.listMs} ms`
        settle({ kind: 'failed', error: new GatewayError('upstream_timeout', words) })
      }, timeouts.listMs)
      const listener: PostListener = {
        settle,
        alive: () => undefined,
        notification: (name, content) => this.notification(name, content),
        request: (request) => this.wire.request(request),
        ...(headers ? { headers } : {}),
      }
      this.post(id, { method, params, headers: this.wire.headers(method, params), maxResultBytes: bounds.resultBytes }, listener)
    })
  }

  /** A notification from a stream that belongs to no call: a progress token can still name one, and a log message the only one. */
  notification(method: string, params: JsonObject): void {
    if (method === 'notifications/progress') return this.#progress(params)
    if (method !== 'notifications/message') return this.wire.notification(method, params)
    const [only, ...others] = this.#calls.keys()
    if (only !== undefined && others.length === 0) this.#log(only, params)
  }

  /** The calls under way, for questions that do not name theirs. */
  *underWay(): Iterable<RpcCall> {
    for (const { call } of this.#calls.values()) yield call
  }

  /** Ends everything under way: whoever waits hears that the connection is gone. */
  abort(reason: string): void {
    const error = new GatewayError('upstream_unavailable', `server "${this.options.endpoint.server}" is gone: ${reason}`)
    for (const posted of this.#posted.values()) posted.end(error)
  }

  /** Posts one request with an id of its own. */
  post(
    id: number,
    request: { method: string; params: JsonObject; headers: string[]; maxResultBytes: number },
    listener: PostListener,
  ): void {
    const options: PostOptions = {
      endpoint: this.options.endpoint,
      id,
      headers: request.headers,
      body: JSON.stringify({ jsonrpc: '2.0', id, method: request.method, params: request.params }),
      maxResultBytes: request.maxResultBytes,
      maxEventBytes: this.options.bounds.eventBytes,
      resume: this.wire.resume,
      refuse: this.wire.refuse,
    }
    this.#posted.set(id, new PostedRequest(options, listener))
  }

  /** The next id of a request. */
  nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  /** Gives a request up. */
  forget(id: number): void {
    this.#posted.get(id)?.abort()
    this.#posted.delete(id)
  }

  /** The answer to a request is there. */
  settled(id: number): void {
    this.#posted.delete(id)
  }

  /** A call is over. */
  ended(id: number): void {
    this.#calls.delete(id)
  }

  /** A notification on the answer of one call. */
  notified(id: number, call: RpcCall, { method, params }: { readonly method: string; readonly params: JsonObject }): void {
    if (method === 'notifications/progress') this.#progress(params)
    else if (method === 'notifications/message') this.#log(id, params)
    else if (method === 'notifications/cancelled') withdraw(call, params)
    else this.wire.notification(method, params)
  }

  /** Tokens are our own request ids, so a server cannot reach a call it was not asked about. */
  #progress({ progressToken, ...params }: JsonObject): void {
    const found = typeof progressToken === 'number' ? this.#calls.get(progressToken) : undefined
    if (found?.options.caller.progress === true) found.call.notify('notifications/progress', params)
  }

  #log(id: number, params: JsonObject): void {
    const call = this.#calls.get(id)?.call
    if (call && isLogWanted(params['level'], call.caller.logLevel)) call.notify('notifications/message', params)
  }
}

/** One call over POST: what it borrows, how it asks, and who hears its answer. One object, because one is made for every call. */
class PostedCall implements CallDeps, CallPeer, PostListener {
  readonly #calls: HttpCalls
  readonly #options: SendOptions
  readonly deadlines: CallDeps['deadlines']
  readonly maxResultBytes: number
  #id = 0
  #settle: (outcome: Outcome) => void = () => undefined
  /** Set as soon as it is made. */
  call: RpcCall | undefined

  constructor(calls: HttpCalls, options: SendOptions) {
    this.#calls = calls
    this.#options = options
    const { timeouts, bounds } = calls.options
    const { timeoutMs, maxResultBytes } = options.caller
    this.deadlines = timeoutMs === undefined ? timeouts : { firstByteMs: timeoutMs, idleMs: timeoutMs, totalMs: timeoutMs }
    this.maxResultBytes = maxResultBytes ?? bounds.resultBytes
  }

  get peer(): CallPeer {
    return this
  }

  get server(): string {
    return this.#calls.options.endpoint.server
  }

  get modern(): boolean {
    return this.#calls.wire.modern
  }

  get now(): () => number {
    return this.#calls.options.now
  }

  toParams(id: number): JsonObject {
    const { params, caller } = this.#options
    return toCallParams(params, caller, id, this.#calls.wire.envelope(this.#options))
  }

  onEnd(id: number): void {
    this.#calls.ended(id)
  }

  ask(method: string, toParams: (id: number) => JsonObject, settle: (outcome: Outcome) => void): number {
    this.#id = this.#calls.nextId()
    this.#settle = settle
    const params = toParams(this.#id)
    const headers = this.#calls.wire.headers(method, params, this.#options)
    this.#calls.post(this.#id, { method, params, headers, maxResultBytes: this.maxResultBytes }, this)
    return this.#id
  }

  forget(id: number): void {
    this.#calls.forget(id)
  }

  reply(id: RequestId, answer: Parameters<CallPeer['reply']>[1]): void {
    this.#calls.wire.reply(id, answer)
  }

  tell(method: string, params: JsonObject): Promise<void> {
    return this.#calls.wire.tell(method, params)
  }

  settle(outcome: Outcome): void {
    this.#calls.settled(this.#id)
    this.#settle(outcome)
  }

  alive(): void {
    this.call?.alive()
  }

  notification(method: string, params: JsonObject): void {
    if (this.call !== undefined) this.#calls.notified(this.#id, this.call, { method, params })
  }

  request(request: ServerRequest): void {
    this.#calls.wire.request(request, this.call)
  }

  suspended(retryMs: number): void {
    this.call?.caller.suspended?.(retryMs)
  }
}

/** The server takes a question of its own back. */
function withdraw(call: RpcCall, { requestId }: JsonObject): void {
  if (typeof requestId === 'string' || typeof requestId === 'number') call.withdraw(requestId)
}

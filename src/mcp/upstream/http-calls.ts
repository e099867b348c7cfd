import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Server } from '../../config/server.ts'
import { InFlight } from '../../lib/in-flight.ts'
import type { SendOptions, UpstreamStep } from './contract.ts'
import type { Endpoint } from './http-endpoint.ts'
import type { HttpAnswer } from './http-exchange.ts'
import { PostedRequest, type PostListener, type PostOptions } from './http-post.ts'
import { isLogWanted } from './log-level.ts'
import { RpcCall, type CallPeer } from './rpc-call.ts'
import { toCallParams } from './rpc-envelope.ts'
import type { Outcome, ServerRequest } from './rpc-peer.ts'

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
  readonly resume?: () => string[]
  readonly refuse?: (answer: HttpAnswer) => GatewayError | undefined
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
  readonly #options: HttpOptions
  readonly #wire: Wire
  readonly #calls = new InFlight<number, { readonly call: RpcCall; readonly options: SendOptions }>()
  readonly #posted = new InFlight<number, PostedRequest>()
  #lastId = 0

  constructor(options: HttpOptions, wire: Wire) {
    this.#options = options
    this.#wire = wire
  }

  get size(): number {
    return this.#posted.size
  }

  /** Runs one call to its next step. */
  async send(options: SendOptions): Promise<UpstreamStep> {
    const { caller, params } = options
    const { endpoint, timeouts, bounds, now } = this.#options
    if (caller.signal.aborted) throw new GatewayError('abandoned', 'the caller cancelled this call')
    const total = caller.timeoutMs
    const envelope = this.#wire.envelope(options)
    const call: RpcCall = new RpcCall(options, {
      peer: this.#peer(options, () => call),
      server: endpoint.server,
      modern: this.#wire.modern,
      now,
      deadlines: total === undefined ? timeouts : { firstByteMs: total, idleMs: total, totalMs: total },
      maxResultBytes: caller.maxResultBytes ?? bounds.resultBytes,
      toParams: (id) => toCallParams(params, caller, id, envelope),
      onEnd: (id) => this.#calls.delete(id),
    })
    this.#calls.set(call.id, { call, options })
    return await call.next(caller)
  }

  /** Asks outside any call, within the time for lists. */
  ask(method: string, params: JsonObject, headers?: PostListener['headers']): Promise<Outcome> {
    const { endpoint, timeouts, bounds } = this.#options
    return new Promise((resolve) => {
      const id = ++this.#lastId
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
        request: (request) => this.#wire.request(request),
        ...(headers ? { headers } : {}),
      }
      this.#post(
        id,
        { method, params, headers: this.#wire.headers(method, params), maxResultBytes: bounds.resultBytes },
        listener,
      )
    })
  }

  /** A notification from a stream that belongs to no call: a progress token can still name one, and a log message the only one. */
  notification(method: string, params: JsonObject): void {
    if (method === 'notifications/progress') return this.#progress(params)
    if (method !== 'notifications/message') return this.#wire.notification(method, params)
    const [only, ...others] = this.#calls.keys()
    if (only !== undefined && others.length === 0) this.#log(only, params)
  }

  /** The calls under way, for questions that do not name theirs. */
  *underWay(): Iterable<RpcCall> {
    for (const { call } of this.#calls.values()) yield call
  }

  /** Ends everything under way: whoever waits hears that the connection is gone. */
  abort(reason: string): void {
    const error = new GatewayError('upstream_unavailable', `server "${this.#options.endpoint.server}" is gone: ${reason}`)
    for (const posted of this.#posted.values()) posted.end(error)
  }

  #peer(options: SendOptions, call: () => RpcCall): CallPeer {
    const { bounds } = this.#options
    return {
      ask: (method, toParams, settle) => {
        const id = ++this.#lastId
        const params = toParams(id)
        const maxResultBytes = options.caller.maxResultBytes ?? bounds.resultBytes
        const headers = this.#wire.headers(method, params, options)
        this.#post(id, { method, params, headers, maxResultBytes }, this.#listener(id, settle, call))
        return id
      },
      forget: (id) => {
        this.#posted.get(id)?.abort()
        this.#posted.delete(id)
      },
      reply: (id, answer) => this.#wire.reply(id, answer),
      tell: (method, params) => this.#wire.tell(method, params),
    }
  }

  #listener(id: number, settle: (outcome: Outcome) => void, call: () => RpcCall): PostListener {
    return {
      settle: (outcome) => {
        this.#posted.delete(id)
        settle(outcome)
      },
      alive: () => call().alive(),
      notification: (method, params) => {
        if (method === 'notifications/progress') this.#progress(params)
        else if (method === 'notifications/message') this.#log(id, params)
        else if (method === 'notifications/cancelled') withdraw(call(), params)
        else this.#wire.notification(method, params)
      },
      request: (request) => this.#wire.request(request, call()),
      suspended: (retryMs) => call().caller.suspended?.(retryMs),
    }
  }

  #post(
    id: number,
    request: { method: string; params: JsonObject; headers: string[]; maxResultBytes: number },
    listener: PostListener,
  ): void {
    const { resume, refuse } = this.#wire
    const options: PostOptions = {
      endpoint: this.#options.endpoint,
      id,
      headers: request.headers,
      body: JSON.stringify({ jsonrpc: '2.0', id, method: request.method, params: request.params }),
      maxResultBytes: request.maxResultBytes,
      maxEventBytes: this.#options.bounds.eventBytes,
      ...(resume ? { resume } : {}),
      ...(refuse ? { refuse } : {}),
    }
    this.#posted.set(id, new PostedRequest(options, listener))
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

/** The server takes a question of its own back. */
function withdraw(call: RpcCall, { requestId }: JsonObject): void {
  if (typeof requestId === 'string' || typeof requestId === 'number') call.withdraw(requestId)
}

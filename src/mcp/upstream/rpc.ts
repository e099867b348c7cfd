import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Caller, Connection, InputRequest, SendOptions, ServerFacts, UpstreamStep } from './contract.ts'
import { RpcCall } from './rpc-call.ts'
import { createLegacyNotices, createModernNotices, type ChangeNotices } from './rpc-changes.ts'
import type { CallDeadlines } from './rpc-clock.ts'
import { toCallParams, toEnvelope } from './rpc-envelope.ts'
import { isInputMethod } from './rpc-input.ts'
import type { RequestId, RpcPeer, ServerRequest } from './rpc-peer.ts'

/** Everything a conversation needs besides the link it runs on. */
export interface RpcOptions {
  readonly server: string
  readonly clientInfo: JsonObject
  readonly deadlines: CallDeadlines
  readonly maxResultBytes: number
  readonly maxInFlight: number
  /** How long the other side gets to end when we close. */
  readonly closeMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
}

// RFC 5424, from the chattiest to the gravest.
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

/** A conversation over one ordered link, after its handshake: many calls side by side, each with its own ids, tokens and deadlines. */
export class RpcConnection implements Connection {
  readonly facts: ServerFacts
  readonly #peer: RpcPeer
  readonly #options: RpcOptions
  readonly #calls = new Map<number, RpcCall>()
  readonly #notices: ChangeNotices
  readonly #notificationListeners: ((method: string, params: JsonObject) => void)[] = []
  #level = LEVELS.length

  constructor(peer: RpcPeer, facts: ServerFacts, options: RpcOptions) {
    this.facts = facts
    this.#peer = peer
    this.#options = options
    this.#notices =
      facts.era === 'modern' ? createModernNotices(peer, facts, options.clientInfo) : createLegacyNotices(peer, facts)
    peer.listen({
      request: (request) => this.#onRequest(request),
      notification: (method, params) => this.#onNotification(method, params),
    })
    peer.onClose(() => this.#notices.stop())
  }

  async send(options: SendOptions): Promise<UpstreamStep> {
    const { caller, params } = options
    const { server, maxInFlight, deadlines, maxResultBytes, now } = this.#options
    if (caller.signal.aborted) throw new GatewayError('abandoned', 'the caller cancelled this call')
    if (this.#calls.size >= maxInFlight)
      throw new GatewayError('overloaded', `server "${server}" is at its limit of calls under way`)
    this.#lowerLevel(caller)
    const modern = this.facts.era === 'modern'
    const envelope = modern ? toEnvelope(this.#options.clientInfo, caller.capabilities, caller.logLevel) : undefined
    const total = caller.timeoutMs
    const call: RpcCall = new RpcCall(options, {
      peer: this.#peer,
      server,
      modern,
      now,
      // A deadline of the catalog's own is the admin's word on how long this tool may take, silence included.
      deadlines: total === undefined ? deadlines : { firstByteMs: total, idleMs: total, totalMs: total },
      maxResultBytes: caller.maxResultBytes ?? maxResultBytes,
      toParams: (id) => toCallParams(params, caller, id, envelope),
      onEnd: (id) => this.#calls.delete(id),
    })
    this.#calls.set(call.id, call)
    return await call.next(caller)
  }

  async notify(method: string, params?: JsonObject): Promise<void> {
    await this.#peer.tell(method, params)
  }

  onNotification(listener: (method: string, params: JsonObject) => void): void {
    this.#notificationListeners.push(listener)
  }

  onClose(listener: (reason: string) => void): void {
    this.#peer.onClose(listener)
  }

  async listen(uris: readonly string[]): Promise<void> {
    await this.#notices.listen(uris)
  }

  async close(): Promise<void> {
    await this.#peer.close(this.#options.closeMs)
  }

  /** The level of a legacy server is one for the whole link: the lowest anybody wanted, filtered again for each caller. */
  #lowerLevel({ logLevel }: Caller): void {
    const wanted = logLevel === undefined ? -1 : LEVELS.indexOf(logLevel)
    if (this.facts.era === 'modern' || wanted === -1 || wanted >= this.#level) return
    if (!isJsonObject(this.facts.capabilities['logging'])) return
    this.#level = wanted
    // The answer says nothing we act on; a server that refuses goes on with its own level.
    this.#peer.ask(
      'logging/setLevel',
      () => ({ level: logLevel }),
      () => undefined,
    )
  }

  #onRequest(request: ServerRequest): void {
    const { id, method } = request
    if (method === 'ping') return this.#peer.reply(id, { result: {} })
    // A modern server has no requests at all: it asks in its results.
    const known = this.facts.era === 'legacy' && isInputMethod(method)
    if (!known) return this.#refuse(id, -32_601, 'method not found')
    const call = this.#whoCanAnswer(request)
    if (call === undefined) return this.#refuse(id, -32_603, 'no client can answer this now')
    call.question(request)
  }

  #refuse(id: RequestId, code: number, message: string): void {
    this.#peer.reply(id, { error: { code, message } })
  }

  /**
   * A server request does not say which call it belongs to. It is certain when one call is under way, and harmless to guess among the
   * calls of one principal when one of them alone can answer. Anything else could show one caller's question to another.
   */
  #whoCanAnswer(request: InputRequest): RpcCall | undefined {
    const calls = [...this.#calls.values()]
    if (new Set(calls.map((call) => call.caller.key)).size !== 1) return undefined
    const able = calls.filter((call) => call.canAnswer(request))
    return able.length === 1 ? able[0] : undefined
  }

  #onNotification(method: string, params: JsonObject): void {
    if (method === 'notifications/progress') return this.#onProgress(params)
    if (method === 'notifications/message') return this.#onLog(params)
    if (method === 'notifications/cancelled') return this.#onCancelled(params)
    const accepted = this.#notices.accept(method, params)
    if (accepted === undefined) return
    for (const listener of this.#notificationListeners) listener(method, accepted)
  }

  /** Tokens are the ids of our own requests, so a server cannot reach a call it was not asked about. */
  #onProgress({ progressToken, ...params }: JsonObject): void {
    const call = typeof progressToken === 'number' ? this.#calls.get(progressToken) : undefined
    if (call?.caller.progress) call.notify('notifications/progress', params)
  }

  /** A log message does not name its call either: it goes to the only one under way that wants it, or to nobody. */
  #onLog(params: JsonObject): void {
    const [call, ...others] = this.#calls.values()
    const level = typeof params['level'] === 'string' ? LEVELS.indexOf(params['level']) : -1
    const wanted = call?.caller.logLevel
    if (call === undefined || others.length > 0 || wanted === undefined || level < LEVELS.indexOf(wanted)) return
    call.notify('notifications/message', params)
  }

  #onCancelled({ requestId }: JsonObject): void {
    if (typeof requestId !== 'string' && typeof requestId !== 'number') return
    for (const call of this.#calls.values()) call.withdraw(requestId)
  }
}

import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { InFlight } from '../../lib/in-flight.ts'
import { parseJson } from '../../lib/json-numbers.ts'
import type { JsonRpcError } from './contract.ts'

/** An ordered two-way stream of JSON texts: a child's pipes, or an SSE stream with POSTs beside it. */
export interface MessageLink {
  /** Throws or rejects with a GatewayError when the text was not taken. `inOrder`: not before what was sent earlier. */
  send(text: string, inOrder?: boolean): void | Promise<void>
  onMessage(listener: (text: string) => void): void
  /** Called once; nothing is sent or heard after it. */
  onClose(listener: (reason: string) => void): void
  close(graceMs: number, reason?: string): Promise<void>
}

/** How a request of ours ended. */
export type Outcome =
  | { readonly kind: 'result'; readonly result: JsonObject; readonly bytes: number }
  | { readonly kind: 'error'; readonly error: JsonRpcError; readonly bytes: number }
  | { readonly kind: 'failed'; readonly error: GatewayError }

/** Ids are each side's own: a request of the server may use any. */
export type RequestId = string | number

/** A request of the server to us. */
export interface ServerRequest {
  readonly id: RequestId
  readonly method: string
  readonly params: JsonObject
  readonly bytes: number
}

/** Who hears what the server says by itself. */
export interface PeerListener {
  request(request: ServerRequest): void
  notification(method: string, params: JsonObject): void
}

// More texts than this that are no messages, without one message between them, and the other side does not speak the protocol.
const MAX_JUNK = 1000
// Only 2025-03-26 has arrays, and the SDKs send at most this many in one.
const MAX_BATCH = 100
// JSON.parse goes as deep as it likes, JSON.stringify does not. A text below this size cannot be deep enough to matter.
const DEPTH_FREE_BYTES = 8_192
const MAX_DEPTH = 512

/** JSON-RPC 2.0 over one link: own ids, answers matched to requests, everything else handed to one listener. */
export class RpcPeer {
  readonly #link: MessageLink
  readonly #server: string
  readonly #pending = new InFlight<number, (outcome: Outcome) => void>()
  #listener: PeerListener | undefined
  readonly #closeListeners: ((reason: string) => void)[] = []
  #lastId = 0
  #junk = 0
  #closed: string | undefined

  constructor(link: MessageLink, server: string) {
    this.#link = link
    this.#server = server
    link.onMessage((text) => this.#read(text))
    link.onClose((reason) => this.#end(reason))
  }

  /** Why the conversation is over; undefined while it is not. */
  get closed(): string | undefined {
    return this.#closed
  }

  /** Sends a request and returns its id; `settle` is called later, exactly once unless the id is forgotten. */
  ask(method: string, params: (id: number) => JsonObject, settle: (outcome: Outcome) => void): number {
    const id = ++this.#lastId
    this.#pending.set(id, settle)
    const failed = (error: GatewayError) => queueMicrotask(() => this.#settle(id, { kind: 'failed', error }))
    this.#write({ jsonrpc: '2.0', id, method, params: params(id) }, failed)
    return id
  }

  /** An answer to this id is of no use any more; a late one is dropped. */
  forget(id: number): void {
    this.#pending.delete(id)
  }

  tell(method: string, params?: JsonObject): Promise<void> {
    return new Promise((resolve, reject) => {
      const text = params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params }
      this.#write(text, reject, resolve)
    })
  }

  /** Answers a request of the server. That it cannot be sent any more is no news: the close listeners hear of it. */
  reply(id: RequestId, answer: { readonly result: JsonObject } | { readonly error: JsonRpcError }): void {
    this.#write({ jsonrpc: '2.0', id, ...answer }, () => undefined)
  }

  listen(listener: PeerListener): void {
    this.#listener = listener
  }

  onClose(listener: (reason: string) => void): void {
    if (this.#closed === undefined) this.#closeListeners.push(listener)
    else listener(this.#closed)
  }

  async close(graceMs: number): Promise<void> {
    this.#end('closed by the gateway')
    await this.#link.close(graceMs)
  }

  #write(message: object, failed: (error: GatewayError) => void, sent?: () => void): void {
    if (this.#closed !== undefined) return failed(this.#gone(this.#closed))
    const refuse = (error: unknown): void => {
      failed(error instanceof GatewayError ? error : this.#gone('it cannot be written to', error))
    }
    try {
      // A notification speaks of what was said before it.
      const sending = this.#link.send(JSON.stringify(message), !('id' in message))
      if (sending === undefined) sent?.()
      else sending.then(() => sent?.(), refuse)
    } catch (error) {
      refuse(error)
    }
  }

  #read(text: string): void {
    if (this.#closed !== undefined) return
    const bytes = Buffer.byteLength(text)
    const parsed = parse(text)
    const messages = Array.isArray(parsed) ? parsed.slice(0, MAX_BATCH) : [parsed]
    const understood = messages.filter((message) => isJsonObject(message) && this.#take(message, bytes)).length
    this.#junk = understood > 0 ? 0 : this.#junk + 1
    if (this.#junk < MAX_JUNK) return
    const reason = 'it sends text that is no JSON-RPC'
    this.#end(reason)
    void this.#link.close(0, reason)
  }

  /** Returns whether it was a JSON-RPC message at all. */
  #take(message: JsonObject, bytes: number): boolean {
    const { id, method } = message
    const isId = typeof id === 'string' || typeof id === 'number'
    const params = isJsonObject(message['params']) ? message['params'] : {}
    if (message['jsonrpc'] !== '2.0') return false
    const deep = bytes > DEPTH_FREE_BYTES && isDeeper(message, MAX_DEPTH)
    if (deep && typeof id === 'number' && method === undefined) this.#settle(id, this.#broken())
    else if (deep) return true
    else if (typeof method === 'string' && isId) this.#listener?.request({ id, method, params, bytes })
    else if (typeof method === 'string') this.#listener?.notification(method, params)
    else if (typeof id === 'number') this.#settle(id, this.#toOutcome(message, bytes))
    else return isId || id === null
    return true
  }

  #toOutcome(message: JsonObject, bytes: number): Outcome {
    const { result, error } = message
    if (isJsonObject(result) && error === undefined) return { kind: 'result', result, bytes }
    const isError = isJsonObject(error) && Number.isInteger(error['code']) && typeof error['message'] === 'string'
    // `as`: the three fields were checked on the line above; data is optional and passed on as it is.
    if (isError && result === undefined) return { kind: 'error', error: error as unknown as JsonRpcError, bytes }
    return this.#broken()
  }

  #broken(): Outcome {
    const message = `server "${this.#server}" sent an answer that is no JSON-RPC response`
    return { kind: 'failed', error: new GatewayError('upstream_invalid', message) }
  }

  #settle(id: number, outcome: Outcome): void {
    const settle = this.#pending.get(id)
    this.#pending.delete(id)
    settle?.(outcome)
  }

  #end(reason: string): void {
    if (this.#closed !== undefined) return
    this.#closed = reason
    const error = this.#gone(reason)
    for (const id of this.#pending.keys()) this.#settle(id, { kind: 'failed', error })
    for (const listener of this.#closeListeners.splice(0)) listener(reason)
  }

  #gone(reason: string, cause?: unknown): GatewayError {
    return new GatewayError('upstream_unavailable', `server "${this.#server}" is gone: ${reason}`, { cause })
  }
}

function parse(text: string): Json | undefined {
  try {
    // `as`: JSON text holds JSON values and nothing else.
    return parseJson(text) as Json
  } catch {
    return undefined
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1))
}

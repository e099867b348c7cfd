import type { JsonObject } from '../../core/json.ts'
import { toRelayedCapabilities } from './capabilities.ts'
import type { Connection, SendOptions, ServerFacts, UpstreamStep } from './contract.ts'
import { HttpCalls, type HttpOptions } from './http-calls.ts'
import { modernHeaders } from './http-headers.ts'
import { createModernListen, type ModernListen } from './http-listen.ts'
import { toEnvelope } from './rpc-envelope.ts'
import type { Outcome } from './rpc-peer.ts'

/** A modern upstream (2026-07-28): nothing is remembered between requests, so one connection serves every caller. */
export class ModernConnection implements Connection {
  readonly facts: ServerFacts
  readonly #calls: HttpCalls
  readonly #listen: ModernListen
  readonly #closeListeners: ((reason: string) => void)[] = []
  #notificationListeners: ((method: string, params: JsonObject) => void)[] = []

  constructor(facts: ServerFacts, options: HttpOptions) {
    this.facts = facts
    this.#calls = createModernCalls(options)
    this.#listen = createModernListen(options, facts.capabilities, (method, params) => {
      for (const listener of this.#notificationListeners) listener(method, params)
    })
  }

  send(options: SendOptions): Promise<UpstreamStep> {
    return this.#calls.send(options)
  }

  /** A modern server takes no notifications over HTTP. */
  async notify(): Promise<void> {}

  onNotification(listener: (method: string, params: JsonObject) => void): void {
    this.#notificationListeners = [...this.#notificationListeners, listener]
  }

  onClose(listener: (reason: string) => void): void {
    this.#closeListeners.push(listener)
  }

  async listen(uris: readonly string[]): Promise<void> {
    await this.#listen.listen(uris)
  }

  async close(): Promise<void> {
    this.#listen.close()
    const reason = 'closed by the gateway'
    this.#calls.abort(reason)
    for (const listener of this.#closeListeners.splice(0)) listener(reason)
  }
}

/** Asks a server what it is, in the modern way; the outcome is the evidence of its era. */
export async function discover(options: HttpOptions): Promise<Outcome> {
  return await createModernCalls(options).ask('server/discover', { _meta: toEnvelope(options.clientInfo, {}) })
}

function createModernCalls(options: HttpOptions): HttpCalls {
  return new HttpCalls(options, {
    modern: true,
    envelope: ({ caller }) => toEnvelope(options.clientInfo, toRelayedCapabilities(caller.capabilities), caller.logLevel),
    headers: modernHeaders,
    // Closing the stream is the cancellation, and a modern server has no requests of its own.
    tell: async () => undefined,
    reply: () => undefined,
    request: () => undefined,
    notification: () => undefined,
  })
}

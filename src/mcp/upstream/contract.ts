import type { CatalogItem, Era, Inventory, OfferedKind, ServerStatus } from '../../core/snapshot.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { Timings, TraceContext } from '../../core/exchange.ts'

/** A JSON-RPC error object as an upstream sent it. */
export interface JsonRpcError {
  readonly code: number
  readonly message: string
  readonly data?: Json
}

/** One thing an upstream asks the caller: elicitation/create, sampling/createMessage or roots/list with its params. */
export interface InputRequest {
  readonly method: string
  readonly params?: JsonObject
}

/** One call to an upstream, in the upstream's own names. */
export interface UpstreamRequest {
  /** `tools/call`, `prompts/get`, `resources/read` or `completion/complete`. */
  readonly method: string
  /**
   * Params with upstream names. `_meta` holds the caller's unknown keys only: envelope keys (io.modelcontextprotocol/*),
   * progressToken and trace keys are taken out by the downstream side and put in by the connection as its era asks.
   * May hold `inputResponses` and `requestState` (the upstream's own) towards a modern upstream.
   */
  readonly params: JsonObject
  /** The item called, when there is one: its definition gives the `Mcp-Param-*` headers. */
  readonly item?: CatalogItem
}

/** What an upstream call may know of, and do to, the caller it serves. */
export interface Caller {
  /** Identity.key of the principal. */
  readonly key: string
  /** How the caller itself speaks. A server found to keep legacy sessions beside the modern era is spoken to in the same way. */
  readonly era?: Era
  /** Client capabilities of this exchange (elicitation, sampling, roots, extensions), as the client declared them. */
  readonly capabilities: JsonObject
  readonly clientInfo?: JsonObject | undefined
  /** Log messages wanted at this level or above (RFC 5424 names); absent: none. */
  readonly logLevel?: string | undefined
  /** True when the caller gave a progress token. */
  readonly progress: boolean
  readonly trace: TraceContext
  /** Aborted: the upstream is told (closed stream or notifications/cancelled) and the call ends as `abandoned`. */
  readonly signal: AbortSignal
  /** Overrides of the server's own deadlines and caps, from the catalog item. */
  readonly timeoutMs?: number | undefined
  readonly maxResultBytes?: number | undefined
  readonly timings: Timings
  /** Notifications that belong to this call: `notifications/progress` (without a token) and `notifications/message`. */
  notify(method: string, params: JsonObject): void
  /**
   * A legacy upstream ended its answer stream before the answer and is being polled (2025-11-25 SSE polling). A legacy caller's
   * stream may end too, with a `retry` of this many milliseconds, and be resumed with Last-Event-ID.
   */
  suspended?(retryMs: number): void
}

/** How far a call got. `bytes` is the size of what the upstream sent. */
export type UpstreamStep =
  | { readonly kind: 'result'; readonly result: JsonObject; readonly bytes: number }
  | { readonly kind: 'error'; readonly error: JsonRpcError; readonly bytes: number }
  /** The upstream needs the caller. Modern: `raw` is its input_required result and `state` its requestState. Legacy: `held` keeps the call open. */
  | {
      readonly kind: 'input'
      readonly requests: Readonly<Record<string, InputRequest>>
      readonly bytes: number
      readonly raw?: JsonObject
      readonly state?: string
      readonly held?: HeldCall
    }

/** A legacy call that waits for answers to its server requests. Ended by exactly one of `resume` and `cancel`. */
export interface HeldCall {
  /** Gives the answers (keyed like `requests`) and goes on; the caller may be another exchange of the same principal. */
  resume(responses: Readonly<Record<string, Json>>, caller: Caller): Promise<UpstreamStep>
  /** Tells the upstream that nobody will answer and frees what is held. */
  cancel(reason: string): void
}

/** What changed about an upstream. `announced`: kinds the upstream itself said had changed. */
export interface UpstreamChange {
  readonly server: string
  readonly announced: ReadonlySet<OfferedKind>
}

/** One registered upstream: pool, era, breaker, health and last good list behind one face. */
export interface Upstream {
  readonly id: string
  status(): ServerStatus
  /** The last good lists; kept while the server is down. */
  inventory(): Inventory | undefined
  /** Runs one call to its next step. Throws GatewayError (`upstream_*`, `overloaded`, `abandoned`) when there is no answer. */
  call(request: UpstreamRequest, caller: Caller): Promise<UpstreamStep>
  /** Asks for `notifications/resources/updated` of a URI; shared by all listeners of it. Returns the way to stop. */
  watch(uri: string, caller: Pick<Caller, 'key' | 'capabilities'>, updated: (params: JsonObject) => void): Promise<() => void>
  /** Passes on a notification of a legacy client (`notifications/roots/list_changed`) to that client's own upstream sessions. */
  inform(method: string, params: JsonObject | undefined, key: string): void
  /** Fetches the lists now (on start, on change notices, every refreshMs). Never throws; the status tells. */
  refresh(): Promise<void>
  onChange(listener: (change: UpstreamChange) => void): () => void
  /** Ends sessions and children: politely, then firmly. Calls under way get until the deadline (milliseconds). */
  close(graceMs: number): Promise<void>
}

/** Facts a connection learned when it was made. */
export interface ServerFacts {
  readonly era: Era
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly serverInfo?: JsonObject
  readonly instructions?: string
}

/** Options of one request on a connection. */
export interface SendOptions {
  readonly method: string
  readonly params: JsonObject
  readonly caller: Caller
  readonly item?: CatalogItem | undefined
}

/** One live conversation with an upstream: a stateless modern origin, a legacy HTTP session, an SSE session, or a child process. */
export interface Connection {
  readonly facts: ServerFacts
  send(options: SendOptions): Promise<UpstreamStep>
  notify(method: string, params?: JsonObject): Promise<void>
  /** Notifications that belong to no call (list_changed, resources/updated, log messages). */
  onNotification(listener: (method: string, params: JsonObject) => void): void
  /** Called once when the conversation is over and cannot be used again. */
  onClose(listener: (reason: string) => void): void
  /** Starts delivery of change notices: `subscriptions/listen`, the GET stream, or nothing where they come by themselves. */
  listen(uris: readonly string[]): Promise<void>
  close(): Promise<void>
}

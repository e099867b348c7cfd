import type { JsonObject, Json } from '../core/json.ts'
import type { TraceContext } from '../core/exchange.ts'
import type { CatalogView, Era, Snapshot } from '../core/snapshot.ts'
import type { McpRequest } from './contract.ts'
import type { RequestMessage } from './message.ts'
import type { Outlet } from './outlet.ts'
import type { InputRequest } from './upstream/contract.ts'

/** One JSON-RPC request of a caller with everything both eras know about it. */
export interface Incoming {
  readonly request: McpRequest
  readonly message: RequestMessage
  readonly exchangeId: string
  readonly era: Era
  readonly protocolVersion: string
  readonly snapshot: Snapshot
  readonly view: CatalogView
  /** Client capabilities that upstreams may rely on. */
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject | undefined
  /** Log messages wanted at this level or above; undefined: none. */
  readonly logLevel: string | undefined
  /** Name of the legacy session. */
  readonly mcpSession: string | undefined
  readonly trace: TraceContext
  readonly outlet: Outlet
  /** Stops the work for this request. */
  readonly controller: AbortController
  readonly requestBytes: number
  /** Legacy clients are asked over their session and answer within the call; absent: the call ends with `input_required`. */
  readonly ask?: (requests: Readonly<Record<string, InputRequest>>) => Promise<Readonly<Record<string, Json>>>
}

/** For requests that are answered at once: there is nothing to stop. */
export const AT_ONCE = new AbortController()

/** The body of a result answer whose result is already written. */
export function resultBody(idText: string, result: string): string {
  return `{"jsonrpc":"2.0","id":${idText},"result":${result}}`
}

/** A notification, written. */
export function notificationBody(method: string, params: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params })
}

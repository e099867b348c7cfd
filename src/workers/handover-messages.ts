import type { McpRequest } from '../mcp/contract.ts'

/** A request as it is posted: bytes instead of a Buffer, and a start that all threads understand. */
export type HandedRequest = Omit<McpRequest, 'body' | 'startedAt'> & {
  readonly body: Uint8Array | undefined
  /** Milliseconds since the epoch, with fractions: when the monotonic clock of the sender stood at `startedAt`. */
  readonly startedOn: number
}

/** From the worker where a request arrived to the one it belongs to. */
export type ToOwner =
  | { readonly type: 'request'; readonly id: number; readonly request: HandedRequest }
  | { readonly type: 'hung-up'; readonly id: number }
  /** The stream to the caller is over. */
  | { readonly type: 'closed'; readonly id: number; readonly byCaller: boolean }
  /** The caller has read so many bytes. */
  | { readonly type: 'taken'; readonly id: number; readonly bytes: number }

/** From the worker a request belongs to. */
export type FromOwner =
  | {
      readonly type: 'answer'
      readonly id: number
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body?: string | Uint8Array
    }
  | { readonly type: 'events'; readonly id: number; readonly headers: Readonly<Record<string, string>>; readonly idle: boolean }
  | { readonly type: 'event'; readonly id: number; readonly data: string; readonly name?: string; readonly retryMs?: number }
  | { readonly type: 'comment'; readonly id: number; readonly text: string }
  | { readonly type: 'bytes'; readonly id: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: 'frames'; readonly id: number; readonly frames: string | Uint8Array }
  | { readonly type: 'end'; readonly id: number; readonly frames?: string | Uint8Array }
  /** Nothing more comes for this request. */
  | { readonly type: 'over'; readonly id: number }

import type { MessagePort } from 'node:worker_threads'
import type { PortableFiles } from '../config/portable.ts'
import type { Inventory, ServerStatus } from '../core/snapshot.ts'
import type { McpStats } from '../mcp/contract.ts'
import type { UpstreamChange } from '../mcp/upstream/contract.ts'
import type { Counters } from '../metering/counters.ts'

/** What is in force, as the main thread tells it. Files and lists that did not change are not sent again. */
export interface WorkerState {
  readonly generation: number
  readonly files?: PortableFiles
  readonly servers: readonly {
    readonly id: string
    readonly status: ServerStatus
    /** `same`: the one sent last. */
    readonly inventory?: Inventory | 'same'
  }[]
}

/** What a worker is started with. */
export interface WorkerBoot {
  readonly worker: number
  /** How many there are. */
  readonly workers: number
  readonly state: WorkerState & { readonly files: PortableFiles }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly version: string
  readonly counters: Counters
  /** Whether the ledger takes entries. */
  readonly writable: SharedArrayBuffer
  /** The port of the data listener, and how callers reach it. */
  readonly port: number
  readonly publicUrl: string
  readonly ledger: MessagePort
  readonly upstreams: MessagePort
}

/** The ways to another worker. */
export interface PeerMessage extends PeerPorts {
  readonly type: 'peer'
  readonly worker: number
}

/** One end of the ways between two workers. */
export interface PeerPorts {
  /** For requests of sessions that live at the other end. */
  readonly requests: MessagePort
  readonly gossip: MessagePort
}

/** What a worker may be asked by the admin side. */
export type WorkerQuestion = 'metrics' | 'targets'

/** From the main thread to a worker. */
export type ToWorker =
  | PeerMessage
  | { readonly type: 'state'; readonly state: WorkerState }
  | { readonly type: 'announced'; readonly change: UpstreamChange }
  | { readonly type: 'reload-tls' }
  | { readonly type: 'ask'; readonly id: number; readonly question: WorkerQuestion }
  /** Ends what is under way; `idle` follows. */
  | { readonly type: 'drain' }
  | { readonly type: 'close' }

/** How much is going on in a worker. */
export interface WorkerFigures extends McpStats {
  readonly inFlight: number
}

/** From a worker to the main thread. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'applied'; readonly generation: number }
  | { readonly type: 'figures'; readonly figures: WorkerFigures }
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  /** A call was refused because the balance of its budget is not read. */
  | { readonly type: 'unread' }
  | { readonly type: 'idle' }

import type { Json, JsonObject } from '../core/json.ts'
import type { Timings } from '../core/exchange.ts'
import type { Caller, UpstreamRequest, UpstreamStep } from '../mcp/upstream/contract.ts'
import type { RemoteError } from './remote-error.ts'

/** A caller as it is posted: what it is, without what it can do. */
export type HandedCaller = Omit<Caller, 'signal' | 'timings' | 'notify' | 'suspended'> & { readonly canSuspend: boolean }

/** A step as it is posted: a call that is held open stays where it is held, under the id of its exchange. */
export type HandedStep = UpstreamStep extends infer Step
  ? Step extends UpstreamStep
    ? Omit<Step, 'held'> & { isHeld?: true }
    : never
  : never

/** From a worker to the one that has the upstreams. */
export type ToUpstreams =
  | {
      readonly type: 'call'
      readonly id: number
      readonly server: string
      readonly request: UpstreamRequest
      readonly caller: HandedCaller
    }
  | { readonly type: 'abort'; readonly id: number }
  /** Goes on with the call that exchange `held` holds. */
  | {
      readonly type: 'resume'
      readonly id: number
      readonly held: number
      readonly responses: Readonly<Record<string, Json>>
      readonly caller: HandedCaller
    }
  | { readonly type: 'cancel'; readonly held: number; readonly reason: string }
  | {
      readonly type: 'watch'
      readonly id: number
      readonly server: string
      readonly uri: string
      readonly caller: Pick<Caller, 'key' | 'capabilities'>
    }
  | { readonly type: 'unwatch'; readonly id: number }
  | {
      readonly type: 'inform'
      readonly server: string
      readonly method: string
      readonly params?: JsonObject
      readonly key: string
    }

/** From the worker that has the upstreams. */
export type FromUpstreams =
  | { readonly type: 'notice'; readonly id: number; readonly method: string; readonly params: JsonObject }
  | { readonly type: 'suspended'; readonly id: number; readonly retryMs: number }
  | { readonly type: 'step'; readonly id: number; readonly step: HandedStep; readonly timings: Timings }
  | { readonly type: 'failed'; readonly id: number; readonly error: RemoteError; readonly timings: Timings }
  | { readonly type: 'watching'; readonly id: number; readonly error?: RemoteError }
  | { readonly type: 'updated'; readonly id: number; readonly params: JsonObject }

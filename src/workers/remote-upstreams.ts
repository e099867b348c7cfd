// Upstreams that live at another worker, as a worker without them sees them. What is known of a server comes with each snapshot; calls, notices and
// watches go over one port. A call that the server holds open stays held there and is named by the id it was sent with.
import type { MessagePort } from 'node:worker_threads'
import { GatewayError } from '../core/errors.ts'
import type { Timings } from '../core/exchange.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Caller, HeldCall, UpstreamRequest, UpstreamStep } from '../mcp/upstream/contract.ts'
import { fromRemoteError } from './remote-error.ts'
import type { FromUpstreams, HandedCaller, HandedStep, ToUpstreams } from './upstream-messages.ts'

interface Pending {
  readonly caller: Caller
  resolve(step: UpstreamStep): void
  reject(error: GatewayError): void
}

interface Watch {
  readonly updated: (params: JsonObject) => void
  resolve(): void
  reject(error: GatewayError): void
}

type Opening =
  | { readonly type: 'call'; readonly server: string; readonly request: UpstreamRequest }
  | { readonly type: 'resume'; readonly held: number; readonly responses: Readonly<Record<string, Json>> }

/** The way to the upstreams of another worker. */
export class RemoteUpstreams {
  readonly #port: MessagePort
  readonly #pending = new Map<number, Pending>()
  readonly #watches = new Map<number, Watch>()
  #lastId = 0

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message: FromUpstreams) => this.#take(message))
    port.on('close', () => this.#end())
    port.unref()
  }

  call(server: string, request: UpstreamRequest, caller: Caller): Promise<UpstreamStep> {
    return this.#send({ type: 'call', server, request }, caller)
  }

  inform(
    server: string,
    method: string,
    { params, key }: { readonly params: JsonObject | undefined; readonly key: string },
  ): void {
    this.#post({ type: 'inform', server, method, key, ...(params === undefined ? {} : { params }) })
  }

  async watch(
    server: string,
    { uri, caller }: { readonly uri: string; readonly caller: Pick<Caller, 'key' | 'capabilities'> },
    updated: (params: JsonObject) => void,
  ): Promise<() => void> {
    const id = this.#nextId()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#watches.set(id, { updated, resolve, reject })
    const { key, capabilities } = caller
    this.#post({ type: 'watch', id, server, uri, caller: { key, capabilities } })
    await promise
    return () => {
      if (this.#watches.delete(id)) this.#post({ type: 'unwatch', id })
    }
  }

  close(): void {
    this.#port.close()
  }

  #nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  #post(message: ToUpstreams): void {
    this.#port.postMessage(message)
  }

  async #send(opening: Opening, caller: Caller): Promise<UpstreamStep> {
    const id = this.#nextId()
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamStep>()
    this.#pending.set(id, { caller, resolve, reject })
    const abort = (): void => this.#post({ type: 'abort', id })
    this.#post({ ...opening, id, caller: toHanded(caller) })
    if (caller.signal.aborted) abort()
    else caller.signal.addEventListener('abort', abort, { once: true })
    try {
      return await promise
    } finally {
      caller.signal.removeEventListener('abort', abort)
    }
  }

  #take(message: FromUpstreams): void {
    if (message.type === 'watching') return this.#watching(message)
    if (message.type === 'updated') return this.#watches.get(message.id)?.updated(message.params)
    const pending = this.#pending.get(message.id)
    if (pending === undefined) return
    const { caller } = pending
    if (message.type === 'notice') caller.notify(message.method, message.params)
    else if (message.type === 'suspended') caller.suspended?.(message.retryMs)
    else {
      this.#pending.delete(message.id)
      addTimings(caller.timings, message.timings)
      if (message.type === 'step') pending.resolve(this.#fromHanded(message.id, message.step))
      else pending.reject(fromRemoteError(message.error))
    }
  }

  #watching({ id, error }: Extract<FromUpstreams, { type: 'watching' }>): void {
    const watch = this.#watches.get(id)
    if (error === undefined) return watch?.resolve()
    this.#watches.delete(id)
    watch?.reject(fromRemoteError(error))
  }

  #fromHanded(id: number, { isHeld, ...step }: HandedStep): UpstreamStep {
    if (step.kind !== 'input' || isHeld === undefined) return step
    const held: HeldCall = {
      resume: (responses, caller) => this.#send({ type: 'resume', held: id, responses }, caller),
      cancel: (reason) => this.#post({ type: 'cancel', held: id, reason }),
    }
    return { ...step, held }
  }

  #end(): void {
    const error = new GatewayError('upstream_unavailable', 'the worker that has this server ended')
    for (const { reject } of this.#pending.values()) reject(error)
    for (const { reject } of this.#watches.values()) reject(error)
    this.#pending.clear()
    this.#watches.clear()
  }
}

function toHanded(caller: Caller): HandedCaller {
  const { key, era, capabilities, clientInfo, logLevel, progress, trace, timeoutMs, maxResultBytes } = caller
  return {
    key,
    capabilities,
    progress,
    trace,
    canSuspend: caller.suspended !== undefined,
    ...(era === undefined ? {} : { era }),
    ...(clientInfo === undefined ? {} : { clientInfo }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(maxResultBytes === undefined ? {} : { maxResultBytes }),
  }
}

function addTimings(all: Timings, { queueMs, guardMs, upstreamMs }: Timings): void {
  all.queueMs += queueMs
  all.guardMs += guardMs
  all.upstreamMs += upstreamMs
}

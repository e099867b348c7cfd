import type { MessagePort } from 'node:worker_threads'
import type { Timings } from '../core/exchange.ts'
import { GatewayError } from '../core/errors.ts'
import type { Caller, HeldCall, Upstream, UpstreamStep } from '../mcp/upstream/contract.ts'
import { toRemoteError } from './remote-error.ts'
import type { FromUpstreams, HandedCaller, HandedStep, ToUpstreams } from './upstream-messages.ts'

/** Serves the calls of one other worker to upstreams that live here: children and servers that keep sessions. */
export function serveUpstreams(port: MessagePort, upstream: (id: string) => Upstream | undefined): void {
  const served = new ServedUpstreams(port, upstream)
  port.on('message', (message: ToUpstreams) => served.take(message))
  port.on('close', () => served.end())
  port.unref()
}

class ServedUpstreams {
  readonly #port: MessagePort
  readonly #upstream: (id: string) => Upstream | undefined
  readonly #calls = new Map<number, AbortController>()
  readonly #held = new Map<number, HeldCall>()
  readonly #watches = new Map<number, Promise<(() => void) | undefined>>()

  constructor(port: MessagePort, upstream: (id: string) => Upstream | undefined) {
    this.#port = port
    this.#upstream = upstream
  }

  take(message: ToUpstreams): void {
    if (message.type === 'call')
      void this.#run(message.id, message.caller, (caller) => this.#find(message.server).call(message.request, caller))
    else if (message.type === 'resume') void this.#run(message.id, message.caller, (caller) => this.#resume(message, caller))
    else if (message.type === 'abort') this.#calls.get(message.id)?.abort()
    else if (message.type === 'cancel') this.#takeHeld(message.held)?.cancel(message.reason)
    else if (message.type === 'watch') this.#watches.set(message.id, this.#watch(message))
    else if (message.type === 'unwatch') void this.#unwatch(message.id)
    else this.#upstream(message.server)?.inform(message.method, message.params, message.key)
  }

  /** The other worker is gone: nobody waits for anything. */
  end(): void {
    for (const controller of this.#calls.values()) controller.abort()
    for (const held of this.#held.values()) held.cancel('the caller is gone')
    for (const id of this.#watches.keys()) void this.#unwatch(id)
    this.#held.clear()
  }

  #post(message: FromUpstreams): void {
    this.#port.postMessage(message)
  }

  #find(server: string): Upstream {
    const upstream = this.#upstream(server)
    if (upstream === undefined) throw new GatewayError('upstream_unavailable', `server "${server}" is not registered`)
    return upstream
  }

  async #run(id: number, handed: HandedCaller, call: (caller: Caller) => Promise<UpstreamStep>): Promise<void> {
    const controller = new AbortController()
    const timings: Timings = { queueMs: 0, guardMs: 0, upstreamMs: 0 }
    this.#calls.set(id, controller)
    try {
      const step = await call(this.#callerOf(id, handed, { signal: controller.signal, timings }))
      this.#post({ type: 'step', id, step: this.#toHanded(id, step), timings })
    } catch (error) {
      this.#post({ type: 'failed', id, error: toRemoteError(error), timings })
    } finally {
      this.#calls.delete(id)
    }
  }

  #callerOf(id: number, { canSuspend, ...handed }: HandedCaller, own: Pick<Caller, 'signal' | 'timings'>): Caller {
    return {
      ...handed,
      ...own,
      notify: (method, params) => this.#post({ type: 'notice', id, method, params }),
      ...(canSuspend ? { suspended: (retryMs: number) => this.#post({ type: 'suspended', id, retryMs }) } : {}),
    }
  }

  #toHanded(id: number, step: UpstreamStep): HandedStep {
    if (step.kind !== 'input' || step.held === undefined) return step
    const { held, ...rest } = step
    this.#held.set(id, held)
    return { ...rest, isHeld: true }
  }

  #resume({ held, responses }: Extract<ToUpstreams, { type: 'resume' }>, caller: Caller): Promise<UpstreamStep> {
    const call = this.#takeHeld(held)
    if (call === undefined) throw new GatewayError('upstream_unavailable', 'the call that waited is gone')
    return call.resume(responses, caller)
  }

  #takeHeld(id: number): HeldCall | undefined {
    const held = this.#held.get(id)
    this.#held.delete(id)
    return held
  }

  async #watch({ id, server, uri, caller }: Extract<ToUpstreams, { type: 'watch' }>): Promise<(() => void) | undefined> {
    try {
      const stop = await this.#find(server).watch(uri, caller, (params) => this.#post({ type: 'updated', id, params }))
      this.#post({ type: 'watching', id })
      return stop
    } catch (error) {
      this.#watches.delete(id)
      this.#post({ type: 'watching', id, error: toRemoteError(error) })
      return undefined
    }
  }

  async #unwatch(id: number): Promise<void> {
    const watch = this.#watches.get(id)
    this.#watches.delete(id)
    const stop = await watch
    stop?.()
  }
}

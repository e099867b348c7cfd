import type { Server } from '../../config/server.ts'
import { GatewayError, toGatewayError } from '../../core/errors.ts'
import { createBreaker, type Admission, type CircuitState } from '../../lib/breaker.ts'
import { createBulkhead, QueueFullError } from '../../lib/bulkhead.ts'
import type { Caller } from './contract.ts'

/** Lets calls to one upstream through: a bounded number at a time, and none while it is known to be broken. */
export interface Gatekeeper {
  /** Runs `work` when its turn comes; throws `overloaded`, `upstream_unavailable` or `abandoned` when it does not. */
  run<Result>(caller: Caller, work: () => Promise<Result>): Promise<Result>
  readonly circuit: CircuitState
  readonly active: number
}

/** What a gatekeeper borrows. */
export interface GatekeeperOptions {
  readonly server: string
  readonly config: Pick<Server, 'concurrency' | 'breaker' | 'timeouts'>
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  readonly onCircuit: (state: CircuitState) => void
}

const FAULTS: ReadonlySet<string> = new Set(['upstream_unavailable', 'upstream_timeout', 'upstream_invalid'])

/** Makes the gatekeeper of one upstream. */
export function createGatekeeper(options: GatekeeperOptions): Gatekeeper {
  const { server, config, now, random, onCircuit } = options
  const bulkhead = createBulkhead(config.concurrency)
  const breaker = createBreaker({ ...config.breaker, now, random, onChange: onCircuit })

  const admit = (): Admission => {
    const admission = breaker.admit()
    if (admission) return admission
    const retryAfterSeconds = Math.max(1, Math.ceil(breaker.retryInMs / 1_000))
    throw new GatewayError('upstream_unavailable', `server "${server}" failed too often and is left alone for a moment`, {
      retryAfterSeconds,
    })
  }

  const wait = async (caller: Caller): Promise<void> => {
    const begun = now()
    const late = AbortSignal.timeout(config.timeouts.firstByteMs)
    try {
      await bulkhead.enter(AbortSignal.any([caller.signal, late]))
    } catch (cause) {
      if (caller.signal.aborted) throw new GatewayError('abandoned', 'the caller cancelled this call', { cause })
      const words = cause instanceof QueueFullError ? 'has too many calls waiting' : 'had no place for this call in time'
      throw new GatewayError('overloaded', `server "${server}" ${words}`, { cause, retryAfterSeconds: 1 })
    } finally {
      caller.timings.queueMs += now() - begun
    }
  }

  return {
    async run(caller, work) {
      if (breaker.state === 'open' && breaker.retryInMs > 0) admit()
      if (!bulkhead.tryEnter()) await wait(caller)
      const begun = now()
      let admission: Admission | undefined
      try {
        admission = admit()
        const result = await work()
        admission.success()
        return result
      } catch (error) {
        throw judge(error, admission, caller)
      } finally {
        caller.timings.upstreamMs += now() - begun
        bulkhead.leave()
      }
    },
    get circuit() {
      return breaker.state
    },
    get active() {
      return bulkhead.active
    },
  }
}

/** Tells the breaker of a failure, unless it was the breaker that said no. */
function judge(error: unknown, admission: Admission | undefined, caller: Caller): GatewayError {
  const known = toGatewayError(error)
  if (isFaultOf(known, caller)) admission?.failure()
  else admission?.neutral()
  return known
}

/** Only what the upstream is to blame for counts. A server that says when to come back works, and a deadline shorter than its own is the catalog's choice. */
function isFaultOf(error: GatewayError, caller: Caller): boolean {
  if (error.code === 'upstream_timeout' && caller.timeoutMs !== undefined) return false
  return FAULTS.has(error.code) && error.retryAfterSeconds === undefined
}

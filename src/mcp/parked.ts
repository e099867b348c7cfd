import { randomBytes } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'
import type { Identity } from '../core/principal.ts'
import type { HeldCall, InputRequest } from './upstream/contract.ts'

/** A legacy call that waits for its stateless caller to come back with answers (mcp-protocol 5.3). */
export interface ParkedCall {
  readonly identity: Identity
  readonly held: HeldCall
  readonly requests: Readonly<Record<string, InputRequest>>
}

/** Calls waiting on this node. */
export interface Parked {
  /** Throws GatewayError `session_limit` when this principal has too many; the call is then still the caller's to cancel. */
  park(call: ParkedCall): string
  /** Takes a call out for good; undefined when it is not here (any more). */
  take(handle: string, identity: Identity): ParkedCall | undefined
  /** Cancels the calls of identities that are out. */
  end(isOut: (identity: Identity) => boolean): void
  readonly size: number
}

/** Each call is cancelled after `lifeMs`, so that a client that never returns leaves nothing behind. */
export function createParked(options: { readonly lifeMs: number; readonly perPrincipal: number }): Parked {
  const calls = new Map<string, ParkedCall & { readonly timer: NodeJS.Timeout }>()
  const perPrincipal = new Map<string, number>()
  const remove = (handle: string) => {
    const call = calls.get(handle)
    if (call === undefined) return undefined
    clearTimeout(call.timer)
    calls.delete(handle)
    const left = (perPrincipal.get(call.identity.key) ?? 1) - 1
    if (left > 0) perPrincipal.set(call.identity.key, left)
    else perPrincipal.delete(call.identity.key)
    return call
  }
  return {
    park(call) {
      const own = perPrincipal.get(call.identity.key) ?? 0
      if (own >= options.perPrincipal) {
        throw new GatewayError('session_limit', `too many calls wait for your answers: ${own}; answer or drop one`, {
          retryAfterSeconds: Math.ceil(options.lifeMs / 1000),
        })
      }
      const handle = randomBytes(16).toString('base64url')
      const timer = setTimeout(() => remove(handle)?.held.cancel('the caller did not answer in time'), options.lifeMs)
      timer.unref()
      calls.set(handle, { ...call, timer })
      perPrincipal.set(call.identity.key, own + 1)
      return handle
    },
    take(handle, identity) {
      return calls.get(handle)?.identity.key === identity.key ? remove(handle) : undefined
    },
    end(isOut) {
      for (const [handle, call] of calls) if (isOut(call.identity)) remove(handle)?.held.cancel('the caller may no longer call')
    },
    get size() {
      return calls.size
    },
  }
}

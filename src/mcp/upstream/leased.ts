import type { Gatekeeper } from './admission.ts'
import type { HeldCall, SendOptions, UpstreamStep } from './contract.ts'
import type { Lease } from './pool.ts'

/** Sends a call on a leased connection and gives the lease back when the call is over: also when it is held for answers in between. */
export function sendOn(lease: Lease, gate: Gatekeeper, options: SendOptions): Promise<UpstreamStep> {
  return step(lease, gate, () => lease.connection.send(options))
}

async function step(lease: Lease, gate: Gatekeeper, work: () => Promise<UpstreamStep>): Promise<UpstreamStep> {
  let held = false
  try {
    const taken = await work()
    if (taken.kind !== 'input' || !taken.held) return taken
    held = true
    return { ...taken, held: heldOn(lease, gate, taken.held) }
  } finally {
    if (!held) lease.release()
  }
}

/** A held call gave its place back to others; going on takes one again. */
function heldOn(lease: Lease, gate: Gatekeeper, held: HeldCall): HeldCall {
  let over = false
  const cancel = (reason: string): void => {
    if (over) return
    over = true
    held.cancel(reason)
    lease.release()
  }
  return {
    cancel,
    async resume(responses, caller) {
      try {
        return await gate.run(caller, () => {
          over = true
          return step(lease, gate, () => held.resume(responses, caller))
        })
      } catch (error) {
        // No place to go on, or nobody to go on for: the upstream waits for nobody any longer.
        cancel('the call could not go on')
        throw error
      }
    },
  }
}

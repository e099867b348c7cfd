// Makes snapshots without holding up the calls under way.
// 1. A snapshot is made in steps, one catalog each. 2. Steps are taken until a slice of time is used up, then everything else has its turn:
// a small configuration is in force at once, a large one a few turns later. 3. What is asked for meanwhile is made afterwards, from what is
// known then. It does not cut a single catalog in pieces.
import type { Snapshot } from '../core/snapshot.ts'

/** What publishing borrows. */
export interface PublisherDeps {
  /** Begins a snapshot of what is known now; each step is bounded work. */
  begin(): Generator<undefined, Snapshot>
  swap(next: Snapshot): void
  /** Hears why no snapshot could be made; the one in force stays. */
  failed(error: unknown): void
  monotonic(): number
}

/** Puts new snapshots in force. */
export interface Publisher {
  /** Asks for a snapshot of what is known now. */
  publish(): void
  /** Resolves when everything asked for is in force. */
  settled(): Promise<void>
  /** Gives up what is being made. */
  close(): void
}

/** Far below what a caller notices, and enough for hundreds of tools. */
const SLICE_MS = 15

/** Creates a publisher; one snapshot is made at a time. */
export function createPublisher(deps: PublisherDeps): Publisher {
  let making: Generator<undefined, Snapshot> | undefined
  let isAskedAgain = false
  let waiting: (() => void)[] = []

  /** Takes steps for one slice; the snapshot when it is done. */
  const slice = (steps: Generator<undefined, Snapshot>): Snapshot | undefined => {
    const until = deps.monotonic() + SLICE_MS
    while (true) {
      const step = steps.next()
      if (step.done === true) return step.value
      if (deps.monotonic() >= until) return undefined
    }
  }

  const advance = (): void => {
    if (making === undefined) return
    try {
      const made = slice(making)
      if (made === undefined) return void setImmediate(advance)
      making = undefined
      deps.swap(made)
    } catch (error) {
      making = undefined
      deps.failed(error)
    }
    if (isAskedAgain) start()
    if (making === undefined) release()
  }

  const start = (): void => {
    isAskedAgain = false
    making = deps.begin()
    advance()
  }

  const release = (): void => {
    const released = waiting
    waiting = []
    for (const resolve of released) resolve()
  }

  return {
    publish() {
      if (making === undefined) start()
      else isAskedAgain = true
    },
    settled: () => (making === undefined ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    close() {
      making = undefined
      isAskedAgain = false
      release()
    },
  }
}

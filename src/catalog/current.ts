import type { Snapshot } from '../core/snapshot.ts'

/** Hears of every swap, after it happened. */
export type SwapListener = (next: Snapshot, previous: Snapshot) => void

/** The one reference every new exchange reads; exchanges under way keep the snapshot they began with. */
export interface Current {
  get(): Snapshot
  /** Puts the next snapshot in force and tells the listeners, in the order they subscribed. */
  swap(next: Snapshot): void
  /** Returns the function that ends the subscription. */
  subscribe(listener: SwapListener): () => void
}

/** Holds the snapshot in force. */
export function createCurrent(initial: Snapshot): Current {
  let current = initial
  const listeners = new Set<SwapListener>()
  return {
    get: () => current,
    swap(next) {
      const previous = current
      current = next
      for (const listener of listeners) listener(next, previous)
    },
    subscribe(listener) {
      // Wrapped, so that the same function may subscribe twice and each end only its own.
      const own: SwapListener = (next, previous) => listener(next, previous)
      listeners.add(own)
      return () => listeners.delete(own)
    },
  }
}

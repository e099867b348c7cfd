/** All places and the whole queue are taken. */
export class QueueFullError extends Error {
  constructor() {
    super('all places and the whole queue are taken')
    this.name = 'QueueFullError'
  }
}

/** A bounded number of places with a bounded queue, first come first served. */
export interface Bulkhead {
  /** Takes a place if one is free right now. */
  tryEnter(): boolean
  /** Waits for a place. Rejects with a QueueFullError at once, or with the reason of the signal when it aborts first. */
  enter(signal: AbortSignal): Promise<void>
  /** Gives a place back: exactly once per entry. */
  leave(): void
  readonly active: number
  readonly queued: number
}

/** Makes a bulkhead of `max` places and a queue of `queue`. */
export function createBulkhead({ max, queue }: { readonly max: number; readonly queue: number }): Bulkhead {
  const waiting = new Set<() => void>()
  let active = 0

  const tryEnter = (): boolean => {
    if (active >= max) return false
    active += 1
    return true
  }

  return {
    tryEnter,
    async enter(signal) {
      signal.throwIfAborted()
      if (tryEnter()) return
      if (waiting.size >= queue) throw new QueueFullError()
      await new Promise<void>((resolve, reject) => {
        const admit = (): void => {
          signal.removeEventListener('abort', giveUp)
          resolve()
        }
        const giveUp = (): void => {
          waiting.delete(admit)
          reject(signal.reason as Error) // the reason of an abort is whatever the aborter gave; it is passed on as it is
        }
        waiting.add(admit)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    },
    leave() {
      // the place goes straight to the next in line, so nobody overtakes
      const next = waiting.values().next().value
      if (next === undefined) {
        active -= 1
        return
      }
      waiting.delete(next)
      next()
    },
    get active() {
      return active
    },
    get queued() {
      return waiting.size
    },
  }
}

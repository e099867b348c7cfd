import type { EventStream } from '../core/responder.ts'

/** How many event streams are open; the edge keeps them alive. */
export interface StreamCount {
  /** Counts the stream in until it closes. */
  add(stream: EventStream): void
  readonly size: number
}

/** A count that starts at none. */
export function createStreamCount(): StreamCount {
  let size = 0
  return {
    add(stream) {
      size += 1
      stream.onClose(() => (size -= 1))
    },
    get size() {
      return size
    },
  }
}

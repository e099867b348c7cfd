import type { EventStream } from '../core/responder.ts'

/** Keeps silent streams alive with comment lines: one timer for all of them. */
export interface Heartbeat {
  /** Counts the stream in until it closes. */
  add(stream: EventStream): void
  readonly size: number
  close(): void
}

/** Comments are written to every open stream each `intervalMs`; the timer does not keep the process alive. */
export function createHeartbeat(intervalMs: number): Heartbeat {
  const streams = new Set<EventStream>()
  const timer = setInterval(() => {
    for (const stream of streams) stream.comment('ka')
  }, intervalMs)
  timer.unref()
  return {
    add(stream) {
      streams.add(stream)
      stream.onClose(() => streams.delete(stream))
    },
    get size() {
      return streams.size
    },
    close: () => clearInterval(timer),
  }
}

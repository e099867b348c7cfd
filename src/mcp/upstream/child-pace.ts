import type { Readable } from 'node:stream'

/** Counts what was read; over the pace the stream rests until the window ends, and the child waits in its write. */
export interface ReadPace {
  count(): void
}

const WINDOW_MS = 50

/** Keeps one flooding child from taking the event loop of all: at most so many messages or chunks in 50 ms. */
export function createReadPace(stream: Readable, maxPerWindow: number, now: () => number): ReadPace {
  let windowStart = now()
  let seen = 0
  return {
    count() {
      if (now() - windowStart >= WINDOW_MS) {
        windowStart = now()
        seen = 0
      }
      seen++
      if (seen < maxPerWindow || stream.isPaused()) return
      stream.pause()
      setTimeout(() => stream.resume(), WINDOW_MS).unref()
    },
  }
}

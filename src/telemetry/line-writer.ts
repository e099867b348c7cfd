/** Takes finished lines and writes many of them at once; for what happens with every exchange. */
export interface LineWriter {
  write(line: string): void
  /** Writes what is kept; the rest is up to the stream. */
  flush(): void
  /** Lines that were let go because nobody reads the stream. */
  readonly dropped: number
}

const FLUSH_MS = 100
const FLUSH_CHARACTERS = 65_536
/** What a reader that stands still may cost in memory. */
const MAX_UNREAD = 16_777_216

/** A writer that hands lines to the stream every 100 ms or 64 KB. Never throws, never waits, never holds the process open. */
export function createLineWriter(stream: NodeJS.WritableStream & { readonly writableLength?: number }): LineWriter {
  let kept: string[] = []
  let characters = 0
  let dropped = 0
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    if (characters === 0) return
    if (stream.writable && (stream.writableLength ?? 0) < MAX_UNREAD) stream.write(kept.join(''))
    else dropped += kept.length
    kept = []
    characters = 0
  }
  return {
    write(line) {
      kept.push(line)
      characters += line.length
      if (characters >= FLUSH_CHARACTERS) flush()
      else timer ??= setTimeout(flush, FLUSH_MS).unref()
    },
    flush,
    get dropped() {
      return dropped
    },
  }
}

import type { Writable } from 'node:stream'

/** One line of a stream, or a line that was longer than allowed and is gone. */
export type Line = { readonly text: string } | { readonly tooLong: number }

/** Cuts a byte stream into lines. Of a line over `maxBytes` nothing is kept but its length. */
export async function* readLines(input: AsyncIterable<Buffer | string>, maxBytes: number): AsyncGenerator<Line> {
  let parts: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      yield toLine([...parts, bytes.subarray(from, end)], size + end - from, maxBytes)
      parts = []
      size = 0
      from = end + 1
    }
    size += bytes.length - from
    if (size <= maxBytes) parts.push(bytes.subarray(from))
    else parts = []
  }
  if (size > 0) yield toLine(parts, size, maxBytes)
}

function toLine(parts: readonly Buffer[], size: number, maxBytes: number): Line {
  return size > maxBytes ? { tooLong: size } : { text: Buffer.concat(parts).toString('utf8') }
}

/** Writes JSON texts as lines and waits while the reader is behind. After the stream broke, writing does nothing. */
export interface LineWriter {
  write(json: string): Promise<void>
}

/** A writer of JSON lines. A raw line break in JSON can only be blank space between tokens, so a blank replaces it. */
export function createLineWriter(output: Writable, onBroken: () => void): LineWriter {
  let broken = false
  const wakeups = new Set<() => void>()
  const wake = (): void => {
    for (const resume of wakeups) resume()
    wakeups.clear()
  }
  const fail = (): void => {
    broken = true
    wake()
    onBroken()
  }
  output.on('drain', wake)
  output.on('error', fail)
  output.on('close', () => (broken ? undefined : fail()))
  return {
    write: (json) => {
      if (broken || output.write(`${json.replace(/[\r\n]+/g, ' ')}\n`)) return Promise.resolve()
      return new Promise((resolve) => wakeups.add(resolve))
    },
  }
}

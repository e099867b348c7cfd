const NEWLINE = 0x0a
const RETURN = 0x0d

/** How lines are cut and who hears of them. */
export interface LineOptions {
  /** Longest line in bytes, its end not counted. */
  readonly maxBytes: number
  readonly onLine: (line: Buffer) => void
  /** Called once, when a line grows over the cap; nothing is read after it. */
  readonly onOverflow: () => void
}

/** Cuts a byte stream into lines and never holds more than one capped line. Ends of line are LF or CRLF; empty lines are skipped. */
export function createLineCutter(options: LineOptions): (chunk: Buffer) => void {
  let parts: Buffer[] = []
  let held = 0
  let overflown = false

  const take = (last: Buffer): void => {
    const whole = parts.length === 0 ? last : Buffer.concat([...parts, last])
    parts = []
    held = 0
    const end = whole.at(-1) === RETURN ? whole.length - 1 : whole.length
    if (end > 0) options.onLine(whole.subarray(0, end))
  }

  return (chunk) => {
    let from = 0
    while (!overflown && from < chunk.length) {
      const at = chunk.indexOf(NEWLINE, from)
      const end = at === -1 ? chunk.length : at
      if (held + end - from > options.maxBytes) {
        overflown = true
        parts = []
        options.onOverflow()
      } else if (at === -1) {
        parts.push(chunk.subarray(from))
        held += end - from
      } else {
        take(chunk.subarray(from, end))
      }
      from = end + 1
    }
  }
}

/** What a child writes to stderr, on its way to the operators. */
export interface StderrOptions {
  /** More than this within one second is counted and thrown away. */
  readonly maxBytesPerSecond: number
  /** Texts that are never repeated. */
  readonly secrets: readonly string[]
  /** Milliseconds. */
  readonly now: () => number
  readonly report: (text: string, droppedBytes: number) => void
}

/** Takes chunks; reports whole lines, in batches. */
export interface StderrSink {
  push(chunk: Buffer): void
  /** Reports what is left. */
  end(): void
}

const WINDOW_MS = 1_000
const BATCH_MS = 100
const MAX_LINE = 8_192
const MIN_SECRET = 4
// Terminal sequences (CSI, OSC, two-character escapes), then what is left of control, bidirectional and invisible tag characters.
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const TERMINAL = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g
const INVISIBLE = /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu

/** Makes stderr safe and small: capped per second, without terminal tricks and without the secrets the child was given. */
export function createStderrSink(options: StderrOptions): StderrSink {
  // A secret of several lines (a key file) is looked for line by line.
  const secrets = options.secrets.flatMap((secret) => secret.split(/\r?\n/)).filter((secret) => secret.length >= MIN_SECRET)
  const longest = Math.max(0, ...secrets.map((secret) => secret.length))
  const decoder = new TextDecoder()
  let lines: string[] = []
  let rest = ''
  let windowStart = -Infinity
  let taken = 0
  let dropped = 0
  let timer: NodeJS.Timeout | undefined

  const redact = (text: string): string => secrets.reduce((whole, secret) => whole.replaceAll(secret, '[redacted]'), text)
  const clean = (line: string): string => redact(line).replaceAll(TERMINAL, '').replaceAll(INVISIBLE, ' ').trimEnd()

  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    const text = lines.map(clean).filter(Boolean).join('\n')
    const lost = dropped
    lines = []
    dropped = 0
    if (text !== '' || lost > 0) options.report(text, lost)
  }

  const admit = (chunk: Buffer): Buffer => {
    if (options.now() - windowStart >= WINDOW_MS) {
      windowStart = options.now()
      taken = 0
    }
    const kept = chunk.subarray(0, Math.max(0, options.maxBytesPerSecond - taken))
    taken += kept.length
    dropped += chunk.length - kept.length
    return kept
  }

  return {
    push(chunk) {
      const kept = admit(chunk)
      if (kept.length > 0) {
        const parts = (rest + decoder.decode(kept, { stream: true })).split('\n')
        rest = parts.pop() ?? ''
        lines.push(...parts)
      }
      // A line without an end is given out in pieces, one that lost bytes ends where it lost them. What may be the beginning of a secret
      // is not given out: it waits for the next piece, or is lost too.
      const isCut = kept.length < chunk.length
      if (isCut || rest.length > MAX_LINE) {
        const whole = redact(rest)
        const seam = Math.max(0, whole.length - longest)
        lines.push(whole.slice(0, seam))
        rest = isCut ? '' : whole.slice(seam)
      }
      timer ??= setTimeout(flush, BATCH_MS).unref()
    },
    end() {
      if (rest !== '') lines.push(rest)
      rest = ''
      flush()
    },
  }
}

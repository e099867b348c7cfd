/** Everything a verb may touch of the process it runs in; lent by main.ts. Results go to `out`, everything else to `err`. */
export interface CliIo {
  out(text: string): void
  err(text: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly isTerminal: boolean
  now(): Date
  /** Aborted on SIGINT and SIGTERM. */
  readonly signal: AbortSignal
  readonly stdin: NodeJS.ReadableStream
}

/** Exit codes of every verb. */
export const EXIT = { ok: 0, failure: 1, usage: 2, invalid: 3 } as const

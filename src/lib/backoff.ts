/** Bounds of a growing wait. */
export interface Backoff {
  readonly minMs: number
  readonly maxMs: number
}

/** The wait before attempt number `failures` + 1: doubles from `minMs` to `maxMs`, the upper half of it random so that many do not come at once. */
export function backoffMs(failures: number, { minMs, maxMs }: Backoff, random: () => number): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(Math.max(failures - 1, 0), 30))
  return full / 2 + (full / 2) * random()
}

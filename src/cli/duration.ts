const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads a duration such as `90d`, `24h`, `30m` or `45s` as milliseconds. Throws an Error that says how to write one. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text)
  const unit = UNITS[match?.[2] ?? '']
  if (match?.[1] === undefined || unit === undefined) throw new Error(`"${text}" is not a duration; write 90d, 24h, 30m or 45s`)
  return Number(match[1]) * unit
}

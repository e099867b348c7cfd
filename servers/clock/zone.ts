/** A moment as people in one time zone write it. */
export interface ZonedTime {
  /** ISO 8601 with offset. */
  readonly time: string
  readonly timezone: string
  readonly weekday: string
  readonly epochMs: number
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/
const DURATION = /^(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/
const MAX_EPOCH_MS = 8.64e15

/** Reads a moment. Throws a RangeError that says how to write one: without an offset it would mean the server's own time zone. */
export function parseTime(time: string): number {
  const epochMs = TIME.test(time) ? Date.parse(time) : Number.NaN
  if (Number.isNaN(epochMs))
    throw new RangeError(`"${time}" is no time with an offset. Write for instance 2026-11-23T17:00:00+01:00.`)
  return epochMs
}

/** Writes a moment in a time zone. Throws a RangeError that says what to do when the zone is not known. */
export function inZone(epochMs: number, timezone: string): ZonedTime {
  if (!(Math.abs(epochMs) <= MAX_EPOCH_MS)) throw new RangeError('This moment is out of the range of dates.')
  const offset = offsetOf(epochMs, timezone)
  const sign = offset < 0 ? '-' : '+'
  const minutes = Math.abs(offset) / 60_000
  const suffix = `${sign}${pad(Math.floor(minutes / 60))}:${pad(Math.floor(minutes % 60))}`
  const local = new Date(epochMs + offset)
  const weekday = new Intl.DateTimeFormat('en', { timeZone: 'UTC', weekday: 'long' }).format(local)
  return { time: local.toISOString().replace('Z', suffix), timezone, weekday, epochMs }
}

/** Adds a duration: years to days on the calendar of the zone, hours to seconds on the clock. */
export function addDuration(epochMs: number, duration: string, timezone: string): ZonedTime {
  const match = DURATION.exec(duration)
  if (match === null || /[PT]$/.test(duration))
    throw new RangeError(`"${duration}" is no ISO 8601 duration. Write for instance P1DT2H30M.`)
  const sign = match[1] === '-' ? -1 : 1
  const part = (at: number): number => sign * Number(match[at] ?? 0)
  const [years, months, days] = [part(2), part(3), part(4) * 7 + part(5)]
  const clockMs = ((part(6) * 60 + part(7)) * 60 + part(8)) * 1_000
  const moved = years === 0 && months === 0 && days === 0 ? epochMs : moveOnCalendar(epochMs, timezone, [years, months, days])
  return inZone(moved + clockMs, timezone)
}

function moveOnCalendar(epochMs: number, timezone: string, [years, months, days]: readonly [number, number, number]): number {
  const local = new Date(epochMs + offsetOf(epochMs, timezone))
  const day = local.getUTCDate()
  local.setUTCDate(1)
  local.setUTCFullYear(local.getUTCFullYear() + years, local.getUTCMonth() + months)
  // A month without that day ends on its last: 31 January and one month is the end of February.
  const lastDay = new Date(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + 1, 0)).getUTCDate()
  local.setUTCDate(Math.min(day, lastDay) + days)
  const wall = local.getTime()
  if (Number.isNaN(wall)) throw new RangeError('This moment is out of the range of dates.')
  return wall - offsetOf(wall - offsetOf(wall, timezone), timezone)
}

/** How far the zone's wall clock is ahead of UTC at that moment, in milliseconds. */
function offsetOf(epochMs: number, timezone: string): number {
  const name = formatterOf(timezone)
    .formatToParts(epochMs)
    .find(({ type }) => type === 'timeZoneName')?.value
  const match = /^GMT([+-])(\d{2}):(\d{2})(?::(\d{2}))?$/.exec(name ?? '')
  if (match === null) return 0
  const ms = ((Number(match[2]) * 60 + Number(match[3])) * 60 + Number(match[4] ?? 0)) * 1_000
  return match[1] === '-' ? -ms : ms
}

function formatterOf(timezone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: timezone, timeZoneName: 'longOffset' })
  } catch (cause) {
    throw new RangeError(`"${timezone}" is no time zone. Use an IANA name such as Europe/Zurich, or UTC.`, { cause })
  }
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}

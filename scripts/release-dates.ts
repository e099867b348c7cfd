// The seven-day rule: a version goes into the lock file at the earliest seven days after its release, because what steals secrets is as a
// rule withdrawn sooner. Both days of every entry are on record in release-dates.json, so the rule is checked without asking anybody.
import type { LockedPackage } from './lock-file.ts'

/** Days of release by `name@version`, under the day they were pinned. */
export type ReleaseDates = Readonly<Record<string, Readonly<Record<string, string>>>>

/** How old a version is when it may be pinned. */
export const COOLDOWN_DAYS = 7
const DAY_MS = 86_400_000

/** How a package is named in the record. */
export const idOf = ({ name, version }: Pick<LockedPackage, 'name' | 'version'>): string => `${name}@${version}`

/** What breaks the rule, one sentence each: entries without a record, and entries that were too young when they were pinned. */
export function cooldownFaults(locked: readonly LockedPackage[], dates: ReleaseDates): readonly string[] {
  const records = new Map(
    Object.entries(dates).flatMap(([pinned, released]) => Object.entries(released).map(([id, day]) => [id, { pinned, day }])),
  )
  return [...new Set(locked.map(idOf))].flatMap((id) => {
    const record = records.get(id)
    if (record === undefined) return [`${id} has no release day on record; run "npm run cooldown -- --record"`]
    const days = (Date.parse(record.pinned) - Date.parse(record.day)) / DAY_MS
    if (days >= COOLDOWN_DAYS) return []
    return [`${id} was released on ${record.day} and pinned on ${record.pinned}: wait ${COOLDOWN_DAYS} days or pin an older one`]
  })
}

/** The record for a lock file: what is on record stays, what left the lock file goes, what is new gets today as its day. */
export function renewDates(
  locked: readonly LockedPackage[],
  dates: ReleaseDates,
  fresh: Readonly<Record<string, string>>,
  today: string,
): ReleaseDates {
  const wanted = new Set(locked.map(idOf))
  const known = Object.entries(dates).map(([pinned, released]) => [pinned, pick(released, wanted)] as const)
  const days = new Map(known)
  days.set(today, { ...days.get(today), ...pick(fresh, wanted) })
  return Object.fromEntries(
    [...days]
      .filter(([, released]) => Object.keys(released).length > 0)
      .toSorted(([left], [right]) => left.localeCompare(right))
      .map(([pinned, released]) => [
        pinned,
        Object.fromEntries(Object.entries(released).toSorted(([left], [right]) => (left < right ? -1 : 1))),
      ]),
  )
}

function pick(released: Readonly<Record<string, string>>, wanted: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(released).filter(([id]) => wanted.has(id)))
}

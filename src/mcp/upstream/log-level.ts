// RFC 5424, from the chattiest to the gravest.
const LEVELS: readonly string[] = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

/** Tells whether a message of `level` is wanted by somebody who asked for `wanted` and above. Unknown levels are not. */
export function isLogWanted(level: unknown, wanted: string | undefined): boolean {
  return (
    typeof level === 'string' &&
    wanted !== undefined &&
    LEVELS.includes(wanted) &&
    LEVELS.indexOf(level) >= LEVELS.indexOf(wanted)
  )
}

/** Tells whether `level` lets through more than `current` does; undefined lets nothing through. */
export function isLowerLevel(level: string, current: string | undefined): boolean {
  return LEVELS.includes(level) && (current === undefined || LEVELS.indexOf(level) < LEVELS.indexOf(current))
}

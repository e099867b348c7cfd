/** What stands for a piece of a text. */
export interface Replacement {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Replacements in order of place, those that overlap made one with the words of the one that begins first. */
export function mergeReplacements(replacements: readonly Replacement[]): Replacement[] {
  const merged: { start: number; end: number; readonly text: string }[] = []
  for (const one of replacements.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (last !== undefined && one.start < last.end) last.end = Math.max(last.end, one.end)
    else merged.push({ ...one })
  }
  return merged
}

/** The text with pieces of it replaced. */
export function replaceIn(text: string, replacements: readonly Replacement[]): string {
  let written = ''
  let from = 0
  for (const { start, end, text: instead } of mergeReplacements(replacements)) {
    written += text.slice(from, start) + instead
    from = end
  }
  return written + text.slice(from)
}

const NAME_LENGTH = 64
const LIST_LENGTH = 900

/**
 * Names of parameters as they are shown to callers and kept in the ledger. Callers invent them, so they are made fit for a header: printable
 * ASCII without commas, each of them and the whole list bounded.
 */
export function shownNames(names: readonly string[]): readonly string[] {
  const shown: string[] = []
  let length = 0
  for (const name of names) {
    const fit = name.slice(0, NAME_LENGTH).replaceAll(/[^!-+\--~]/g, '?')
    length += fit.length + 2
    if (length > LIST_LENGTH) return [...shown, `and ${names.length - shown.length} more`]
    shown.push(fit)
  }
  return shown
}

/** What became of one place of the source. */
export type Outcome = 'imported' | 'approximated' | 'not imported'

/** One line of the report: a path in the source, and where it went, how it differs, or why it did not come along. Never a value of the source. */
export interface ReportRow {
  readonly outcome: Outcome
  readonly path: string
  readonly note: string
}

/** Collects what an import did, place by place. */
export interface ImportReport {
  readonly rows: readonly ReportRow[]
  imported(path: string, note: string): void
  approximated(path: string, note: string): void
  skipped(path: string, note: string): void
}

/** An empty report. */
export function createReport(): ImportReport {
  const rows: ReportRow[] = []
  const add = (outcome: Outcome) => (path: string, note: string) => void rows.push({ outcome, path, note })
  return { rows, imported: add('imported'), approximated: add('approximated'), skipped: add('not imported') }
}

/** Whatever a table of reasons says of the members of an object; a member it does not know is said to be unknown. */
export function explainMembers(
  report: ImportReport,
  { path, members }: { readonly path: string; readonly members: Iterable<string> },
  reasons: Readonly<Record<string, string>>,
): void {
  for (const member of members) {
    const reason = Object.hasOwn(reasons, member) ? reasons[member] : undefined
    const place = pathOf(path, member)
    if (reason === undefined) report.skipped(place, 'this importer does not know it')
    else if (reason.startsWith('~')) report.approximated(place, reason.slice(1))
    else report.skipped(place, reason)
  }
}

/** A path one member or index further. */
export function pathOf(path: string, step: string | number): string {
  if (typeof step === 'number') return `${path}[${step}]`
  const plain = /^[\w-]+$/.test(step) ? step : JSON.stringify(step)
  if (path === '') return plain
  return plain === step ? `${path}.${step}` : `${path}[${plain}]`
}

const ORDER: readonly Outcome[] = ['imported', 'approximated', 'not imported']
const SHOWN_PATHS = 3

/** The report as a table for people: what says the same of several places stands on one line. */
export function renderReport(rows: readonly ReportRow[]): string {
  return ORDER.map((outcome) => {
    const notes = new Map<string, string[]>()
    for (const { note, path } of rows.filter((row) => row.outcome === outcome)) {
      const paths = notes.get(note)
      if (paths === undefined) notes.set(note, [path])
      else paths.push(path)
    }
    const lines = [...notes].map(([note, paths]) => [placesOf(paths), note] as const)
    const width = Math.min(60, Math.max(0, ...lines.map(([places]) => places.length)))
    const count = rows.filter((row) => row.outcome === outcome).length
    const title = `${outcome} (${count})\n`
    return title + lines.map(([places, note]) => `  ${places.padEnd(width)}  ${note}\n`).join('')
  }).join('\n')
}

function placesOf(paths: readonly string[]): string {
  const unique = [...new Set(paths)]
  const shown = unique.slice(0, SHOWN_PATHS).join(', ')
  return unique.length > SHOWN_PATHS ? `${shown} and ${unique.length - SHOWN_PATHS} more` : shown
}

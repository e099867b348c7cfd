// One page of metrics out of one per worker. Counters and histograms are sums; a gauge speaks of the whole process or of what the main thread owns,
// so it is taken from the main thread, but for those that count what a worker has under way.

const SUMMED_GAUGES: ReadonlySet<string> = new Set([
  'tollgate_in_flight',
  'tollgate_sessions',
  'tollgate_streams',
  'tollgate_parked_calls',
  'tollgate_log_lines_dropped',
  'tollgate_metric_sets_folded',
])

interface Family {
  readonly head: string[]
  readonly isSummed: boolean
  /** By name and labels as written. */
  readonly series: Map<string, number>
}

/** Adds the pages of other workers, in the text form of Prometheus, to that of the main thread. */
export function sumMetrics(main: string, others: readonly string[]): string {
  const families = parse(main)
  for (const other of others) for (const [name, family] of parse(other)) addFamily(families, name, family)
  return `${[...families.values()].map(render).join('\n\n')}\n`
}

function addFamily(families: Map<string, Family>, name: string, family: Family): void {
  if (!family.isSummed) return
  const known = families.get(name)
  if (known === undefined) families.set(name, family)
  else for (const [key, value] of family.series) known.series.set(key, (known.series.get(key) ?? 0) + value)
}

function parse(page: string): Map<string, Family> {
  const families = new Map<string, Family>()
  let family: Family = { head: [], isSummed: false, series: new Map() }
  let help: string[] = []
  for (const line of page.split('\n')) {
    if (line.startsWith('# HELP ')) help = [line]
    else if (line.startsWith('# TYPE ')) {
      const [, , name = '', type = ''] = line.split(' ')
      family = { head: [...help, line], isSummed: type !== 'gauge' || SUMMED_GAUGES.has(name), series: new Map() }
      families.set(name, family)
    } else if (line !== '') {
      const end = line.lastIndexOf(' ')
      family.series.set(line.slice(0, end), Number(line.slice(end + 1)))
    }
  }
  return families
}

function render({ head, series }: Family): string {
  return [...head, ...[...series].map(([key, value]) => `${key} ${value}`)].join('\n')
}

// Metric families that cost a map look-up per observation (the ones of prom-client hash their labels each time) and that share one cap on the
// number of series. Past the cap a new set of labels is counted under `other`, so that no caller can fill the memory of a scraper.

/** One line of the exposition format, as prom-client's registry writes it. */
export interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** What prom-client's registry asks of a metric. */
export interface Family {
  readonly name: string
  get(): { readonly name: string; readonly help: string; readonly type: string; readonly values: readonly Sample[] }
}

/** Name, help and labels of a family. */
export interface FamilyDescription {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

/** How many series may still be made. */
export interface SeriesBudget {
  left: number
  /** Label sets that were counted under `other`. */
  folded: number
}

const OTHER = 'other'
const SEPARATOR = '\u0000'

/** Finds or makes the series of a label set. */
class SeriesMap<Series> {
  readonly #budget: SeriesBudget
  readonly #cost: number
  readonly #make: () => Series
  readonly #series = new Map<string, { readonly labels: readonly string[]; readonly series: Series }>()
  #other: Series | undefined
  /** What was found last: most observations are of the same labels as the one before. */
  #last: { readonly labels: readonly string[]; readonly series: Series } | undefined

  constructor(budget: SeriesBudget, cost: number, make: () => Series) {
    this.#budget = budget
    this.#cost = cost
    this.#make = make
  }

  find(labels: readonly string[]): Series {
    if (this.#last !== undefined && isSame(this.#last.labels, labels)) return this.#last.series
    const series = this.#look(labels)
    if (series !== this.#other) this.#last = { labels, series }
    return series
  }

  #look(labels: readonly string[]): Series {
    const key = labels.length === 1 ? (labels[0] ?? '') : labels.join(SEPARATOR)
    const known = this.#series.get(key)
    if (known !== undefined) return known.series
    if (this.#budget.left < this.#cost) return this.#overflow(labels.length)
    this.#budget.left -= this.#cost
    return this.#add(key, labels)
  }

  entries(): Iterable<{ readonly labels: readonly string[]; readonly series: Series }> {
    return this.#series.values()
  }

  /** One series of its own per family, beyond the cap. */
  #overflow(count: number): Series {
    this.#budget.folded += 1
    if (this.#other !== undefined) return this.#other
    const labels = Array.from({ length: count }, () => OTHER)
    this.#other = this.#series.get(labels.join(SEPARATOR))?.series ?? this.#add(labels.join(SEPARATOR), labels)
    return this.#other
  }

  #add(key: string, labels: readonly string[]): Series {
    const series = this.#make()
    this.#series.set(key, { labels: labels.map(toLabel), series })
    return series
  }
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  for (let place = 0; place < others.length; place += 1) if (some[place] !== others[place]) return false
  return true
}

/** Counts things. */
export class Counter implements Family {
  readonly name: string
  readonly #description: FamilyDescription
  readonly #map: SeriesMap<{ value: number }>

  constructor(description: FamilyDescription, budget: SeriesBudget) {
    this.name = description.name
    this.#description = description
    this.#map = new SeriesMap(budget, 1, () => ({ value: 0 }))
    if (description.labels.length === 0) this.#map.find([])
  }

  /** Adds to the series of these label values, given in the order of the description. */
  add(labels: readonly string[], amount = 1): void {
    this.#map.find(labels).value += amount
  }

  get(): ReturnType<Family['get']> {
    const values = Array.from(this.#map.entries(), ({ labels, series }) => ({
      labels: named(this.#description, labels),
      value: series.value,
    }))
    return { name: this.name, help: this.#description.help, type: 'counter', values }
  }
}

/** Values read when somebody scrapes. */
export class Gauge implements Family {
  readonly name: string
  readonly #description: FamilyDescription
  readonly #read: () => Iterable<readonly [labels: readonly string[], value: number]>

  constructor(description: FamilyDescription, read: () => Iterable<readonly [labels: readonly string[], value: number]>) {
    this.name = description.name
    this.#description = description
    this.#read = read
  }

  get(): ReturnType<Family['get']> {
    const values = Array.from(this.#read(), ([labels, value]) => ({
      labels: named(this.#description, labels.map(toLabel)),
      value,
    }))
    return { name: this.name, help: this.#description.help, type: 'gauge', values }
  }
}

/** Distributes values over buckets. */
export class Histogram implements Family {
  readonly name: string
  readonly #description: FamilyDescription
  readonly #bounds: readonly number[]
  readonly #map: SeriesMap<{ sum: number; readonly counts: Float64Array }>

  constructor(description: FamilyDescription, bounds: readonly number[], budget: SeriesBudget) {
    this.name = description.name
    this.#description = description
    this.#bounds = bounds
    this.#map = new SeriesMap(budget, bounds.length + 3, () => ({ sum: 0, counts: new Float64Array(bounds.length + 1) }))
  }

  /** Takes one value into the series of these label values, given in the order of the description. */
  observe(labels: readonly string[], value: number): void {
    const series = this.#map.find(labels)
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1
    series.sum += value
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
  }

  get(): ReturnType<Family['get']> {
    const values: Sample[] = []
    for (const { labels, series } of this.#map.entries()) {
      const common = named(this.#description, labels)
      let count = 0
      for (const [bucket, bound] of [...this.#bounds, '+Inf'].entries()) {
        count += series.counts[bucket] ?? 0
        values.push({ metricName: `${this.name}_bucket`, labels: { le: bound, ...common }, value: count })
      }
      values.push(
        { metricName: `${this.name}_sum`, labels: common, value: series.sum },
        { metricName: `${this.name}_count`, labels: common, value: count },
      )
    }
    return { name: this.name, help: this.#description.help, type: 'histogram', values }
  }
}

function named({ labels }: FamilyDescription, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label, place) => [label, values[place] ?? '']))
}

/** Label values are short and printable; a name that is not stays recognisable. */
function toLabel(value: string): string {
  return value.slice(0, 128).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\uFFFD')
}

import type { JsonPath } from './json-source.ts'

/** Something wrong with a file of the admin, in words that say what to do. `file` is relative to the folder of tollgate.json. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** JSON path such as `$.tools[0].allow`. */
  readonly path: string
  readonly message: string
  /** What may stand there. */
  readonly allowed?: string
  /** The nearest name that would be right. */
  readonly suggestion?: string
}

/** Writes a path as `$.tools[0].allow`; names that are no identifiers stand in brackets. */
export function formatPath(path: JsonPath): string {
  const steps = path.map((step) => {
    if (typeof step === 'number') return `[${step}]`
    return /^[A-Za-z_$][\w$-]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
  })
  return `$${steps.join('')}`
}

/** The name among `known` that a misspelt one most likely means, if any is near. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const longer = [...known].filter((candidate) => name.length >= 3 && candidate.toLowerCase().startsWith(name.toLowerCase()))
  if (longer.length === 1) return longer[0]
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(Math.min(name.length, 24) / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** `"a", "b" or "c"`, cut after two dozen. */
export function listNames(names: readonly unknown[]): string {
  const quoted = names.slice(0, 24).map((name) => JSON.stringify(name))
  if (names.length > quoted.length) return `${quoted.join(', ')}, ...`
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}

/** Edits (insert, delete, replace, swap neighbours) from one text to the other; anything not below `limit` may come back as `limit`. */
function editDistance(from: string, to: string, limit: number): number {
  if (from.length > 64 || to.length > 64 || Math.abs(from.length - to.length) >= limit) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current.push(
        Math.min(
          (last[column] ?? limit) + 1,
          (current[column - 1] ?? limit) + 1,
          (last[column - 1] ?? limit) + (same ? 0 : 1),
          swapped ? (beforeLast[column - 2] ?? limit) + 1 : limit,
        ),
      )
    }
    beforeLast = last
    last = current
  }
  return last[to.length] ?? limit
}

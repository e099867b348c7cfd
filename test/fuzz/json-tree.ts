/** The JSON of an input, and the line before it. `tree` is undefined where there is no JSON. */
export interface Tree {
  readonly head: string
  readonly tree: unknown
}

type Holder = Record<string | number, unknown>

/** A member or an element of a tree: its object or array, and its name or index there. */
export interface Place {
  readonly holder: Holder
  readonly key: string | number
}

/** Reads the JSON of an input: all of it, or what comes after its first line. */
export function readTree(input: Buffer, isHeaded: boolean): Tree {
  const text = input.toString('utf8')
  const start = isHeaded ? text.indexOf('\n') + 1 : 0
  try {
    return { head: text.slice(0, start), tree: JSON.parse(text.slice(start)) }
  } catch {
    return { head: '', tree: undefined } // broken before; mutations of bytes go on from here
  }
}

/** Writes an input anew. */
export function writeTree(head: string, tree: unknown): Buffer {
  return Buffer.from(head + JSON.stringify(tree))
}

const MAX_PLACES = 2_000

/** Every place of a tree, outer ones first. */
export function placesOf(tree: unknown): readonly Place[] {
  const places: Place[] = []
  const open: unknown[] = [tree]
  for (let at = 0; at < open.length && places.length < MAX_PLACES; at++) {
    const node = open[at]
    if (typeof node !== 'object' || node === null) continue
    const holder = node as Holder // parsed JSON: an object or an array
    for (const key of Object.keys(node)) {
      places.push({ holder, key: Array.isArray(node) ? Number(key) : key })
      open.push(holder[key])
    }
  }
  return places
}

import { placesOf, readTree, type Place } from './json-tree.ts'
import type { Random } from './random.ts'

/** What changing a tree needs besides the input. */
export interface TreeKitchen {
  readonly pool: readonly Buffer[]
  readonly random: Random
  readonly isHeaded: boolean
  readonly target: { readonly dictionary: readonly string[] }
}

/** Changes one place of the JSON in an input; undefined where there is no JSON. Nodes of other inputs of the pool are grafted in. */
export function mutateTree(input: Buffer, kitchen: TreeKitchen): Buffer | undefined {
  const { random } = kitchen
  const { head, tree } = readTree(input, kitchen.isHeaded)
  if (tree === undefined) return undefined
  const place = random.pick(placesOf(tree))
  if (place !== undefined) change(place, kitchen)
  try {
    return Buffer.from(head + (place === undefined ? JSON.stringify(strangeValue(tree, kitchen)) : textOf(tree, random)))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return undefined // nested deeper than JSON.stringify goes
  }
}

function change({ holder, key }: Place, kitchen: TreeKitchen): void {
  const { random, target } = kitchen
  const value = holder[key]
  switch (random.below(8)) {
    case 0:
      return remove(holder, key)
    case 1:
      return put(holder, random.pick(target.dictionary), value)
    case 2:
      return rename(holder, key, kitchen)
    case 3:
      return put(holder, key, foreignNode(kitchen))
    case 4:
      return put(holder, key, wrapped(value, random))
    case 5:
      return double(holder, key, random)
    default:
      return put(holder, key, strangeValue(value, kitchen))
  }
}

function put(holder: Place['holder'], key: string | number, value: unknown): void {
  if (key === '__proto__' || (Array.isArray(holder) && typeof key !== 'number')) return
  holder[key] = value
}

function remove(holder: Place['holder'], key: string | number): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1)
  else delete holder[key]
}

function rename(holder: Place['holder'], key: string | number, { random, target }: TreeKitchen): void {
  if (Array.isArray(holder)) return void holder.reverse()
  const value = holder[key]
  remove(holder, key)
  const text = String(key)
  put(
    holder,
    random.pick([text.toUpperCase(), `${text} `, text.replace('s', '\u017f'), `x${text}`, random.pick(target.dictionary)]),
    value,
  )
}

function double(holder: Place['holder'], key: string | number, random: Random): void {
  if (!Array.isArray(holder)) return put(holder, `${key}${random.below(10)}`, holder[key])
  const times = random.pick([1, 1, 2, 8, 64])
  for (let count = 0; count < times && holder.length < 200; count++) holder.push(holder[Number(key)])
}

function foreignNode({ pool, random, isHeaded }: TreeKitchen): unknown {
  const { tree } = readTree(random.pick(pool), isHeaded)
  const place = random.pick(placesOf(tree))
  return place === undefined ? tree : place.holder[place.key]
}

function wrapped(value: unknown, random: Random): unknown {
  let whole = value
  const times = random.pick([1, 1, 1, 2, 70, 1000])
  for (let count = 0; count < times; count++) whole = random.below(2) === 0 ? [whole] : { a: whole }
  return whole
}

const STRANGE: readonly unknown[] = [
  null, true, false, 0, -0, -1, 1, 0.5, 1e21, 1e-7, 2 ** 31, 2 ** 53, Number.MAX_VALUE, '', ' ', '0', 'null', '\u0000', '\ud800', '\u{1f600}',
  '\u202e', '\r\n', '__proto__', 'constructor', 'toString', '../..', '%00', 'a'.repeat(300), [], {}, [[]], [null], [{}], { type: null },
  { '': '' }, { constructor: {} },
] // prettier-ignore

function strangeValue(value: unknown, { random, target }: TreeKitchen): unknown {
  if (typeof value === 'string' && random.below(3) === 0) {
    const at = random.below(value.length + 1)
    return value.slice(0, at) + random.pick(target.dictionary) + value.slice(at)
  }
  if (typeof value === 'number' && random.below(3) === 0) return value + random.pick([-1, 1, 0.5, 2 ** 32, -value, value])
  return random.below(3) === 0 ? random.pick(target.dictionary) : random.pick(STRANGE)
}

/** Writes a tree, now and then in another style or with numbers a double cannot hold. */
function textOf(tree: unknown, random: Random): string {
  const text = JSON.stringify(tree)
  switch (random.below(12)) {
    case 0:
      return JSON.stringify(tree, null, 2)
    case 1:
      return text.replace(/(?<=[:,[])-?\d+(?=[,\]}])/, '123456789012345678901234567890.0e-3')
    case 2:
      return text.replace(
        /"([a-z])(\w*)":/,
        (_all, first: string, rest: string) => `"\\u00${first.charCodeAt(0).toString(16)}${rest}":`,
      )
    case 3:
      return text.replace(/("\w+"):/, '$1:null,$1:')
    default:
      return text
  }
}

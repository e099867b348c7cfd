// Arguments of a function call that arrive in pieces: each names a place (`$.city`, `$.stops[0].name`) and a value, or a piece of a text
// that goes on. Only asked-for streams have them; places that cannot be read are left out.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { listOf } from '../loose-json.ts'

type Box = Map<string, Box | Json>

/** Collects pieces and gives the whole. */
export interface PartialArguments {
  add(pieces: Json | undefined): void
  /** JSON text of everything collected. */
  text(): string
}

const MAX_STEPS = 32
const MAX_PIECES = 100_000

/** Starts collecting. Boxes are maps, so no name in a path can reach a prototype. */
export function createPartialArguments(): PartialArguments {
  const root: Box = new Map()
  let pieces = 0
  return {
    add(given) {
      for (const piece of listOf(given)) {
        pieces += 1
        if (pieces <= MAX_PIECES && isJsonObject(piece)) place(root, piece)
      }
    },
    text: () => JSON.stringify(unboxed(root)),
  }
}

function place(root: Box, piece: JsonObject): void {
  const steps = stepsOf(piece['jsonPath'])
  const value = valueOf(piece)
  const last = steps?.at(-1)
  if (steps === undefined || last === undefined || value === undefined) return
  let box = root
  for (const step of steps.slice(0, -1)) {
    const next = box.get(step)
    const child: Box = next instanceof Map ? next : new Map()
    box.set(step, child)
    box = child
  }
  const before = box.get(last)
  box.set(last, typeof before === 'string' && typeof value === 'string' ? before + value : value)
}

/** Names of a path; an index is its digits in brackets, so that a box of nothing but indexes is a list. */
function stepsOf(path: Json | undefined): string[] | undefined {
  if (typeof path !== 'string' || !path.startsWith('$') || path.length > 1_024) return undefined
  const steps = path.slice(1).match(/\[\d{1,4}\]|\['[^']*'\]|\["[^"]*"\]|\.[^.[\]]+/g)
  if (steps === null || steps.length > MAX_STEPS || steps.join('').length !== path.length - 1) return undefined
  return steps.map((step) => (step.startsWith('.') ? step.slice(1) : /^\[\d/.test(step) ? step : step.slice(2, -2)))
}

function valueOf(piece: JsonObject): Json | undefined {
  for (const key of ['stringValue', 'numberValue', 'boolValue'] as const) if (piece[key] !== undefined) return piece[key]
  return Object.hasOwn(piece, 'nullValue') ? null : undefined
}

function unboxed(value: Box | Json): Json {
  if (!(value instanceof Map)) return value
  const entries = [...value].map(([name, child]) => [name, unboxed(child)] as const)
  const isList = entries.length > 0 && entries.every(([name]) => /^\[\d+\]$/.test(name))
  return isList ? entries.map(([, child]) => child) : Object.fromEntries(entries)
}

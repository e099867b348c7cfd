import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'

/** A member of the caller's body that is not what it may be. `path` is without the `$.`. */
export function refusal(path: string, allowed: string): GatewayError {
  return new GatewayError('invalid_params', `$.${path}: must be ${allowed}`, { details: { param: path } })
}

/** Where a member stands, for reading it and for naming it. */
export interface Place {
  readonly holder: JsonObject
  readonly name: string
  /** Path of the holder with a final dot, or empty. */
  readonly at?: string
}

/** The value of a member; null counts as absent. */
export function valueOf({ holder, name }: Place): Json | undefined {
  return holder[name] ?? undefined
}

/** A text, if it is there. */
export function readText(place: Place): string | undefined {
  const value = valueOf(place)
  if (value === undefined || typeof value === 'string') return value
  throw refusal(pathOf(place), 'text')
}

/** A text that must be there. */
export function needText(place: Place): string {
  const value = readText(place)
  if (value === undefined) throw refusal(pathOf(place), 'text')
  return value
}

/** One of some words, if it is there. */
export function readWord<Word extends string>(place: Place, words: readonly Word[]): Word | undefined {
  const value = valueOf(place)
  if (value === undefined) return undefined
  const word = words.find((known) => known === value)
  if (word === undefined) throw refusal(pathOf(place), `one of ${words.join(', ')}`)
  return word
}

/** True or false, if it is there. */
export function readFlag(place: Place): boolean | undefined {
  const value = valueOf(place)
  if (value === undefined || typeof value === 'boolean') return value
  throw refusal(pathOf(place), 'true or false')
}

/** A number between two others, if it is there. */
export function readNumber(place: Place, least: number, most: number): number | undefined {
  const value = valueOf(place)
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw refusal(pathOf(place), `a number from ${least} to ${most}`)
}

/** A whole number that is not too small, if it is there. */
export function readInteger(place: Place, least: number): number | undefined {
  const value = valueOf(place)
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  throw refusal(pathOf(place), `a whole number of at least ${least}`)
}

/** An object, if it is there. */
export function readObject(place: Place): JsonObject | undefined {
  const value = valueOf(place)
  if (value === undefined || isJsonObject(value)) return value
  throw refusal(pathOf(place), 'an object')
}

/** A list of objects, if it is there. */
export function readObjects(place: Place): readonly JsonObject[] | undefined {
  const value = valueOf(place)
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw refusal(pathOf(place), 'a list of objects')
  // Array.isArray widens the elements to any.
  const list = value as readonly Json[]
  return list.map((element, index) => {
    if (isJsonObject(element)) return element
    throw refusal(`${pathOf(place)}[${index}]`, 'an object')
  })
}

/** The path of a place, as messages name it. */
export function pathOf({ name, at }: Place): string {
  return `${at ?? ''}${name}`
}

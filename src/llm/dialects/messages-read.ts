import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'

/** A member of the caller's body that is not what it may be. `path` is without the `$.`. */
export function refusal(path: string, allowed: string): GatewayError {
  return new GatewayError('invalid_params', `$.${path}: must be ${allowed}`, { details: { param: path } })
}

/** An object of the caller's body and where it stands: the path of its members, with a final dot, or empty. */
export interface Place {
  readonly holder: JsonObject
  readonly at: string
}

/** The value of a member; null counts as absent. */
export function valueOf({ holder }: Place, name: string): Json | undefined {
  return holder[name] ?? undefined
}

/** A text, if it is there. */
export function readText(place: Place, name: string): string | undefined {
  const value = valueOf(place, name)
  if (value === undefined || typeof value === 'string') return value
  throw refusal(place.at + name, 'text')
}

/** A text that must be there; `least` characters of it. */
export function needText(place: Place, name: string, least = 0): string {
  const text = readText(place, name)
  if (text === undefined || text.length < least) throw refusal(place.at + name, least > 0 ? 'text that is not empty' : 'text')
  return text
}

/** True or false, if it is there. */
export function readFlag(place: Place, name: string): boolean | undefined {
  const value = valueOf(place, name)
  if (value === undefined || typeof value === 'boolean') return value
  throw refusal(place.at + name, 'true or false')
}

/** One of some words, if it is there. */
export function readWord<Word extends string>(place: Place, name: string, words: readonly Word[]): Word | undefined {
  const value = valueOf(place, name)
  if (value === undefined) return undefined
  const word = words.find((known) => known === value)
  if (word === undefined) throw refusal(place.at + name, `one of ${words.join(', ')}`)
  return word
}

/** A number between two others, if it is there. */
export function readNumber(place: Place, name: string, least: number, most: number): number | undefined {
  const value = valueOf(place, name)
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw refusal(place.at + name, `a number from ${least} to ${most}`)
}

/** A whole number that is not too small, if it is there. */
export function readWhole(place: Place, name: string, least: number): number | undefined {
  const value = valueOf(place, name)
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  throw refusal(place.at + name, `a whole number of at least ${least}`)
}

/** An object, if it is there. */
export function readPlace(place: Place, name: string): Place | undefined {
  const value = valueOf(place, name)
  if (value === undefined) return undefined
  if (!isJsonObject(value)) throw refusal(place.at + name, 'an object')
  return { holder: value, at: `${place.at}${name}.` }
}

/** An object that must be there. */
export function needPlace(place: Place, name: string): Place {
  const inner = readPlace(place, name)
  if (inner === undefined) throw refusal(place.at + name, 'an object')
  return inner
}

/** A list of objects, if it is there. */
export function readPlaces(place: Place, name: string): Place[] | undefined {
  const value = valueOf(place, name)
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw refusal(place.at + name, 'a list')
  return value.map((item: unknown, index) => {
    const at = `${place.at}${name}[${index}]`
    if (!isJsonObject(item)) throw refusal(at, 'an object')
    return { holder: item, at: `${at}.` }
  })
}

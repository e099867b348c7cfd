import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'

/** A fault of the caller at a place of its body, with what is allowed there. */
export function fault(path: string, words: string): GatewayError {
  return new GatewayError('invalid_params', `${path}: ${words}`, { details: { param: path.replace(/^\$\.?/, '') } })
}

/** Reads members of one object; null counts as absent, and what has the wrong type is the caller's fault. */
export interface Reader {
  /** The value as it came. */
  raw(name: string): Json | undefined
  text(name: string): string | undefined
  flag(name: string): boolean | undefined
  /** A number within bounds. */
  number(name: string, from: number, to: number): number | undefined
  integer(name: string, from: number, to?: number): number | undefined
  object(name: string): JsonObject | undefined
  array(name: string): readonly Json[] | undefined
  /** One of some words. */
  word<Word extends string>(name: string, words: readonly Word[]): Word | undefined
  /** Where a member stands. */
  at(name: string): string
}

/** Makes a reader for the object at a JSON path. */
export function createReader(object: JsonObject, path: string): Reader {
  return new BodyReader(object, path)
}

/** A class because a body of many messages makes thousands: methods are shared, and words for a fault are made only for a fault. */
class BodyReader implements Reader {
  readonly #object: JsonObject
  readonly #path: string

  constructor(object: JsonObject, path: string) {
    this.#object = object
    this.#path = path
  }

  at(name: string): string {
    return `${this.#path}.${name}`
  }

  raw(name: string): Json | undefined {
    return Object.hasOwn(this.#object, name) ? (this.#object[name] ?? undefined) : undefined
  }

  text(name: string): string | undefined {
    const value = this.raw(name)
    if (value === undefined || typeof value === 'string') return value
    throw fault(this.at(name), 'must be text')
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name)
    if (value === undefined || typeof value === 'boolean') return value
    throw fault(this.at(name), 'must be true or false')
  }

  number(name: string, from: number, to: number): number | undefined {
    const value = this.raw(name)
    if (value === undefined || (typeof value === 'number' && value >= from && value <= to)) return value
    throw fault(this.at(name), `must be a number from ${from} to ${to}`)
  }

  integer(name: string, from: number, to = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= from && value <= to) return value
    throw fault(this.at(name), integerWords(from, to))
  }

  object(name: string): JsonObject | undefined {
    const value = this.raw(name)
    if (value === undefined || isJsonObject(value)) return value
    throw fault(this.at(name), 'must be an object')
  }

  array(name: string): readonly Json[] | undefined {
    const value = this.raw(name)
    if (value === undefined || isArray(value)) return value
    throw fault(this.at(name), 'must be an array')
  }

  word<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const value = this.raw(name)
    const known = words.find((word) => word === value)
    if (value === undefined || known !== undefined) return known
    throw fault(this.at(name), `must be one of ${words.map((word) => `"${word}"`).join(', ')}`)
  }
}

const isArray = (value: Json): value is readonly Json[] => Array.isArray(value)

function integerWords(from: number, to: number): string {
  if (to < Number.MAX_SAFE_INTEGER) return `must be a whole number from ${from} to ${to}`
  return from === 1 ? 'must be a whole number above 0' : 'must be a whole number'
}

/** The object at a place, or the caller's fault. */
export function objectAt(value: Json | undefined, path: string): JsonObject {
  if (isJsonObject(value)) return value
  throw fault(path, 'must be an object')
}

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
  const at = (name: string) => `${path}.${name}`
  const raw = (name: string): Json | undefined => (Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined)
  const read = <Value extends Json>(name: string, isRight: (value: Json) => value is Value, words: string): Value | undefined => {
    const value = raw(name)
    if (value === undefined || isRight(value)) return value
    throw fault(at(name), words)
  }
  return {
    at,
    raw,
    text: (name) => read(name, isText, 'must be text'),
    flag: (name) => read(name, isFlag, 'must be true or false'),
    number: (name, from, to) => read(name, isNumberIn(from, to), `must be a number from ${from} to ${to}`),
    integer: (name, from, to = Number.MAX_SAFE_INTEGER) => read(name, isIntegerIn(from, to), integerWords(from, to)),
    object: (name) => read(name, isJsonObject, 'must be an object'),
    array: (name) => read(name, isArray, 'must be an array'),
    word: (name, words) => read(name, isOneOf(words), `must be one of ${words.map((word) => `"${word}"`).join(', ')}`),
  }
}

const isText = (value: Json): value is string => typeof value === 'string'
const isFlag = (value: Json): value is boolean => typeof value === 'boolean'
const isArray = (value: Json): value is readonly Json[] => Array.isArray(value)
const isNumberIn =
  (from: number, to: number) =>
  (value: Json): value is number =>
    typeof value === 'number' && value >= from && value <= to
const isIntegerIn =
  (from: number, to: number) =>
  (value: Json): value is number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= from && value <= to
const isOneOf =
  <Word extends string>(words: readonly Word[]) =>
  (value: Json): value is Word =>
    words.some((word) => word === value)

function integerWords(from: number, to: number): string {
  if (to < Number.MAX_SAFE_INTEGER) return `must be a whole number from ${from} to ${to}`
  return from === 1 ? 'must be a whole number above 0' : 'must be a whole number'
}

/** The object at a place, or the caller's fault. */
export function objectAt(value: Json | undefined, path: string): JsonObject {
  if (isJsonObject(value)) return value
  throw fault(path, 'must be an object')
}

// Providers are read loosely: what is missing or of another type is nothing, never an error. Callers are read strictly, in body-reader.ts.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { isDeeper } from '../lib/json-depth.ts'

/** Writing JSON anew takes the square of its depth in V8: no answer needs this much of it, and a shorter text cannot have enough to hurt. */
const MAX_DEPTH = 256
const SHORT = 2_048

/** The JSON value of a text; undefined where there is none, or one that nests too deep to be an answer. */
export function parseValue(text: string): unknown {
  if (text.length > SHORT && isDeeper(text, MAX_DEPTH)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined // each reader has its own words for what it cannot read
  }
}

/** The JSON object in a text; undefined where there is none. */
export function parseObject(text: string): JsonObject | undefined {
  const json = parseValue(text)
  return isJsonObject(json) ? json : undefined
}

/** An object, empty where there is none. */
export function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}

/** The elements of a list; none where there is no list. */
export function listOf(value: Json | undefined): readonly Json[] {
  // `as`: `Array.isArray` alone would give elements of type `any`.
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

/** The objects of a list; none where there is no list. */
export function objectsOf(value: Json | undefined): readonly JsonObject[] {
  return listOf(value).filter(isJsonObject)
}

/** A text, empty where there is none. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

/** A text that says something. */
export function wordsOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A number of things; undefined for what cannot be one. */
export function countOf(value: Json | undefined): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

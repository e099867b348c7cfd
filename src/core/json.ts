/** A JSON value as it came off the wire. Numbers a double cannot hold are carried as `JSON.rawJSON` objects (see lib/strict-json.ts). */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

/** A JSON object whose unknown members are kept and passed on. */
export interface JsonObject {
  readonly [key: string]: Json | undefined
}

/** Tells whether a parsed value is a JSON object (not an array, not null). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

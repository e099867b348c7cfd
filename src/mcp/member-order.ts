import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'

/** What a reader looks for first. */
const FIRST = ['name', 'uri', 'uriTemplate', 'title', 'description', 'mimeType', 'inputSchema', 'outputSchema']

/**
 * A definition with its members in an order of ours at every level, so that lists keep their bytes when an upstream writes the same
 * definition another way: provider prompt caches live on them. Required arguments come first, in the order the schema requires them,
 * since models fill arguments in the order they read them; all else goes by name. Lists keep their order, it may mean something.
 */
export function inMemberOrder(definition: JsonObject): JsonObject {
  const named = FIRST.filter((name) => Object.hasOwn(definition, name))
  return arrange(definition, named)
}

function arrange(object: JsonObject, first: readonly string[]): JsonObject {
  const leading = new Set(first.filter((name) => Object.hasOwn(object, name)))
  const rest = Object.keys(object).filter((name) => !leading.has(name))
  const required = object['required']
  const entries = [...leading, ...rest.toSorted()].map((name): [string, Json | undefined] => {
    const member = object[name]
    return name === 'properties' && isJsonObject(member) ? [name, arrange(member, textsOf(required))] : [name, ordered(member)]
  })
  return Object.fromEntries(entries)
}

function ordered(value: Json | undefined): Json | undefined {
  // Items of a list of JSON are JSON, and stay as many.
  if (Array.isArray(value)) return value.map((item: Json) => ordered(item) as Json)
  return isJsonObject(value) && !JSON.isRawJSON(value) ? arrange(value, []) : value
}

function textsOf(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

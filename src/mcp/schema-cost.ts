// Makes a schema from a stranger safe to run. How it works: (1) the schema is copied without the keywords whose time an instance can
// blow up (`pattern`, `patternProperties`, `uniqueItems`, `format`); (2) references are followed to sum up how many steps one value may take;
// (3) a schema that refers to itself, to elsewhere, or takes too many steps is not run at all. What is left out is the upstream's to check.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'

/** A schema that may be run, and the most steps it takes per value. */
export interface RunnableSchema {
  readonly schema: JsonObject
  readonly steps: number
}

const MAX_STEPS = 20_000
const MAX_BYTES = 65_536
const MAX_DEPTH = 64

/** The runnable form of a schema, or undefined when only the upstream can judge by it. */
export function toRunnable(schema: JsonObject): RunnableSchema | undefined {
  if (JSON.stringify(schema).length > MAX_BYTES) return undefined
  try {
    const copy = strip(schema, 0)
    return isJsonObject(copy)
      ? { schema: copy, steps: stepsOf(copy, { root: copy, known: new Map(), open: new Set() }) }
      : undefined
  } catch (error) {
    if (error instanceof NotRunnable) return undefined
    throw error
  }
}

class NotRunnable extends Error {}

/** Keywords whose value is data, not a schema. */
const DATA = new Set(['const', 'default', 'enum', 'examples', 'required', 'type', 'dependentRequired'])
/** Keywords whose value maps names to schemas. */
const MAPS = new Set(['properties', '$defs', 'definitions', 'dependentSchemas'])
const REFUSED = new Set(['$dynamicRef', '$recursiveRef', '$dynamicAnchor', '$recursiveAnchor', 'dependencies'])
const LEFT_OUT = new Set(['pattern', 'uniqueItems', 'format', '$id', 'x-mcp-header'])

function strip(schema: Json | undefined, depth: number): Json {
  if (!isJsonObject(schema)) return schema ?? true
  if (depth > MAX_DEPTH || (depth > 0 && schema['$id'] !== undefined)) throw new NotRunnable()
  // Without its patterns a schema cannot tell which members are extra.
  const open = schema['patternProperties'] !== undefined
  const copy: Record<string, Json> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (REFUSED.has(keyword)) throw new NotRunnable()
    if (LEFT_OUT.has(keyword) || keyword === 'patternProperties' || value === undefined) continue
    if (open && (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties')) continue
    copy[keyword] = stripKeyword(keyword, value, depth)
  }
  return copy
}

function stripKeyword(keyword: string, value: Json, depth: number): Json {
  if (DATA.has(keyword)) return value
  if (MAPS.has(keyword) && isJsonObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, strip(part, depth + 1)]))
  }
  if (Array.isArray(value)) return value.map((part: Json) => strip(part, depth + 1))
  return strip(value, depth + 1)
}

interface Count {
  readonly root: JsonObject
  readonly known: Map<JsonObject, number>
  /** Schemas being counted now: meeting one again is a cycle. */
  readonly open: Set<JsonObject>
}

function stepsOf(schema: Json | undefined, count: Count): number {
  if (!isJsonObject(schema)) return 1
  const known = count.known.get(schema)
  if (known !== undefined) return known
  if (count.open.has(schema)) throw new NotRunnable()
  count.open.add(schema)
  let steps = 1
  for (const [keyword, value] of Object.entries(schema)) steps += stepsOfKeyword(keyword, value, count)
  count.open.delete(schema)
  if (steps > MAX_STEPS) throw new NotRunnable()
  count.known.set(schema, steps)
  return steps
}

function stepsOfKeyword(keyword: string, value: Json | undefined, count: Count): number {
  if (keyword === '$ref') return stepsOf(resolve(value, count.root), count)
  if (keyword === '$defs' || keyword === 'definitions') return 0
  if (DATA.has(keyword)) return keyword === 'enum' && Array.isArray(value) ? value.length : 1
  const parts: readonly (Json | undefined)[] = Array.isArray(value)
    ? value
    : MAPS.has(keyword) && isJsonObject(value)
      ? Object.values(value)
      : [value]
  let steps = 0
  for (const part of parts) steps += stepsOf(part, count)
  return steps
}

function decoded(reference: string): string {
  try {
    return decodeURIComponent(reference)
  } catch {
    throw new NotRunnable() // broken escapes point nowhere
  }
}

/** Only JSON pointers into the same schema; other references are never followed. */
function resolve(reference: Json | undefined, root: JsonObject): Json {
  if (typeof reference !== 'string' || (reference !== '#' && !reference.startsWith('#/'))) throw new NotRunnable()
  let at: Json | undefined = root
  for (const token of decoded(reference).split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    at = Array.isArray(at)
      ? (at[Number(name)] as Json | undefined)
      : isJsonObject(at) && Object.hasOwn(at, name)
        ? at[name]
        : undefined
  }
  if (at === undefined) throw new NotRunnable()
  return at
}

import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'

/** A schema the wire can enforce, and the keywords it cannot. */
export interface FittedSchema {
  readonly schema: JsonObject
  readonly lost: ReadonlySet<string>
}

/** Keywords whose value the wire refuses in a schema it is to enforce. */
const REFUSED: ReadonlySet<string> = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'patternProperties',
  'propertyNames',
])

/** Members that hold a schema, a list of them, or a map of them by name. */
const ONE: ReadonlySet<string> = new Set(['items', 'not'])
const LIST: ReadonlySet<string> = new Set(['anyOf', 'allOf', 'oneOf', 'prefixItems'])
const MAP: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions'])

/** Fits a schema written for another provider: objects are closed, and limits the wire does not know are left out. */
export function fitSchema(schema: JsonObject): FittedSchema {
  const lost = new Set<string>()
  return { schema: fit(schema, lost), lost }
}

function fit(schema: JsonObject, lost: Set<string>): JsonObject {
  const fitted: Record<string, Json | undefined> = {}
  for (const [name, value] of Object.entries(schema)) {
    if (REFUSED.has(name) || (name === 'minItems' && value !== 0 && value !== 1)) lost.add(name)
    else fitted[name] = fitMember(name, value, lost)
  }
  const open = schema['additionalProperties']
  if (open !== undefined && open !== false) lost.add('additionalProperties')
  if (schema['type'] === 'object' || schema['properties'] !== undefined || open !== undefined)
    fitted['additionalProperties'] = false
  return fitted
}

function fitMember(name: string, value: Json | undefined, lost: Set<string>): Json | undefined {
  if (ONE.has(name) && isJsonObject(value)) return fit(value, lost)
  if (LIST.has(name) && Array.isArray(value)) return value.map((item: Json) => (isJsonObject(item) ? fit(item, lost) : item))
  if (!MAP.has(name) || !isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, isJsonObject(item) ? fit(item, lost) : item]))
}

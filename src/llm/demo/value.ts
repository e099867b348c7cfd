import { isJsonObject, type Json } from '../../core/json.ts'

const DEEPEST = 16
const BY_TYPE: Readonly<Record<string, Json>> = { string: 'demo', number: 1, integer: 1, boolean: true, array: [], null: null }

/** A value that a plain JSON Schema allows: what it gives as default or example, else the simplest of its type. References are not followed. */
export function demoValue(schema: Json | undefined, depth = 0): Json {
  if (!isJsonObject(schema) || depth > DEEPEST) return {}
  const { default: usual, const: only, enum: words, examples, properties, required } = schema
  const given = usual ?? only ?? first(words) ?? first(examples)
  if (given !== undefined) return given
  const choice = first(schema['anyOf']) ?? first(schema['oneOf'])
  if (choice !== undefined) return demoValue(choice, depth + 1)
  const type = first(schema['type']) ?? schema['type']
  if (typeof type === 'string' && Object.hasOwn(BY_TYPE, type)) return BY_TYPE[type] ?? null
  if (!isJsonObject(properties) || !Array.isArray(required)) return {}
  const names = required.filter((name: Json): name is string => typeof name === 'string' && Object.hasOwn(properties, name))
  return Object.fromEntries(names.map((name) => [name, demoValue(properties[name], depth + 1)]))
}

function first(value: Json | undefined): Json | undefined {
  return Array.isArray(value) ? (value as readonly Json[])[0] : undefined // `as`: isArray widens a readonly array
}

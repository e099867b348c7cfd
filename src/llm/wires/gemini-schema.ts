// JSON Schema for models that take only the older subset called Schema. (1) `$ref` is replaced by what it points at, as deep as a limit and a
// budget of nodes allow; (2) forms with another spelling are respelled: `const`, `oneOf`, lists of types, `null`; (3) of the rest only known
// keywords go out, and each that constrained something is reported. Answers may then break constraints that were lost.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { listOf } from '../loose-json.ts'

/** A rewritten schema and the keywords that could not be said. */
export interface RewrittenSchema {
  readonly schema: JsonObject
  readonly lost: ReadonlySet<string>
}

const MAX_DEPTH = 16
const MAX_NODES = 2_000
const MAX_ALL_OF = 256

const COPIED =
  'title description default example nullable pattern minimum maximum minLength maxLength minItems maxItems minProperties maxProperties propertyOrdering'.split(
    ' ',
  )
/** Rewritten below, or words about the schema that bind no value. */
const HANDLED = new Set(
  COPIED.concat(
    'type enum const format properties items required anyOf oneOf allOf $ref'.split(' '),
    '$schema $id $comment $defs definitions $anchor examples deprecated readOnly writeOnly'.split(' '),
  ),
)
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  STRING: ['date-time', 'enum'],
  NUMBER: ['float', 'double'],
  INTEGER: ['int32', 'int64'],
}
const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'array', 'object'])

interface Walk {
  readonly root: JsonObject
  readonly lost: Set<string>
  nodes: number
}

/** Rewrites a JSON Schema to the allow-list of Gemini's Schema. Never throws; recursion is bounded. */
export function toGeminiSchema(root: JsonObject): RewrittenSchema {
  const walk: Walk = { root, lost: new Set(), nodes: 0 }
  return { schema: rewrite(root, walk, 0), lost: walk.lost }
}

function rewrite(given: Json | undefined, walk: Walk, depth: number): JsonObject {
  // `true` and anything odd allow every value.
  if (!isJsonObject(given)) return {}
  walk.nodes += 1
  if (depth > MAX_DEPTH || walk.nodes > MAX_NODES) {
    walk.lost.add('$ref')
    return {}
  }
  const source = split(merged(resolved(given, walk), walk))
  const target: Record<string, Json | undefined> = {}
  for (const key of COPIED) if (source[key] !== undefined) target[key] = source[key]
  writeType(source, target)
  writeValues(source, target, walk)
  writeChildren(source, target, walk, depth)
  writeAlternatives(source, target, walk, depth)
  for (const key of Object.keys(source)) if (isConstraint(key, source[key])) walk.lost.add(key)
  return target
}

function isConstraint(key: string, value: Json | undefined): boolean {
  if (HANDLED.has(key) || key.startsWith('x-')) return false
  return !(key === 'additionalProperties' && value === true)
}

/** Follows `$ref` into this document; members beside it win. */
function resolved(given: JsonObject, walk: Walk): JsonObject {
  let schema = given
  for (let step = 0; step < 8; step += 1) {
    const reference = schema['$ref']
    if (typeof reference !== 'string') return schema
    const { $ref: _, ...beside } = schema
    const found = pointed(walk.root, reference)
    if (found === undefined) {
      walk.lost.add('$ref')
      return beside
    }
    schema = { ...found, ...beside }
  }
  walk.lost.add('$ref')
  const { $ref: _, ...rest } = schema
  return rest
}

function pointed(root: JsonObject, reference: string): JsonObject | undefined {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  let value: Json | undefined = root
  for (const raw of reference.slice(2).split('/')) {
    const key = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isJsonObject(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return isJsonObject(value) ? value : undefined
}

/** Folds `allOf` into the schema that holds it: properties and required add up, of other keywords the first wins. */
function merged(schema: JsonObject, walk: Walk): JsonObject {
  if (!Array.isArray(schema['allOf'])) return schema
  const { allOf, ...base } = schema
  const sum: Record<string, Json | undefined> = base
  const parts = listOf(allOf)
  if (parts.length > MAX_ALL_OF) walk.lost.add('allOf')
  for (const one of parts.slice(0, MAX_ALL_OF)) {
    if (!isJsonObject(one)) continue
    for (const [key, value] of Object.entries(resolved(one, walk))) fold(key, value, sum, walk)
  }
  return sum
}

function fold(key: string, value: Json | undefined, sum: Record<string, Json | undefined>, walk: Walk): void {
  const before = sum[key]
  if (before === undefined) sum[key] = value
  else if (key === 'properties' && isJsonObject(before) && isJsonObject(value)) sum[key] = { ...value, ...before }
  else if (key === 'required') sum[key] = [...new Set([...strings(before), ...strings(value)])]
  else if (JSON.stringify(before) !== JSON.stringify(value)) walk.lost.add('allOf')
}

function writeType(source: JsonObject, target: Record<string, Json | undefined>): void {
  const names = typesOf(source)
  if (names.includes('null')) target['nullable'] = true
  const first = names.find((name) => TYPES.has(name))
  if (first !== undefined) target['type'] = first.toUpperCase()
  else if (isJsonObject(source['properties'])) target['type'] = 'OBJECT'
}

function typesOf(source: JsonObject): string[] {
  const type = source['type']
  return (Array.isArray(type) ? strings(type) : typeof type === 'string' ? [type] : []).map((name) => name.toLowerCase())
}

/** Several types at once become alternatives with one type each; what is said beside them goes to each. */
function split(source: JsonObject): JsonObject {
  const types = typesOf(source)
  if (types.filter((type) => TYPES.has(type)).length < 2) return source
  const { description, ...rest } = source
  return {
    ...(description === undefined ? {} : { description }),
    anyOf: types.map((type) => (type === 'null' ? { type } : { ...rest, type })),
  }
}

function writeValues(source: JsonObject, target: Record<string, Json | undefined>, walk: Walk): void {
  const isEnum = Array.isArray(source['enum'])
  const values = isEnum ? listOf(source['enum']) : source['const'] === undefined ? [] : [source['const']]
  if (values.includes(null)) target['nullable'] = true
  const rest = values.filter((value) => value !== null)
  if (rest.length > 0 && rest.every((value) => typeof value === 'string')) {
    target['enum'] = rest
    target['type'] ??= 'STRING'
  } else if (rest.length > 0) walk.lost.add(isEnum ? 'enum' : 'const')
  const format = source['format']
  if (format === undefined) return
  const type = typeof target['type'] === 'string' ? target['type'] : ''
  if (typeof format === 'string' && FORMATS[type]?.includes(format)) target['format'] = format
  else walk.lost.add('format')
}

function writeChildren(source: JsonObject, target: Record<string, Json | undefined>, walk: Walk, depth: number): void {
  const properties = source['properties']
  if (isJsonObject(properties)) {
    const entries = Object.entries(properties).map(([name, schema]) => [name, rewrite(schema, walk, depth + 1)] as const)
    if (entries.length > 0) target['properties'] = Object.fromEntries(entries)
    const required = strings(source['required']).filter((name) => Object.hasOwn(properties, name))
    if (required.length > 0) target['required'] = required
  }
  if (isJsonObject(source['items'])) target['items'] = rewrite(source['items'], walk, depth + 1)
  else if (source['items'] !== undefined) walk.lost.add('items')
  if (target['type'] === 'ARRAY') target['items'] ??= {}
}

function writeAlternatives(source: JsonObject, target: Record<string, Json | undefined>, walk: Walk, depth: number): void {
  for (const key of ['anyOf', 'oneOf'] as const) {
    const given = listOf(source[key])
    if (given.some(isNull)) target['nullable'] = true
    const branches = given.filter((one) => !isNull(one)).map((one) => rewrite(one, walk, depth + 1))
    const [only] = branches
    if (branches.length === 1 && only !== undefined) Object.assign(target, { ...only, ...target })
    else if (branches.length > 1) target['anyOf'] = branches
    if (key === 'oneOf' && branches.length > 1) walk.lost.add('oneOf')
  }
}

const isNull = (schema: Json) => isJsonObject(schema) && schema['type'] === 'null'

function strings(value: Json | undefined): string[] {
  return listOf(value).filter((one) => typeof one === 'string')
}

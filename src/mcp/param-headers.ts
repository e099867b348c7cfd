import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'

// `x-mcp-header` of 2026-07-28: an annotated argument of a tool is mirrored into an `Mcp-Param-{Name}` header, so that intermediaries
// can route without reading the body. The body stays the truth; the header is an index that must agree with it.

/** Prefix of the headers that mirror arguments. */
const PARAM_PREFIX = 'mcp-param-'

/** An argument that is mirrored: `path` is its way through `properties`, `header` the name as annotated. */
export interface HeaderDeclaration {
  readonly header: string
  readonly path: readonly string[]
  readonly type: 'string' | 'integer' | 'boolean'
}

/** An annotation that breaks the rules; the tool that carries it must not be offered. */
export interface InvalidDeclaration {
  /** JSON path of the annotated schema. */
  readonly path: string
  readonly reason: string
}

/** Everything a schema says about headers. */
export interface HeaderDeclarations {
  readonly valid: readonly HeaderDeclaration[]
  readonly invalid: readonly InvalidDeclaration[]
}

const NONE: HeaderDeclarations = { valid: [], invalid: [] }
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/
const SENTINEL = /^=\?base64\?(.*)\?=$/s
const MAX_DEPTH = 64
const MAX_SCHEMAS = 10_000
const memo = new WeakMap<JsonObject, HeaderDeclarations>()

/** Writes a value for `Mcp-Name` or `Mcp-Param-*`: plain when a header can carry it as it is, else in the base64 sentinel. */
export function encodeHeaderValue(value: string): string {
  if (value === '' || (PLAIN.test(value) && !SENTINEL.test(value))) return value
  return `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`
}

/** Reads a header value back; undefined when a sentinel holds no valid base64 of UTF-8. Surrounding blanks are trimmed first. */
export function decodeHeaderValue(value: string): string | undefined {
  const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, '')
  const match = SENTINEL.exec(trimmed)
  if (!match) return trimmed
  const bytes = Buffer.from(match[1] ?? '', 'base64')
  if (bytes.toString('base64') !== match[1]) return undefined
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined
}

/** Finds the `x-mcp-header` annotations of an input schema, valid and invalid. Remembered per schema object. */
export function headerDeclarations(inputSchema: JsonObject | undefined): HeaderDeclarations {
  if (inputSchema === undefined) return NONE
  const known = memo.get(inputSchema)
  if (known) return known
  const found = collect(inputSchema)
  memo.set(inputSchema, found)
  return found
}

/** The `Mcp-Param-*` headers (lower case names) that go with a call; absent and null arguments have none. */
export function paramHeaders(inputSchema: JsonObject | undefined, args: JsonObject | undefined): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const declaration of headerDeclarations(inputSchema).valid) {
    const text = textOf(valueAt(args, declaration.path))
    if (text !== undefined) headers[PARAM_PREFIX + declaration.header.toLowerCase()] = encodeHeaderValue(text)
  }
  return headers
}

/** Compares headers with the arguments. Returns what is wrong in words for the caller, or undefined when they agree. */
export function checkParamHeaders(
  inputSchema: JsonObject | undefined,
  args: JsonObject | undefined,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): string | undefined {
  for (const declaration of headerDeclarations(inputSchema).valid) {
    const problem = mismatch(
      declaration,
      valueAt(args, declaration.path),
      headers[PARAM_PREFIX + declaration.header.toLowerCase()],
    )
    if (problem !== undefined) return `header Mcp-Param-${declaration.header} ${problem}`
  }
  return undefined
}

function mismatch(
  declaration: HeaderDeclaration,
  value: Json | undefined,
  header: string | readonly string[] | undefined,
): string | undefined {
  const argument = declaration.path.join('.')
  const wanted = textOf(value)
  if (wanted === undefined) {
    const absent = value === undefined || value === null
    // a value of another type than declared is the argument validation's business, not the header's
    return header === undefined || !absent ? undefined : `is present but argument ${argument} is not`
  }
  if (header === undefined) return `is missing for argument ${argument}`
  if (typeof header !== 'string') return 'is given more than once'
  const given = decodeHeaderValue(header)
  if (given === undefined) return 'is not valid base64 of UTF-8'
  const equal =
    given === wanted || (declaration.type === 'integer' && /^-?\d+(?:\.0+)?$/.test(given) && Number(given) === Number(wanted))
  return equal ? undefined : `differs from argument ${argument}`
}

/** The text of a mirrored value: strings as they are, integers and booleans as JSON writes them, nothing for anything else. */
function textOf(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : undefined
}

function valueAt(args: JsonObject | undefined, path: readonly string[]): Json | undefined {
  let value: Json | undefined = args
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

interface Walk {
  readonly valid: HeaderDeclaration[]
  readonly invalid: InvalidDeclaration[]
  readonly seen: Map<string, string>
  schemas: number
}

interface Place {
  readonly schema: JsonObject
  readonly path: string
  /** The way through `properties` alone; undefined once another keyword was passed. */
  readonly argument: readonly string[] | undefined
  readonly depth: number
}

function collect(root: JsonObject): HeaderDeclarations {
  const walk: Walk = { valid: [], invalid: [], seen: new Map(), schemas: 0 }
  visit({ schema: root, path: '$', argument: [], depth: 0 }, walk)
  return walk.valid.length + walk.invalid.length === 0 ? NONE : { valid: walk.valid, invalid: walk.invalid }
}

/** Keywords whose value is data, not a schema: an `x-mcp-header` inside them annotates nothing. */
const DATA = new Set(['const', 'default', 'enum', 'examples', 'required', 'type', 'description', 'title'])
const SCHEMA_MAPS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])

function visit(place: Place, walk: Walk): void {
  walk.schemas += 1
  if (place.depth > MAX_DEPTH || walk.schemas > MAX_SCHEMAS) return
  if (Object.hasOwn(place.schema, 'x-mcp-header')) declare(place, walk)
  for (const [keyword, value] of Object.entries(place.schema)) {
    if (DATA.has(keyword) || typeof value !== 'object' || value === null) continue
    const path = `${place.path}.${keyword}`
    if (SCHEMA_MAPS.has(keyword) && isJsonObject(value))
      visitMap({ ...place, schema: value, path }, walk, keyword === 'properties')
    else visitValue(value, { ...place, path }, walk)
  }
}

function visitMap(place: Place, walk: Walk, properties: boolean): void {
  for (const [name, schema] of Object.entries(place.schema)) {
    if (!isJsonObject(schema)) continue
    const argument = properties && place.argument ? [...place.argument, name] : undefined
    visit({ schema, path: `${place.path}.${name}`, argument, depth: place.depth + 1 }, walk)
  }
}

function visitValue(value: Json, place: Place, walk: Walk): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) visitValue(item as Json, { ...place, path: `${place.path}[${index}]` }, walk) // an item of Json[] is Json
  } else if (isJsonObject(value)) {
    visit({ schema: value, path: place.path, argument: undefined, depth: place.depth + 1 }, walk)
  }
}

function declare(place: Place, walk: Walk): void {
  const header = place.schema['x-mcp-header']
  const type = place.schema['type']
  const refuse = (reason: string): void => void walk.invalid.push({ path: place.path, reason })
  if (typeof header !== 'string' || header === '') return refuse('x-mcp-header must be a non-empty string')
  if (!TOKEN.test(header)) return refuse('x-mcp-header must be an HTTP token')
  if (place.argument === undefined || place.argument.length === 0)
    return refuse('x-mcp-header is only for arguments reached through properties')
  if (type !== 'string' && type !== 'integer' && type !== 'boolean')
    return refuse('x-mcp-header is only for string, integer and boolean')
  const earlier = walk.seen.get(header.toLowerCase())
  if (earlier !== undefined) return refuse(`x-mcp-header repeats the one at ${earlier}`)
  walk.seen.set(header.toLowerCase(), place.path)
  walk.valid.push({ header, path: place.argument, type })
}

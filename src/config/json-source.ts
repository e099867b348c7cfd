// Strict JSON with positions, for files an admin owns. The text is read once by descent; every value remembers where it and its key
// stand, so that a fault found much later (an unknown server, an expression that does not compile) still names line and column.

/** Steps from the root of a file to one of its values. */
export type JsonPath = readonly (string | number)[]

/** A place in a text; both count from 1, columns in UTF-16 code units. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A parsed file: the value, and where each part of it stands. */
export interface JsonSource {
  readonly value: unknown
  /** Position of the value at a path, or of its key; of the nearest enclosing value when there is nothing at the path. */
  locate(path: JsonPath, part?: 'value' | 'key'): Position
}

/** Why a text could not be read. `position` is where the fault was seen. */
export class JsonSourceError extends Error {
  readonly position: Position

  constructor(message: string, position: Position) {
    super(message)
    this.name = 'JsonSourceError'
    this.position = position
  }
}

/** `lenient` takes comments and trailing commas, as the configuration files of some clients have them. */
export interface JsonSourceOptions {
  readonly lenient?: boolean
}

type Node = {
  readonly start: number
  readonly key: number
  readonly value: unknown
  readonly children: ReadonlyMap<string | number, Node>
}
type Reader = { readonly text: string; readonly lenient: boolean; at: number; depth: number; values: number }

const MAX_DEPTH = 100
/** Far more than the longest lists of any schema need; a file beyond it is refused before anything walks through all of it. */
const MAX_VALUES = 100_000
const NONE: ReadonlyMap<string | number, Node> = new Map()

/** Parses a JSON text; throws a JsonSourceError at the first fault. */
export function parseJsonSource(text: string, options: JsonSourceOptions = {}): JsonSource {
  const reader: Reader = { text, lenient: options.lenient ?? false, at: text.startsWith('\uFEFF') ? 1 : 0, depth: 0, values: 0 }
  skipBlanks(reader)
  if (reader.at >= text.length) throw fault(reader, 'the file is empty; expected a JSON object')
  const root = readValue(reader, reader.at)
  skipBlanks(reader)
  if (reader.at < text.length) throw fault(reader, `expected the end of the file, found ${found(reader)}`)
  return { value: root.value, locate: (path, part = 'value') => locate(text, root, path, part) }
}

function locate(text: string, root: Node, path: JsonPath, part: 'value' | 'key'): Position {
  let node = root
  for (const [index, step] of path.entries()) {
    const child = node.children.get(step)
    if (child === undefined) return positionOf(text, node.start)
    node = child
    if (index === path.length - 1 && part === 'key') return positionOf(text, node.key)
  }
  return positionOf(text, node.start)
}

function positionOf(text: string, offset: number): Position {
  let line = 1
  let start = text.startsWith('\uFEFF') ? 1 : 0
  for (let next = text.indexOf('\n'); next >= 0 && next < offset; next = text.indexOf('\n', next + 1)) {
    line++
    start = next + 1
  }
  return { line, column: offset - start + 1 }
}

function fault(reader: Reader, message: string, at = reader.at): JsonSourceError {
  return new JsonSourceError(message, positionOf(reader.text, at))
}

function found(reader: Reader): string {
  if (reader.at >= reader.text.length) return 'the end of the file'
  return JSON.stringify(String.fromCodePoint(reader.text.codePointAt(reader.at) ?? 0))
}

function skipBlanks(reader: Reader): void {
  while (true) {
    while (isBlank(reader.text.charCodeAt(reader.at))) reader.at++
    if (reader.text[reader.at] !== '/') return
    const opening = reader.text.slice(reader.at, reader.at + 2)
    if (opening !== '//' && opening !== '/*') return
    if (!reader.lenient) throw fault(reader, 'comments are not allowed: the file is strict JSON')
    const end = opening === '//' ? reader.text.indexOf('\n', reader.at) : reader.text.indexOf('*/', reader.at + 2)
    if (end < 0 && opening === '/*') throw fault(reader, 'the comment is not closed with "*/"')
    reader.at = end < 0 ? reader.text.length : end + (opening === '//' ? 1 : 2)
  }
}

/** Space, tab, line feed, carriage return. */
function isBlank(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9
}

function readValue(reader: Reader, key: number): Node {
  const start = reader.at
  if (++reader.values > MAX_VALUES) throw fault(reader, `the file has more than ${MAX_VALUES} values; split it`)
  const leaf = (value: unknown): Node => ({ start, key, value, children: NONE })
  const next = reader.text[start] ?? ''
  if (next === '{' || next === '[') {
    if (++reader.depth > MAX_DEPTH) throw fault(reader, `values may be nested ${MAX_DEPTH} deep`)
    const node = next === '{' ? readObject(reader, key) : readArray(reader, key)
    reader.depth--
    return node
  }
  if (next === '"') return leaf(readString(reader))
  if (next === '-' || (next >= '0' && next <= '9')) return leaf(readNumber(reader))
  const word = /^[A-Za-z]+/.exec(reader.text.slice(start, start + 12))?.[0]
  if (word !== undefined) {
    if (word !== 'true' && word !== 'false' && word !== 'null')
      throw fault(reader, `expected a value, found ${word}; text stands in double quotes`)
    reader.at += word.length
    return leaf(word === 'null' ? null : word === 'true')
  }
  if (next === "'") throw fault(reader, 'expected a value, found "\'"; text stands in double quotes')
  throw fault(reader, `expected a value, found ${found(reader)}`)
}

function readObject(reader: Reader, key: number): Node {
  const start = reader.at++
  const children = new Map<string | number, Node>()
  const value: Record<string, unknown> = {}
  for (skipBlanks(reader); reader.text[reader.at] !== '}'; skipBlanks(reader)) {
    if (children.size > 0) readComma(reader, '}')
    if (reader.text[reader.at] === '}') break
    const keyAt = reader.at
    if (reader.text[keyAt] !== '"')
      throw fault(reader, `expected a key in double quotes${children.size === 0 ? ' or "}"' : ''}, found ${found(reader)}`)
    const name = readString(reader)
    if (children.has(name)) throw fault(reader, `the key ${JSON.stringify(name)} is given twice`, keyAt)
    if (name === '__proto__') throw fault(reader, 'the key "__proto__" is not allowed', keyAt)
    skipBlanks(reader)
    if (reader.text[reader.at] !== ':')
      throw fault(reader, `expected ":" after the key ${JSON.stringify(name)}, found ${found(reader)}`)
    reader.at++
    skipBlanks(reader)
    const child = readValue(reader, keyAt)
    children.set(name, child)
    value[name] = child.value
  }
  reader.at++
  return { start, key, value, children }
}

function readArray(reader: Reader, key: number): Node {
  const start = reader.at++
  const children = new Map<string | number, Node>()
  const value: unknown[] = []
  for (skipBlanks(reader); reader.text[reader.at] !== ']'; skipBlanks(reader)) {
    if (children.size > 0) readComma(reader, ']')
    if (reader.text[reader.at] === ']') break
    const child = readValue(reader, reader.at)
    children.set(value.length, child)
    value.push(child.value)
  }
  reader.at++
  return { start, key, value, children }
}

/** Reads the comma between two members; `close` is what would end the list instead. */
function readComma(reader: Reader, close: '}' | ']'): void {
  const comma = reader.at
  if (reader.text[comma] !== ',') throw fault(reader, `expected "," or "${close}", found ${found(reader)}`)
  reader.at++
  skipBlanks(reader)
  if (reader.text[reader.at] === close && !reader.lenient)
    throw fault(reader, `remove the comma before "${close}": the file is strict JSON`, comma)
}

function readString(reader: Reader): string {
  const start = reader.at++
  let isPlain = true
  while (true) {
    const next = reader.text.charCodeAt(reader.at)
    if (Number.isNaN(next) || next === 10) throw fault(reader, 'the text is not closed with a double quote', start)
    if (next < 32) throw fault(reader, 'control characters must be written as escapes, such as \\t')
    reader.at++
    if (next === 34) break
    if (next !== 92) continue
    isPlain = false
    if (!/^(["\\/bfnrt]|u[0-9A-Fa-f]{4})/.test(reader.text.slice(reader.at, reader.at + 5))) {
      throw fault(reader, `unknown escape "\\${reader.text.charAt(reader.at)}"`, reader.at - 1)
    }
    reader.at++
  }
  if (isPlain) return reader.text.slice(start + 1, reader.at - 1)
  return JSON.parse(reader.text.slice(start, reader.at)) as string // a quoted slice, checked above, is text
}

function readNumber(reader: Reader): number {
  const start = reader.at
  const word = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/.exec(reader.text.slice(start, start + 400))?.[0] ?? ''
  if (word === '' || /^[0-9A-Za-z.+-]/.test(reader.text.slice(start + word.length)))
    throw fault(reader, 'this is not a JSON number')
  const value = Number(word)
  if (!Number.isFinite(value) || (/^-?\d+$/.test(word) && !Number.isSafeInteger(value))) {
    throw fault(reader, 'the number is too large to be kept exactly; write it as text')
  }
  reader.at += word.length
  return value
}

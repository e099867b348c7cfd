// How it works: (1) the bytes must be UTF-8 without a byte order mark; (2) one pass over the text counts depth, nodes and members,
// refuses a repeated member name at any depth (after unescaping), and notes where the members of the outermost object stand;
// (3) JSON.parse makes the value; numbers a double cannot hold are kept as they came (json-numbers.ts).
// It does not promise to name the first of several faults, and it does not check the syntax itself: JSON.parse does.
import { isUtf8 } from 'node:buffer'
import { parseJson } from './json-numbers.ts'
import { printable } from './printable.ts'

/** Why a text was refused. `syntax`: it is not JSON. `bounds` and `duplicate`: it is, and we do not take it. */
export class JsonRefusal extends Error {
  readonly kind: 'syntax' | 'bounds' | 'duplicate'

  constructor(kind: JsonRefusal['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'JsonRefusal'
    this.kind = kind
  }
}

/** How large a text may be in ways its byte count does not say. */
export interface JsonBounds {
  readonly depth: number
  readonly nodes: number
}

/** A piece of the text: from `start` up to and without `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A parsed text. `members` (outermost object) and `elements` (outermost array) say where the parts stand in `text`. */
export interface StrictJson {
  readonly text: string
  readonly value: unknown
  readonly members: ReadonlyMap<string, Span>
  readonly elements: readonly Span[]
}

const MAX_MEMBERS = 9_999

/** Decodes bytes that must be UTF-8 without a byte order mark. */
export function decodeUtf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new JsonRefusal('syntax', 'the body is not UTF-8')
  const text = bytes.toString('utf8')
  if (text.charCodeAt(0) === 0xfeff) throw new JsonRefusal('syntax', 'the body starts with a byte order mark')
  return text
}

/** Parses a text from outside strictly. Throws JsonRefusal. */
export function parseStrictJson(text: string, bounds: JsonBounds): StrictJson {
  const scan = scanJson(text, bounds)
  return { text, value: parse(text), members: scan.members, elements: scan.elements }
}

function parse(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    throw new JsonRefusal('syntax', 'the body is not JSON', { cause: error })
  }
}

interface Scan {
  readonly members: Map<string, Span>
  readonly elements: Span[]
}

interface Level {
  isObject: boolean
  /** The first name seen: a set is made for the second, because a text of nothing but braces must not cost a set for each. */
  firstName: string | undefined
  /** Names seen so far, from the second on. */
  names: Set<string> | undefined
  /** An object expects a name next. */
  expectsName: boolean
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

function scanJson(text: string, bounds: JsonBounds): Scan {
  /** One for each depth met so far, used again by what opens there next: a text of nothing but braces must stay cheap. */
  const levels: Level[] = []
  let depth = 0
  const outline = createOutline()
  let nodes = 0
  let at = 0
  const count = () => {
    nodes += 1
    if (nodes > bounds.nodes) throw new JsonRefusal('bounds', `the body has more than ${bounds.nodes} values`)
  }
  while (at < text.length) {
    const code = text.charCodeAt(at)
    const level = depth === 0 ? undefined : levels[depth - 1]
    if (code === QUOTE) {
      const end = endOfString(text, at)
      if (level?.expectsName) {
        const name = readName(text, at, end)
        takeName(level, name)
        outline.name(depth, name)
      } else {
        count()
        outline.value(depth, at, end)
      }
      at = end
    } else if (code === 0x7b || code === 0x5b) {
      count()
      if (depth >= bounds.depth) throw new JsonRefusal('bounds', `the body nests deeper than ${bounds.depth} levels`)
      outline.open(depth, at)
      enter(levels, depth, code === 0x7b)
      depth += 1
      at += 1
    } else if (code === 0x7d || code === 0x5d) {
      if (depth > 0) depth -= 1
      at += 1
      outline.close(depth, at)
    } else if (code === 0x2c) {
      if (level?.isObject) level.expectsName = true
      at += 1
    } else if (code === 0x3a || isBlank(code)) {
      at += 1
    } else {
      count()
      const end = endOfWord(text, at)
      outline.value(depth, at, end)
      at = end
    }
  }
  return { members: outline.members, elements: outline.elements }
}

function enter(levels: Level[], depth: number, isObject: boolean): void {
  const level = levels[depth]
  if (level === undefined) {
    levels.push({ isObject, firstName: undefined, names: undefined, expectsName: isObject })
    return
  }
  level.isObject = isObject
  level.firstName = undefined
  level.names = undefined
  level.expectsName = isObject
}

function takeName(level: Level, name: string): void {
  level.expectsName = false
  if (level.firstName === undefined) {
    level.firstName = name
    return
  }
  level.names ??= new Set([level.firstName])
  if (level.names.has(name))
    throw new JsonRefusal('duplicate', `the member ${JSON.stringify(printable(name.slice(0, 64)))} is given twice`)
  level.names.add(name)
  if (level.names.size > MAX_MEMBERS) throw new JsonRefusal('bounds', `an object has more than ${MAX_MEMBERS} members`)
}

/** Remembers where the values directly inside the outermost object or array stand: those met at depth 1. */
function createOutline() {
  const members = new Map<string, Span>()
  const elements: Span[] = []
  let lastName: string | undefined
  let opened = 0
  const value = (depth: number, start: number, end: number) => {
    if (depth !== 1) return
    if (lastName === undefined) elements.push({ start, end })
    else members.set(lastName, { start, end })
    lastName = undefined
  }
  return {
    members,
    elements,
    value,
    name(depth: number, name: string) {
      if (depth === 1) lastName = name
    },
    open(depth: number, start: number) {
      if (depth === 1) opened = start
    },
    close: (depth: number, end: number) => value(depth, opened, end),
  }
}

function readName(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end - 1)
  if (!name.includes('\\')) return name
  try {
    return JSON.parse(text.slice(start, end)) as string // a quoted text parses to a string or throws
  } catch (error) {
    throw new JsonRefusal('syntax', 'the body is not JSON', { cause: error })
  }
}

/** The index after the closing quote; the end of the text when there is none (JSON.parse then refuses). */
function endOfString(text: string, start: number): number {
  let from = start + 1
  for (;;) {
    const quote = text.indexOf('"', from)
    if (quote < 0) return text.length
    let slashes = 0
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1
    if (slashes % 2 === 0) return quote + 1
    from = quote + 1
  }
}

function endOfWord(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && !isBreak(text.charCodeAt(at))) at += 1
  return at
}

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
const isBreak = (code: number) =>
  code === 0x2c ||
  code === 0x5d ||
  code === 0x7d ||
  code === 0x3a ||
  code === QUOTE ||
  code === 0x5b ||
  code === 0x7b ||
  isBlank(code)

// Bodies on their way to a provider. In the same dialect the caller's bytes are kept: (1) one pass notes where the top-level members stand,
// (2) an edit names the members to set or remove, (3) one concat puts the untouched pieces and the new texts together.
// It does not check the JSON (JSON.parse does, elsewhere); text that is no JSON ends in a clean `parse_error` or in spans nobody will use.
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { parseJson } from '../lib/json-numbers.ts'
import type { MemberSpan, ProviderCall } from './provider.ts'
import type { Wire } from './wire.ts'

/** Changes to the top-level members of a body: JSON text sets one, `undefined` removes it. */
export type BodyEdits = Readonly<Record<string, string | undefined>>

/** A body ready to be sent, and what it could not say. */
export interface WrittenBody {
  readonly body: Buffer
  readonly dropped: readonly string[]
  /** Tool names as sent, where they differ: sent name to the caller's name. */
  readonly toolNames?: ReadonlyMap<string, string>
}

/** Writes the body of an attempt: the caller's bytes edited, or the middle form or the caller's JSON with the members set. */
export function writeBody(call: ProviderCall, wire: Wire, members: BodyEdits): WrittenBody {
  const { body } = call
  if (body.kind === 'same') return { body: editBody(body.bytes, body.members, members), dropped: [] }
  if (body.kind === 'json') return { body: toBytes(body.json, members), dropped: [] }
  const encoded = wire.encodeRequest(body.request, call.target)
  const written = { body: toBytes(encoded.body, members), dropped: encoded.dropped }
  return encoded.toolNames === undefined ? written : { ...written, toolNames: encoded.toolNames }
}

function toBytes(json: JsonObject, edits: BodyEdits): Buffer {
  const whole: Record<string, unknown> = { ...json }
  for (const [name, text] of Object.entries(edits)) whole[name] = text === undefined ? undefined : parseJson(text)
  return Buffer.from(JSON.stringify(whole))
}

/** Sets or removes top-level members; every other byte stays as it is. `members` is what `scanMembers` said of these bytes. */
export function editBody(bytes: Buffer, members: ReadonlyMap<string, MemberSpan>, edits: BodyEdits): Buffer {
  const cuts = changesOf(members, edits)
  addTo(cuts, { bytes, members, edits })
  if (cuts.length === 0) return bytes
  const pieces: Buffer[] = []
  let from = 0
  for (const cut of cuts) {
    pieces.push(bytes.subarray(from, cut.start), Buffer.from(cut.text))
    from = cut.end
  }
  pieces.push(bytes.subarray(from))
  return Buffer.concat(pieces)
}

interface Cut {
  readonly start: number
  readonly end: number
  readonly text: string
}

const has = (edits: BodyEdits, name: string) => Object.hasOwn(edits, name)
const isRemoved = (edits: BodyEdits, name: string) => has(edits, name) && edits[name] === undefined

/** New values in the place of old ones; a removed member takes the comma after it along, at the end of the object the one before it. */
function changesOf(members: ReadonlyMap<string, MemberSpan>, edits: BodyEdits): Cut[] {
  const cuts: Cut[] = []
  let keptEnd: number | undefined
  /** Removed members since the last one that stays. */
  let gap: { readonly start: number; end: number } | undefined
  for (const [name, span] of members) {
    if (isRemoved(edits, name)) {
      gap ??= { start: span.start, end: span.end }
      gap.end = span.end
      continue
    }
    if (gap !== undefined) cuts.push({ start: gap.start, end: span.start, text: '' })
    gap = undefined
    keptEnd = span.end
    const text = has(edits, name) ? edits[name] : undefined
    if (text !== undefined) cuts.push({ start: span.valueStart, end: span.end, text })
  }
  if (gap !== undefined) cuts.push({ start: keptEnd ?? gap.start, end: gap.end, text: '' })
  return cuts
}

/** Members that were not there come last. */
function addTo(cuts: Cut[], { bytes, members, edits }: Editing): void {
  let text = ''
  for (const name in edits) {
    const value = edits[name]
    if (value !== undefined && !members.has(name)) text += `,${JSON.stringify(name)}:${value}`
  }
  if (text === '') return
  let hasKept = false
  let at = -1
  for (const [name, { end }] of members) {
    hasKept ||= !isRemoved(edits, name)
    at = end
  }
  if (at === -1) at = bytes.indexOf(OPEN_BRACE) + 1
  cuts.push({ start: at, end: at, text: hasKept ? text : text.slice(1) })
}

interface Editing {
  readonly bytes: Buffer
  readonly members: ReadonlyMap<string, MemberSpan>
  readonly edits: BodyEdits
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACE = 0x7d
const CLOSE_BRACKET = 0x5d

/** How deep a body may nest, and how many values it may hold. */
export interface BodyBounds {
  readonly depth: number
  readonly nodes: number
}

const UNBOUND: BodyBounds = { depth: Number.POSITIVE_INFINITY, nodes: Number.POSITIVE_INFINITY }

/**
 * Finds the top-level members of a JSON object. Throws `invalid_request` for a name given twice and for what is over a bound, `parse_error` for
 * what is no object.
 */
export function scanMembers(bytes: Buffer, bounds: BodyBounds = UNBOUND): ReadonlyMap<string, MemberSpan> {
  const members = new Map<string, MemberSpan>()
  const walk: Walk = { bounds, nodes: 0 }
  let at = skipBlanks(bytes, 0)
  if (bytes[at] !== OPEN_BRACE) throw notAnObject()
  at = skipBlanks(bytes, at + 1)
  while (bytes[at] !== CLOSE_BRACE) {
    if (bytes[at] !== QUOTE) throw notAnObject()
    const nameEnd = endOfString(bytes, at)
    const colon = skipBlanks(bytes, nameEnd)
    if (bytes[colon] !== COLON) throw notAnObject()
    const valueStart = skipBlanks(bytes, colon + 1)
    const end = endOfValue(bytes, valueStart, walk)
    const name = readName(bytes, at, nameEnd)
    if (members.has(name))
      throw new GatewayError('invalid_request', `the member ${JSON.stringify(name.slice(0, 64))} is given twice in the body`)
    members.set(name, { start: at, valueStart, end })
    at = skipBlanks(bytes, end)
    if (bytes[at] === COMMA) at = skipBlanks(bytes, at + 1)
    else if (bytes[at] !== CLOSE_BRACE) throw notAnObject()
  }
  return members
}

interface Walk {
  readonly bounds: BodyBounds
  /** Values seen inside of members. */
  nodes: number
}

function overBound(what: string): GatewayError {
  return new GatewayError('invalid_request', `the body ${what}`)
}

const notAnObject = () => new GatewayError('parse_error', 'the body is not a JSON object')

function readName(bytes: Buffer, start: number, end: number): string {
  const name = bytes.toString('utf8', start + 1, end - 1)
  if (!name.includes('\\')) return name
  try {
    return JSON.parse(bytes.toString('utf8', start, end)) as string // a quoted text parses to a string or throws
  } catch (error) {
    throw new GatewayError('parse_error', 'the body is not a JSON object', { cause: error })
  }
}

/** Up to here a string is read byte by byte: most are short, and a search costs more to begin than to run. */
const NEAR_BYTES = 48

function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1
  for (;;) {
    const near = Math.min(bytes.length, at + NEAR_BYTES)
    while (at < near) {
      const code = bytes[at]
      if (code === QUOTE) return at + 1
      at += code === BACKSLASH ? 2 : 1
    }
    const quote = bytes.indexOf(QUOTE, at)
    if (quote === -1) throw notAnObject()
    // `at` is never inside an escape, so only the backslashes from there on belong to this quote
    let slashes = 0
    while (quote - 1 - slashes >= at && bytes[quote - 1 - slashes] === BACKSLASH) slashes += 1
    if (slashes % 2 === 0) return quote + 1
    at = quote + 1
  }
}

function endOfValue(bytes: Buffer, start: number, walk: Walk): number {
  const first = bytes[start]
  if (first === QUOTE) return endOfString(bytes, start)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfContainer(bytes, start, walk)
  let at = start
  while (at < bytes.length && !endsWord(bytes[at])) at += 1
  if (at === start) throw notAnObject()
  return at
}

function endOfContainer(bytes: Buffer, start: number, walk: Walk): number {
  const { bounds } = walk
  // The member itself stands one level below the body.
  let depth = 2
  let at = start + 1
  let nodes = walk.nodes
  while (at < bytes.length) {
    const code = bytes[at]
    if (code === QUOTE) {
      at = endOfString(bytes, at)
      continue
    }
    at += 1
    // Between two commas there is one value, and the first of a container has none before it.
    if (code === COMMA) nodes += 1
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1
      nodes += 1
      if (depth > bounds.depth) throw overBound(`nests deeper than ${bounds.depth} levels`)
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth -= 1
      if (depth > 1) continue
      walk.nodes = nodes + 1
      if (walk.nodes > bounds.nodes) throw overBound(`holds more than ${bounds.nodes} values`)
      return at
    }
  }
  throw notAnObject()
}

function skipBlanks(bytes: Buffer, from: number): number {
  let at = from
  while (isBlank(bytes[at])) at += 1
  return at
}

const isBlank = (code: number | undefined) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
const endsWord = (code: number | undefined) =>
  code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code === COLON || code === QUOTE || isBlank(code)

/** One segment of a URL path: encoded, and never one that a server could read as a step up or as two segments. */
export function segment(text: string): string {
  const encoded = encode(text)
  if (encoded === undefined)
    throw new GatewayError(
      'invalid_params',
      'a model name in a URL must be plain text without "/", "." steps and control characters',
    )
  return encoded
}

function encode(text: string): string | undefined {
  if (text === '' || text === '.' || text === '..' || /[/\\\p{Cc}]/u.test(text) || !text.isWellFormed()) return undefined
  return encodeURIComponent(text)
}

/** A parsed regular expression, without captures: groups only group. */
export type PatternNode =
  | { readonly kind: 'set'; readonly accepts: (codePoint: number) => boolean }
  | {
      readonly kind: 'assert'
      readonly assertion: 'text-start' | 'text-end' | 'line-start' | 'line-end' | 'boundary' | 'no-boundary'
    }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly part: PatternNode; readonly min: number; readonly max: number }

type Range = readonly [from: number, to: number]
type Reader = { readonly points: readonly string[]; at: number; depth: number }
type Flags = { readonly ignoreCase: boolean; readonly multiLine: boolean; readonly dotAll: boolean }

const MAX_PATTERN = 1_000
const MAX_DEPTH = 50
const MAX_REPEAT = 1_000
const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: [[48, 57]],
  s: [
    [9, 10],
    [12, 13],
    [32, 32],
  ],
  w: [
    [48, 57],
    [65, 90],
    [95, 95],
    [97, 122],
  ],
}
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }

/** Parses a pattern in RE2 syntax; throws an Error naming the place of the first fault. */
export function parsePattern(pattern: string): PatternNode {
  const reader: Reader = { points: Array.from(pattern), at: 0, depth: 0 }
  if (reader.points.length > MAX_PATTERN) throw new Error(`the pattern is longer than ${MAX_PATTERN} characters`)
  const node = parseChoice(reader, { ignoreCase: false, multiLine: false, dotAll: false })
  if (reader.at < reader.points.length) throw fault(reader, 'unexpected ")"')
  return node
}

function fault(reader: Reader, message: string): Error {
  return new Error(`${message} at character ${reader.at + 1} of the pattern`)
}

function parseChoice(reader: Reader, outer: Flags): PatternNode {
  if (++reader.depth > MAX_DEPTH) throw fault(reader, 'groups nest too deeply')
  const parts: PatternNode[] = []
  let flags = outer
  let sequence: PatternNode[] = []
  while (reader.at < reader.points.length && reader.points[reader.at] !== ')') {
    if (reader.points[reader.at] === '|') {
      reader.at++
      parts.push({ kind: 'sequence', parts: sequence })
      sequence = []
      continue
    }
    const set = flagsAhead(reader, flags)
    if (set === undefined) sequence.push(parseRepeat(reader, flags))
    else flags = set
  }
  reader.depth--
  const last: PatternNode = { kind: 'sequence', parts: sequence }
  return parts.length === 0 ? last : { kind: 'choice', parts: [...parts, last] }
}

/** Reads `(?i)`, `(?ms)`, `(?-s)`: flags for the rest of the group they stand in. */
function flagsAhead(reader: Reader, flags: Flags): Flags | undefined {
  const found = /^\(\?([ims]*)(?:-([ims]+))?\)/.exec(reader.points.slice(reader.at, reader.at + 12).join(''))
  if (found === null || found[0] === '(?)') return undefined
  reader.at += found[0].length
  return withFlags(flags, found[1] ?? '', found[2] ?? '')
}

function withFlags(flags: Flags, on: string, off: string): Flags {
  const pick = (letter: string, before: boolean) => (on.includes(letter) || before) && !off.includes(letter)
  return { ignoreCase: pick('i', flags.ignoreCase), multiLine: pick('m', flags.multiLine), dotAll: pick('s', flags.dotAll) }
}

function parseRepeat(reader: Reader, flags: Flags): PatternNode {
  let node = parseAtom(reader, flags)
  for (let quantifiers = 0; ; quantifiers++) {
    const bounds = quantifierAhead(reader)
    if (bounds === undefined) return node
    if (quantifiers > 0) throw fault(reader, 'one quantifier follows another')
    if (reader.points[reader.at] === '?') reader.at++ // lazy: whether there is a match does not depend on it
    node = { kind: 'repeat', part: node, min: bounds[0], max: bounds[1] }
  }
}

function quantifierAhead(reader: Reader): Range | undefined {
  const simple = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] } as const
  const next = reader.points[reader.at]
  if (next === '*' || next === '+' || next === '?') {
    reader.at++
    return simple[next]
  }
  if (next !== '{') return undefined
  const found = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(reader.points.slice(reader.at, reader.at + 12).join(''))
  if (found === null) return undefined
  const min = Number(found[1])
  const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3])
  if (max < min || min > MAX_REPEAT || (max > MAX_REPEAT && max !== Infinity))
    throw fault(reader, `repetition must go from 0 to ${MAX_REPEAT}`)
  reader.at += found[0].length
  return [min, max]
}

function parseAtom(reader: Reader, flags: Flags): PatternNode {
  const point = reader.points[reader.at] ?? ''
  switch (point) {
    case '(':
      return parseGroup(reader, flags)
    case '[':
      reader.at++
      return parseSet(reader, flags)
    case '\\':
      reader.at++
      return parseEscape(reader, flags)
    case '*':
    case '+':
    case '?':
      throw fault(reader, `"${point}" has nothing to repeat`)
  }
  reader.at++
  if (point === '.')
    return flags.dotAll
      ? setOf([[0, 0x10ffff]], flags)
      : setOf(
          [
            [0, 9],
            [11, 0x10ffff],
          ],
          flags,
        )
  if (point === '^') return { kind: 'assert', assertion: flags.multiLine ? 'line-start' : 'text-start' }
  if (point === '$') return { kind: 'assert', assertion: flags.multiLine ? 'line-end' : 'text-end' }
  return setOf([only(point)], flags)
}

function parseGroup(reader: Reader, outer: Flags): PatternNode {
  const ahead = reader.points.slice(reader.at, reader.at + 60).join('')
  const opening = /^\((?:\?(?:P?<[A-Za-z_]\w{0,40}>|([ims]*)(?:-([ims]+))?:))?/.exec(ahead)?.[0] ?? '('
  const letters = /^\(\?([ims]*)(?:-([ims]+))?:/.exec(opening)
  if (opening === '(' && ahead.startsWith('(?')) throw fault(reader, 'look-around and other "(?" forms are not supported')
  reader.at += opening.length
  const node = parseChoice(reader, letters === null ? outer : withFlags(outer, letters[1] ?? '', letters[2] ?? ''))
  if (reader.points[reader.at] !== ')') throw fault(reader, 'missing ")"')
  reader.at++
  return node
}

function parseEscape(reader: Reader, flags: Flags): PatternNode {
  const assertions = { A: 'text-start', z: 'text-end', b: 'boundary', B: 'no-boundary' } as const
  const point = reader.points[reader.at] ?? ''
  if (point === 'A' || point === 'z' || point === 'b' || point === 'B') {
    reader.at++
    return { kind: 'assert', assertion: assertions[point] }
  }
  return setOf(escapedRanges(reader), flags)
}

/** The characters an escape stands for, the reader being behind its backslash. */
function escapedRanges(reader: Reader): readonly Range[] {
  const point = reader.points[reader.at] ?? ''
  const lower = point.toLowerCase()
  const named = CLASSES[lower]
  if (named !== undefined) {
    reader.at++
    return point === lower ? named : inverted(named)
  }
  const hex = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(reader.points.slice(reader.at, reader.at + 10).join(''))
  if (hex !== null) {
    reader.at += hex[0].length
    const value = Number.parseInt(hex[1] ?? hex[2] ?? '', 16)
    return [[value, value]]
  }
  const control = CONTROLS[point]
  if (control === undefined && (point === '' || /[A-Za-z0-9]/.test(point))) throw fault(reader, `unknown escape "\\${point}"`)
  reader.at++
  return control === undefined ? [only(point)] : [[control, control]]
}

function parseSet(reader: Reader, flags: Flags): PatternNode {
  const negated = reader.points[reader.at] === '^'
  if (negated) reader.at++
  const ranges: Range[] = []
  for (let first = true; first || reader.points[reader.at] !== ']'; first = false) {
    if (reader.at >= reader.points.length) throw fault(reader, 'missing "]"')
    const from = setMember(reader)
    const [low] = from
    const isRange =
      reader.points[reader.at] === '-' && reader.points[reader.at + 1] !== ']' && reader.at + 1 < reader.points.length
    if (!isRange || from.length !== 1 || low === undefined || low[0] !== low[1]) {
      ranges.push(...from)
      continue
    }
    reader.at++
    const [high, more] = setMember(reader)
    if (high === undefined || more !== undefined || high[0] !== high[1] || high[0] < low[0])
      throw fault(reader, 'a range must go from a character to a later one')
    ranges.push([low[0], high[0]])
  }
  reader.at++
  return setOf(ranges, flags, negated)
}

function setMember(reader: Reader): readonly Range[] {
  const point = reader.points[reader.at++] ?? ''
  if (point === '[' && reader.points[reader.at] === ':') throw fault(reader, 'named classes such as [:alpha:] are not supported')
  return point === '\\' ? escapedRanges(reader) : [only(point)]
}

function setOf(ranges: readonly Range[], flags: Flags, negated = false): PatternNode {
  const within = (codePoint: number) => ranges.some(([from, to]) => codePoint >= from && codePoint <= to)
  const accepts = flags.ignoreCase ? (codePoint: number) => otherCases(codePoint).some(within) : within
  return { kind: 'set', accepts: negated ? (codePoint) => !accepts(codePoint) : accepts }
}

function otherCases(codePoint: number): number[] {
  const text = String.fromCodePoint(codePoint)
  return [codePoint, text.toLowerCase().codePointAt(0) ?? codePoint, text.toUpperCase().codePointAt(0) ?? codePoint]
}

function only(point: string): Range {
  const codePoint = point.codePointAt(0) ?? 0
  return [codePoint, codePoint]
}

function inverted(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = []
  let from = 0
  for (const [low, high] of ranges) {
    if (low > from) gaps.push([from, low - 1])
    from = high + 1
  }
  gaps.push([from, 0x10ffff])
  return gaps
}

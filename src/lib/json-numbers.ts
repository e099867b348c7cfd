import { randomUUID } from 'node:crypto'

// How it works: (1) JSON.parse reads the text and says whether it is JSON; (2) when the text holds digits that a double could lose, its number
// literals are looked at, and where one is lost the text is parsed once more with marks in the place of such literals; (3) the marks become
// `JSON.rawJSON` objects. A reviver would do the same with an object for every value of the text, and recursively.

/** Texts without such a run of digits or exponent hold no number that a double could lose; they take the fast path. */
const SUSPECT = /\d{16,}|[eE][+-]?\d{3,}/

/**
 * Parses JSON so that every number survives a round trip: one that a double cannot hold becomes a `JSON.rawJSON` object, which
 * `JSON.stringify` writes back digit by digit. `__proto__` stays an ordinary member. Throws a SyntaxError like `JSON.parse`.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  const lost = SUSPECT.test(text) ? lostNumbers(text) : []
  if (lost.length === 0) return value
  // made anew each time: whoever wrote the text cannot have put it there, in whatever spelling
  const mark = randomUUID()
  return unmarked(JSON.parse(marked(text, lost, mark)), mark, lost)
}

interface Literal {
  readonly start: number
  readonly source: string
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const isDigit = (code: number) => code >= 0x30 && code <= 0x39
const continues = (code: number) => isDigit(code) || code === 0x2e || code === 0x2b || code === MINUS || (code | 0x20) === 0x65

/** The number literals of a valid JSON text that no double holds, from left to right. */
function lostNumbers(text: string): readonly Literal[] {
  const lost: Literal[] = []
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === MINUS || isDigit(code)) {
      const start = at
      while (at < text.length && continues(text.charCodeAt(at))) at += 1
      const source = text.slice(start, at)
      if (!isExact(Number(source), source)) lost.push({ start, source })
    } else at += 1
  }
  return lost
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
  return at + 1
}

function marked(text: string, lost: readonly Literal[], mark: string): string {
  let result = ''
  let from = 0
  for (const [index, { start, source }] of lost.entries()) {
    result += `${text.slice(from, start)}"${mark}${index}"`
    from = start + source.length
  }
  return result + text.slice(from)
}

type Holder = Record<string, unknown>

/** Puts the literals in the place of their marks, without recursion: a text may nest as deep as JSON.parse reads. */
function unmarked(value: unknown, mark: string, lost: readonly Literal[]): unknown {
  const literalOf = (text: string) => JSON.rawJSON(lost[Number(text.slice(mark.length))]?.source ?? 'null')
  if (typeof value === 'string') return literalOf(value) // the only text there can be is a mark: there was a number
  const open: unknown[] = [value]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const holder = node as Holder // only objects and arrays are put here
    for (const key in holder) {
      const part = holder[key]
      if (typeof part === 'object' && part !== null) open.push(part)
      else if (typeof part === 'string' && part.startsWith(mark)) holder[key] = literalOf(part)
    }
  }
  return value
}

/** Tells whether the shortest text of the double means the same number as the source did. */
function isExact(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false
  const written = JSON.stringify(value)
  return written === source || decimal(written) === decimal(source)
}

/** A number text as its significant digits and a power of ten: equal for equal numbers. */
function decimal(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)
  if (!match) return text
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + (digits.length - significant.length)}`
}

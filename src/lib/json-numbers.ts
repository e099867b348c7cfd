/** Texts without such a run of digits or exponent hold no number that a double could lose; they take the fast path. */
const SUSPECT = /\d{16,}|[eE][+-]?\d{3,}/

interface Source {
  readonly source?: string
}

/**
 * Parses JSON so that every number survives a round trip: one that a double cannot hold becomes a `JSON.rawJSON` object, which
 * `JSON.stringify` writes back digit by digit. `__proto__` stays an ordinary member. Throws a SyntaxError like `JSON.parse`.
 */
export function parseJson(text: string): unknown {
  if (!SUSPECT.test(text)) return JSON.parse(text)
  return JSON.parse(text, keepNumber)
}

function keepNumber(_key: string, value: unknown, context?: Source): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  return isExact(value, context.source) ? value : JSON.rawJSON(context.source)
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

type Headers = Readonly<Record<string, string>>

/** Credentials as they were last sent to somebody, so that nothing they say back can repeat them. It knows whole values, not pieces. */
export interface SentSecrets {
  /** Keeps the headers of a call; costs nothing else. */
  remember(headers: Headers): Headers
  /** The same value with every secret in its texts struck out. */
  strike<Value>(value: Value): Value
}

const STRUCK = '***'
/** Shorter words would be struck out of ordinary sentences. */
const MIN_LENGTH = 8
/** The last two, so that what was sent just before a rotation is known as well. */
const MAX_KEPT = 2

/** Remembers what is sent; `others` are secrets that travel another way, asked for when something is struck out. */
export function createSentSecrets(others: () => readonly string[] = () => []): SentSecrets {
  const sent: Headers[] = []
  return {
    remember(headers) {
      if (sent[0] !== headers) {
        sent.unshift(headers)
        sent.length = Math.min(sent.length, MAX_KEPT)
      }
      return headers
    },
    strike<Value>(value: Value): Value {
      const values = [...sent.flatMap((headers) => Object.values(headers).flatMap(wordsOf)), ...others()]
      const secrets = [...new Set(values)].filter(({ length }) => length >= MIN_LENGTH).toSorted((a, b) => b.length - a.length)
      return secrets.length === 0 ? value : (strikeIn(value, secrets) as Value) // texts stay texts, all else stays what it is
    },
  }
}

/** The parts of a header that are secrets: all of it, what follows its scheme, both sides of Basic, and the fields of a signature. */
function wordsOf(header: string): string[] {
  const [, basic = ''] = /^Basic (\S+)$/i.exec(header) ?? []
  const pair = Buffer.from(basic, 'base64').toString('utf8')
  return [header, ...header.split(/[\s,;=/]+/), header.replace(/^\S+ /, ''), pair.slice(pair.indexOf(':') + 1)]
}

function strikeIn(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return secrets.reduce((text, secret) => text.replaceAll(secret, STRUCK), value)
  if (Array.isArray(value)) return value.map((item) => strikeIn(item, secrets))
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, strikeIn(member, secrets)]))
}

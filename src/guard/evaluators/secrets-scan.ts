// Finds credentials by the shapes their issuers gave them, in one pass and without a regular expression.
// 1. Only where a word begins, and only at letters a known prefix begins with, prefixes are compared. 2. What follows a prefix must be a run of
// its alphabet of the right length that does not read like an example. 3. Private key blocks, tokens of three parts and AWS secrets, which
// have no prefix of that kind, have readers of their own.
// It does not know secrets without a shape: passwords, and keys of issuers that give them none.
import type { Rest } from '../evaluator.ts'
import {
  ALPHANUMERIC,
  type Alphabet,
  BASE64,
  SECRET_FORMATS,
  URL_SAFE,
  alphabetOf,
  type SecretFormat,
} from './secrets-scan-formats.ts'

/** A credential in a text. */
export interface Secret {
  readonly start: number
  readonly end: number
  readonly label: string
  rest(seen: string): Rest
}

/** Most letters of a private key block; one without its end goes this far. */
const MAX_BLOCK = 16_384
const MAX_BEGIN_LINE = 64
const HEADER_MIN = 10
/** What a token in five parts may have. */
const MAX_SEGMENTS = 5

const TOKEN = alphabetOf('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.')
const BETWEEN = alphabetOf(' \t"\'`:=>,\\')

const BY_LETTER = new Map<number, SecretFormat[]>()
for (const format of SECRET_FORMATS) {
  const letter = format.prefix.charCodeAt(0)
  BY_LETTER.set(letter, [...(BY_LETTER.get(letter) ?? []), format])
}
/** Letters at which it is worth to look closer. */
const FIRST = alphabetOf(`${String.fromCharCode(...BY_LETTER.keys())}eAaSsB`)

/** Credentials that begin at `from` or later, in order and without overlaps. */
export function scanSecrets(text: string, from: number): Secret[] {
  const found: Secret[] = []
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 128 || FIRST[code] === 0) continue
    const secret = endedByBlock(text, secretAt(text, at, from))
    if (secret === undefined) continue
    found.push(secret)
    at = secret.end - 1
  }
  return found
}

/** Letters of a token may run into the dashes of a private key block, which must not hide behind them. */
function endedByBlock(text: string, secret: Secret | undefined): Secret | undefined {
  if (secret === undefined) return undefined
  const block = text.slice(secret.start + 1, secret.end).indexOf('-----BEGIN')
  return block === -1 || text.startsWith('-----BEGIN', secret.start) ? secret : { ...secret, end: secret.start + 1 + block }
}

function secretAt(text: string, at: number, from: number): Secret | undefined {
  const code = text.charCodeAt(at)
  if (code === 0x42 && text.charCodeAt(at - 1) === 0x2d) return blockAt(text, at, from)
  if (at > 0 && has(URL_SAFE, text.charCodeAt(at - 1))) return undefined
  const formats = BY_LETTER.get(code)
  if (formats !== undefined) {
    for (const format of formats) {
      const secret = text.startsWith(format.prefix, at) ? formatAt(text, at, format) : undefined
      if (secret !== undefined) return secret
    }
  }
  if (code === 0x65) return tokenAt(text, at)
  return code === 0x41 || code === 0x61 || code === 0x53 || code === 0x73 ? awsSecretAt(text, at) : undefined
}

function has(alphabet: Alphabet, code: number): boolean {
  return code < 128 && alphabet[code] === 1
}

/** Where a run of an alphabet ends, or `most` after its begin. */
function runEnd(text: string, from: number, alphabet: Alphabet, most = Infinity): number {
  const last = Math.min(text.length, from + most)
  let at = from
  while (at < last && has(alphabet, text.charCodeAt(at))) at++
  return at
}

function formatAt(text: string, start: number, { prefix, label, alphabet, min, max }: SecretFormat): Secret | undefined {
  const from = start + prefix.length
  const end = runEnd(text, from, alphabet, max + 1)
  if (end - from < min || end - from > max || isExample(text.slice(from, Math.min(end, from + 256)))) return undefined
  return { start, end, label, rest: () => runOf(alphabet) }
}

const EXAMPLE = ['example', 'xxxx', '0000000', 'placeholder', 'redacted', 'your', '123456789']

/** Words of a manual, a name in a program, or the same few letters again and again. */
function isExample(text: string): boolean {
  if (new Set(text).size < 7 || (text.length > 24 && !/[0-9]/.test(text))) return true
  const lower = text.toLowerCase()
  return EXAMPLE.some((word) => lower.includes(word))
}

/** A JSON web token, signed (three parts) or encrypted (five). */
function tokenAt(text: string, start: number): Secret | undefined {
  if (!text.startsWith('eyJ', start)) return undefined
  let end = runEnd(text, start, URL_SAFE)
  if (end - start < HEADER_MIN) return undefined
  const isSigned = text.startsWith('.eyJ', end)
  let segments = 1
  while (segments < MAX_SEGMENTS && text.charCodeAt(end) === 0x2e) {
    const next = runEnd(text, end + 1, URL_SAFE)
    if (isSigned && next === end + 1) break
    end = next
    segments++
  }
  const isToken = isSigned ? segments >= 2 : segments === MAX_SEGMENTS
  return isToken ? { start, end, label: 'jwt', rest: () => runOf(TOKEN) } : undefined
}

const AWS_NAMES = ['aws_secret_access_key', 'secretaccesskey', 'secret_access_key', 'aws_secret_key']

/** The secret half of an AWS key has no shape, so only its name gives it away. */
function awsSecretAt(text: string, at: number): Secret | undefined {
  const second = text.charCodeAt(at + 1) | 0x20
  if (second !== 0x77 && second !== 0x65) return undefined
  const ahead = text.slice(at, at + 24).toLowerCase()
  const name = AWS_NAMES.find((one) => ahead.startsWith(one))
  if (name === undefined) return undefined
  const start = runEnd(text, at + name.length, BETWEEN, 8)
  const end = runEnd(text, start, BASE64, 41)
  if (start === at + name.length || end - start !== 40 || isExample(text.slice(start, end))) return undefined
  // The name belongs to the finding: a stream forgets what stands before one.
  return { start: at, end, label: 'aws secret key', rest: () => runOf(ALPHANUMERIC) }
}

/** A private key block, `at` being the B of its BEGIN. */
function blockAt(text: string, at: number, from: number): Secret | undefined {
  const start = at - 5
  if (start < from || !text.startsWith('-----BEGIN ', start)) return undefined
  const lineEnd = text.indexOf('-----', at)
  if (lineEnd === -1 || lineEnd - at > MAX_BEGIN_LINE || !/PRIVATE KEY(?: BLOCK)?$/.test(text.slice(at, lineEnd)))
    return undefined
  const block = text.slice(start, start + MAX_BLOCK)
  const end = start + (blockEnd(block) ?? block.length)
  return { start, end, label: 'private key', rest: restOfBlock }
}

/** Where the line that ends a block is over; undefined when it is not there. */
function blockEnd(text: string): number | undefined {
  const at = text.indexOf('-----END ')
  if (at === -1) return undefined
  const close = text.indexOf('-----', at + 9)
  if (close === -1) return undefined
  return Math.min(close, at + MAX_BEGIN_LINE) + 5
}

function runOf(alphabet: Alphabet): Rest {
  return (text) => runEnd(text, 0, alphabet)
}

function restOfBlock(seen: string): Rest {
  let length = seen.length
  // Enough of what was seen to know an end that is cut in two.
  let tail = seen.slice(-(MAX_BEGIN_LINE + 16))
  let isOver = blockEnd(seen) !== undefined
  return (text) => {
    if (isOver) return 0
    const joined = tail + text
    const end = blockEnd(joined)
    const taken = Math.min(end === undefined ? text.length : end - tail.length, Math.max(0, MAX_BLOCK - length))
    isOver = end !== undefined
    length += taken
    tail = joined.slice(-(MAX_BEGIN_LINE + 16))
    return taken
  }
}

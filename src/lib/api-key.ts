// An API key is `tgk_<id>_<secret><checksum>`: the id (8 characters) is public and names the key in lists and logs, the secret (43
// base62 characters, 256 bits) is known to its holder only, the checksum (6 base62 characters of CRC-32) lets a scanner tell a key
// from chance and lets us refuse a typing error before any look-up. Only the keyed hash is stored.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
const KEY = /^tgk_([0-9a-z]{8})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/

/** Whether a credential looks like one of our API keys, well formed or not. */
export function isApiKey(text: string): boolean {
  return text.startsWith('tgk_')
}

/** A new random key; `key` is shown once, `id` names it from then on. */
export function mintApiKey(): { readonly id: string; readonly key: string } {
  const id = randomDigits(8, ID_DIGITS)
  const body = `tgk_${id}_${randomDigits(43, DIGITS)}`
  return { id, key: body + checksum(body) }
}

/** The id inside a well-formed key, undefined when its form or its checksum is wrong. */
export function parseApiKey(text: string): { readonly id: string } | undefined {
  const match = KEY.exec(text)
  if (match?.[1] === undefined || match[3] !== checksum(text.slice(0, -6))) return undefined
  return { id: match[1] }
}

/** HMAC-SHA-256 of a key under the pepper, base64url: what is stored. */
export function hashApiKey(key: string, pepper: Buffer): string {
  return createHmac('sha256', pepper).update(key, 'utf8').digest('base64url')
}

/** Compares two hashes of `hashApiKey` in constant time. */
export function equalHashes(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left, 'latin1'), Buffer.from(right, 'latin1')]
  return a.length === b.length && timingSafeEqual(a, b)
}

function checksum(body: string): string {
  let rest = crc32(body)
  let text = ''
  for (let index = 0; index < 6; index++) {
    text = DIGITS.charAt(rest % 62) + text
    rest = Math.floor(rest / 62)
  }
  return text
}

/** Random digits without bias: bytes beyond the last whole multiple of the alphabet are drawn again. */
function randomDigits(length: number, alphabet: string): string {
  const limit = 256 - (256 % alphabet.length)
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < limit && text.length < length) text += alphabet.charAt(byte % alphabet.length)
    }
  }
  return text
}

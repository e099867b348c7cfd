import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01'

/** An id such as providers make: a prefix, `_`, and 24 letters and digits. */
export function newId(prefix: string): string {
  let id = `${prefix}_`
  for (const byte of randomBytes(24)) id += ALPHABET[byte & 63]
  return id
}

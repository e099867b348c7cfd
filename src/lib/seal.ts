import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** Seals values into opaque text that only a holder of the keys can make or read (AES-256-GCM). */
export interface Sealer {
  /** `purpose` keeps one kind of sealed text from being taken for another. */
  seal(purpose: string, value: unknown): string
  /** The value, or undefined for anything that was not sealed with one of the keys for this purpose. */
  open(purpose: string, sealed: string): unknown
}

const KEY_BYTES = 32
const MARK_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = MARK_BYTES + NONCE_BYTES

/** The first key seals, all of them open: put a new key first, drop the old one when nothing sealed with it is alive. */
export function createSealer(keys: readonly Buffer[]): Sealer {
  const ring = keys.map(toRingKey)
  const [first] = ring
  if (first === undefined) throw new Error('a sealer needs at least one key')
  return {
    seal(purpose, value) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', first.key, nonce)
      cipher.setAAD(Buffer.from(purpose))
      const body = cipher.update(JSON.stringify(value), 'utf8')
      return Buffer.concat([first.mark, nonce, body, cipher.final(), cipher.getAuthTag()]).toString('base64url')
    },
    open(purpose, sealed) {
      const bytes = Buffer.from(sealed, 'base64url')
      // Base64 has spare bits and ignores strange characters: only the one true spelling counts.
      if (bytes.length <= HEAD_BYTES + TAG_BYTES || bytes.toString('base64url') !== sealed) return undefined
      const key = ring.find(({ mark }) => bytes.subarray(0, MARK_BYTES).equals(mark))
      return key === undefined ? undefined : decrypt(key.key, purpose, bytes)
    },
  }
}

/** Makes a key for `createSealer`. */
export function createSealKey(): Buffer {
  return randomBytes(KEY_BYTES)
}

interface RingKey {
  readonly key: Buffer
  /** Tells which key of the ring sealed a text, so that opening tries one. */
  readonly mark: Buffer
}

function toRingKey(key: Buffer): RingKey {
  if (key.length !== KEY_BYTES) throw new Error(`a seal key has ${KEY_BYTES} bytes, this one has ${key.length}`)
  return { key, mark: createHash('sha256').update('seal').update(key).digest().subarray(0, MARK_BYTES) }
}

function decrypt(key: Buffer, purpose: string, bytes: Buffer): unknown {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(MARK_BYTES, HEAD_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(purpose))
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
    const text = Buffer.concat([decipher.update(bytes.subarray(HEAD_BYTES, bytes.length - TAG_BYTES)), decipher.final()])
    return JSON.parse(text.toString('utf8'))
  } catch {
    // A text that does not open says nothing about why: foreign, altered and old look the same.
    return undefined
  }
}

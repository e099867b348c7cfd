import { importJWK, type CryptoKey } from 'jose'
import { isJsonObject, type JsonObject } from '../core/json.ts'

/** One public key of an issuer. */
export interface SigningKey {
  readonly kid?: string
  /** Equal for equal keys under equal names: tells whether a key seen earlier is still there. */
  readonly fingerprint: string
  /** Whether the key may verify this algorithm (RFC 7517 4.2 to 4.4). */
  fits(alg: string): boolean
  /** The key imported for one algorithm; imported once. */
  load(alg: string): Promise<CryptoKey>
}

const MAX_KEYS = 200
const MIN_RSA_BITS = 2048
const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521', EdDSA: 'Ed25519' }
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e'] as const

/** Reads a JWKS document. Keys that cannot verify signatures (symmetric, for encryption, too short) are left out. Throws on garbage. */
export function readKeySet(document: unknown): readonly SigningKey[] {
  if (!isJsonObject(document) || !Array.isArray(document['keys'])) throw new Error('the document is not a JSON Web Key Set')
  const keys: readonly unknown[] = document['keys']
  if (keys.length > MAX_KEYS) throw new Error(`the key set has more than ${MAX_KEYS} keys`)
  return keys.map(readKey).filter((key) => key !== undefined)
}

/**
 * The key a token names. Without a "kid" only a key that has none either can match, and only when it is the only one that fits:
 * trying one key after the other would let a caller buy signature checks.
 */
export function findKey(keys: readonly SigningKey[], kid: string | undefined, alg: string): SigningKey | undefined {
  const fitting = keys.filter((key) => key.kid === kid && key.fits(alg))
  return fitting.length === 1 ? fitting[0] : undefined
}

function readKey(value: unknown): SigningKey | undefined {
  if (!isJsonObject(value) || !isForVerifying(value)) return undefined
  const publicKey = Object.fromEntries(
    PUBLIC_MEMBERS.filter((name) => typeof value[name] === 'string').map((name) => [name, value[name]]),
  )
  const { kid, alg: declared } = value
  const imported = new Map<string, Promise<CryptoKey>>()
  return {
    ...(typeof kid === 'string' ? { kid } : {}),
    fingerprint: JSON.stringify([kid ?? null, declared ?? null, publicKey]),
    fits: (alg) =>
      (declared === undefined || declared === alg || (declared === 'Ed25519' && alg === 'EdDSA')) && hasType(value, alg),
    load(alg) {
      const known = imported.get(alg)
      if (known !== undefined) return known
      const key = importPublicKey(publicKey, alg)
      imported.set(alg, key)
      return key
    },
  }
}

async function importPublicKey(publicKey: Readonly<Record<string, unknown>>, alg: string): Promise<CryptoKey> {
  const key = await importJWK({ ...publicKey, alg })
  if (key instanceof Uint8Array) throw new Error('the key is symmetric')
  return key
}

function isForVerifying(key: JsonObject): boolean {
  const { kty, use, key_ops: operations } = key
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return false
  if (use !== undefined && use !== 'sig') return false
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}

function hasType(key: JsonObject, alg: string): boolean {
  if (key['kty'] !== 'RSA') return CURVES[alg] !== undefined && key['crv'] === CURVES[alg]
  if (!/^[RP]S(256|384|512)$/.test(alg)) return false
  return typeof key['n'] === 'string' && key['n'].length * 6 >= MIN_RSA_BITS
}

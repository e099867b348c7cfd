import { isJsonObject, type JsonObject } from '../core/json.ts'
import { denied } from './denial.ts'

/** A compact JWS taken apart, nothing about it verified. */
export interface UnverifiedToken {
  readonly text: string
  readonly alg: string
  readonly kid?: string
  readonly typ?: string
  readonly issuer: string
  readonly claims: JsonObject
}

const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/
const MAX_DEPTH = 32
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads header and claims of a token and refuses, before any key is looked up, whatever could not be accepted anyway.
 * Keys and URLs inside the header (jwk, jku, x5u, x5c) are not read: keys come from the configured issuer alone.
 */
export function readToken(text: string): UnverifiedToken {
  const parts = COMPACT.exec(text)
  if (parts?.[1] === undefined || parts[2] === undefined) throw denied('malformed')
  const header = decodePart(parts[1])
  const claims = decodePart(parts[2])
  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || alg.length > 32) throw denied('malformed')
  if (parts[3] === '') throw denied('bad_signature')
  // RFC 7515 4.1.11: an extension we do not understand must not be ignored, and we understand none.
  if (header['crit'] !== undefined || header['b64'] !== undefined) throw denied('malformed')
  if (kid !== undefined && (typeof kid !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(kid))) throw denied('malformed')
  if (typ !== undefined && typeof typ !== 'string') throw denied('malformed')
  if (typeof claims['iss'] !== 'string') throw denied('unknown_issuer')
  const names = { ...(kid === undefined ? {} : { kid }), ...(typ === undefined ? {} : { typ }) }
  return { text, alg, ...names, issuer: claims['iss'], claims }
}

function decodePart(part: string): JsonObject {
  let value: unknown
  try {
    const text = utf8.decode(Buffer.from(part, 'base64url'))
    if (depthOf(text) > MAX_DEPTH) throw denied('malformed')
    value = JSON.parse(text)
  } catch (error) {
    throw denied('malformed', { cause: error })
  }
  if (!isJsonObject(value)) throw denied('malformed')
  return value
}

/** An upper bound of the nesting of a JSON text, in one pass; brackets inside strings count too, which no honest token notices. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, ++depth)
    else if (code === 0x5d || code === 0x7d) depth--
  }
  return deepest
}

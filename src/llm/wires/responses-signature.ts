// A Responses caller keeps what it does not understand in one place only: `encrypted_content` of a reasoning item. Three things travel in it:
// the signature of thoughts, thoughts that are shown only in encrypted form, and the signature of a tool call (Gemini), which names its call.
// All are packed signatures; the last two say what they are before the family. What OpenAI made is written as it came, so that it can go back
// to OpenAI byte for byte.
import type { Signature } from '../middle.ts'
import { packSignature, unpackSignature } from '../signature.ts'

/** The family whose signatures are native to this wire. */
export const NATIVE_FAMILY = 'openai'

const REDACTED = 'redacted:'
const CALL = /^call:([^:]*):/

/** What a text of `encrypted_content` holds. */
export type Sealed =
  | { readonly kind: 'signature'; readonly signature: Signature }
  | { readonly kind: 'redacted'; readonly signature: Signature }
  | { readonly kind: 'call'; readonly signature: Signature; readonly callId: string }

/** Writes `encrypted_content`. */
export function seal(sealed: Sealed): string {
  const { family, value } = sealed.signature
  if (sealed.kind === 'redacted') return packSignature({ family: `${REDACTED}${family}`, value })
  // an id from a provider may be half a character, which cannot be encoded
  if (sealed.kind === 'call')
    return packSignature({ family: `call:${encodeURIComponent(sealed.callId.toWellFormed())}:${family}`, value })
  return family === NATIVE_FAMILY ? value : packSignature(sealed.signature)
}

/** Reads `encrypted_content`; `family` made it where it does not say otherwise. */
export function unseal(text: string, family: string): Sealed {
  const { family: marked, value } = unpackSignature(text, family)
  if (marked.startsWith(REDACTED)) return { kind: 'redacted', signature: { family: marked.slice(REDACTED.length), value } }
  const call = CALL.exec(marked)
  if (call === null) return { kind: 'signature', signature: { family: marked, value } }
  return { kind: 'call', callId: decoded(call[1] ?? ''), signature: { family: marked.slice(call[0].length), value } }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // not something seal wrote: it names no call
    return ''
  }
}

import type { Signature } from '../middle.ts'
import { packSignature } from '../signature.ts'

/** The family whose signatures are native to this dialect. */
export const NATIVE_FAMILY = 'anthropic'

/** Marks thoughts nobody signed. A caller drops a block whose signature is empty, and Anthropic refuses one. */
export const UNSIGNED_FAMILY = 'unsigned'

/** What a Messages caller is to send back with a thought. */
export function toSignature(signature: Signature | undefined): string {
  if (signature === undefined) return packSignature({ family: UNSIGNED_FAMILY, value: '' })
  return signature.family === NATIVE_FAMILY ? signature.value : packSignature(signature)
}

import type { JsonObject } from '../../core/json.ts'
import type { Signature } from '../middle.ts'
import { packSignature } from '../signature.ts'

/** The family whose signatures are native to this dialect. */
export const NATIVE_FAMILY = 'anthropic'

/** Marks thoughts nobody signed. A caller drops a block whose signature is empty, and Anthropic refuses one. */
export const UNSIGNED_FAMILY = 'unsigned'

/** Thoughts shown only in encrypted form, as a block. */
export function toRedacted(redacted: Signature): JsonObject {
  return { type: 'redacted_thinking', data: redacted.family === NATIVE_FAMILY ? redacted.value : packSignature(redacted) }
}

/** What a Messages caller is to send back with a thought. */
export function toSignature(signature: Signature | undefined): string {
  if (signature === undefined) return packSignature({ family: UNSIGNED_FAMILY, value: '' })
  return signature.family === NATIVE_FAMILY ? signature.value : packSignature(signature)
}

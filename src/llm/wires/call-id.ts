import type { Quirks } from '../wire.ts'
import { digest } from './digest.ts'

/** A call id as a wire takes it. Equal ids stay equal, so calls and results still match. */
export function sentCallId(id: string, allowed: RegExp): string {
  return allowed.test(id) ? id : `call_${digest(id, 40)}`
}

/** Ids as they came, or (Mistral) nine letters and digits. */
export function chatCallId(id: string, { toolIds }: Quirks): string {
  if (toolIds !== 'nine_alphanumeric' || /^[A-Za-z0-9]{9}$/.test(id)) return id
  return digest(id, 9)
}

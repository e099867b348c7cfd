import { createHash } from 'node:crypto'
import type { Quirks } from '../wire.ts'

/** Ids as they came, or (Mistral) nine letters and digits that are the same for the same id. */
export function chatCallId(id: string, { toolIds }: Quirks): string {
  if (toolIds !== 'nine_alphanumeric' || /^[A-Za-z0-9]{9}$/.test(id)) return id
  return createHash('sha256').update(id).digest('hex').slice(0, 9)
}

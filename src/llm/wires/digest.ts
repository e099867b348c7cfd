import { createHash } from 'node:crypto'

/** Hexadecimal letters that stand for a text: the same for the same, so that prompt caches stay warm. */
export function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}

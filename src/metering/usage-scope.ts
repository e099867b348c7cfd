import type { UsageDimension } from './contract.ts'

/**
 * Groups as they are answered, each once. A session is a name its caller chose and means nothing without the principal: two callers
 * with the same name are two runs, and each row says whose it is.
 */
export function scopedDimensions(by: readonly UsageDimension[]): UsageDimension[] {
  return [...new Set(by.flatMap((one): UsageDimension[] => (one === 'session' ? ['issuer', 'subject', one] : [one])))]
}
